package upload

import (
	"strconv"
	"strings"
)

// Bounds of a path into JSON. They keep what is remembered of a document small.
const (
	maxJSONSteps  = 16
	maxJSONStep   = 128 // bytes of a member's name
	maxJSONFields = 32
)

// jsonStep goes from a value of JSON to one in it: a member by its name, or any
// element of an array.
type jsonStep struct {
	name string
	any  bool
}

// parseJSONPath reads a path in the form of RFC 9535, as far as a stream can be
// followed by it: $.document.content, $.files[*].data, $['odd name'].x. The
// leading "$." may be left out.
func parseJSONPath(s string) (steps []jsonStep, reason string) {
	rest := s
	if strings.HasPrefix(rest, "$") {
		rest = rest[1:]
	} else if rest != "" && rest[0] != '[' && rest[0] != '.' {
		rest = "." + rest
	}
	for rest != "" {
		var step jsonStep
		step, rest, reason = parseJSONStep(rest)
		if reason != "" {
			return nil, reason
		}
		if steps = append(steps, step); len(steps) > maxJSONSteps {
			return nil, "has more than " + strconv.Itoa(maxJSONSteps) + " steps"
		}
	}
	if len(steps) == 0 {
		return nil, "names nothing: $.document.content, or $.files[*].data for each element of an array"
	}
	return steps, ""
}

func parseJSONStep(s string) (step jsonStep, rest, reason string) {
	switch {
	case strings.HasPrefix(s, "[*]"):
		return jsonStep{any: true}, s[3:], ""
	case strings.HasPrefix(s, "['"):
		name, after, ok := strings.Cut(s[2:], "']")
		if !ok {
			return step, "", "has a bracket that does not close"
		}
		step.name, rest = name, after
	case s[0] == '.':
		end := strings.IndexAny(s[1:], ".[")
		if end < 0 {
			end = len(s) - 1
		}
		step.name, rest = s[1:1+end], s[1+end:]
	default:
		return step, "", "has " + quote(s) + ", which is no step: .name, ['name'] or [*]"
	}
	if step.name == "" || len(step.name) > maxJSONStep || strings.ContainsAny(step.name, "*'\"\\]") {
		return step, "", "has a step whose name is empty, longer than 128 bytes, or a pattern"
	}
	return step, rest, ""
}

// jsonField is a place in JSON bodies that holds a file.
type jsonField struct {
	steps   []jsonStep
	policy  *Policy
	urlSafe bool
}

// JSONField is a place in JSON bodies that holds a file in base64, plain or as a
// data: URL (RFC 2397): its path, what it may hold, as for a Field, and its
// alphabet, JSONBase64 (the default) or JSONBase64URL (RFC 4648 section 5).
type JSONField struct {
	Path        string
	Allow       []string
	MaxFileSize int64
	Encoding    string
}

// The alphabets of a JSONField. They are not guessed: a reader of the one drops
// the letters that only the other has, and so reads other bytes.
const (
	JSONBase64    = "base64"
	JSONBase64URL = "base64url"
)

// jsonField compiles one place in JSON bodies.
func (p *Policy) jsonField(f JSONField, fail func(key, value, reason string)) {
	steps, reason := parseJSONPath(f.Path)
	if reason != "" {
		fail("json_fields", f.Path, reason)
		return
	}
	if f.Encoding != "" && f.Encoding != JSONBase64 && f.Encoding != JSONBase64URL {
		fail("json_fields", f.Encoding, "is neither base64 nor base64url")
	}
	for _, other := range p.jsonFields {
		if n := min(len(steps), len(other.steps)); sameSteps(steps[:n], other.steps[:n]) {
			fail("json_fields", f.Path, "leads into, or is, another path of the list")
			return
		}
	}
	if len(p.jsonFields) == maxJSONFields {
		fail("json_fields", f.Path, "is one of more than "+strconv.Itoa(maxJSONFields)+" paths")
		return
	}
	own := p.narrowed("json_fields", f.Allow, f.MaxFileSize, fail)
	p.jsonFields = append(p.jsonFields, jsonField{steps: steps, policy: own, urlSafe: f.Encoding == JSONBase64URL})
}

func sameSteps(a, b []jsonStep) bool {
	for i := range a {
		if a[i].any != b[i].any || !strings.EqualFold(a[i].name, b[i].name) {
			return false
		}
	}
	return true
}
