package headers

import (
	"maps"
	"slices"
	"strings"
)

// Existing says what becomes of a header that the upstream sent itself.
type Existing uint8

const (
	// Replace: the policy's value stands.
	Replace Existing = iota
	// Keep: the upstream's stands, on one line; the policy's fills in.
	Keep
	// Merge: both stand, in one line. Of two members of one name, or of two
	// policies that are the same, one stays: the policy's.
	Merge
)

func (e Existing) String() string { return [...]string{"replace", "keep", "merge"}[e] }

// mergeable headers are lists (RFC 9110 section 5.6.1); of the others a second
// value would be ignored, or make browsers ignore both.
var mergeable = []string{cspHeader, cspOnlyHeader, cacheControl, permissionHeader, clearHeader, endpointsHeader, "link", "server-timing", "accept-ch"}

func (k *compiler) existing(by map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(by)) {
		key, lower := "existing", strings.ToLower(name)
		if reason := mistake(name, ""); reason != "" {
			k.fail(key, name, reason)
			continue
		}
		i, how := k.find(lower), by[name]
		switch {
		case i < 0 && how == "keep" && slices.Contains(k.remove, lower):
			k.remove = slices.DeleteFunc(k.remove, func(r string) bool { return r == lower })
		case i < 0:
			k.fail(key, name, "is not set by this policy: there is nothing to "+how)
		case how == "replace":
			k.set[i].Existing = Replace
		case how == "keep":
			k.set[i].Existing = Keep
		case how == "merge" && slices.Contains(mergeable, lower):
			k.set[i].Existing = Merge
		case how == "merge":
			k.fail(key, name, "takes one value, which cannot be merged: keep or replace")
		default:
			k.fail(key, name, "has an unknown rule "+how+": keep, replace or merge")
		}
	}
}

// merged puts the upstream's members before ours. Policies of a CSP list are
// all enforced (CSP Level 3, section 2.2.2); of a dictionary's members with one
// name the last counts (RFC 9651 section 4.2.2). One that is no dictionary is
// ignored as a whole, so that beside it ours would be ignored too.
func merged(name string, lines []string, ours string) string {
	if (name == permissionHeader || name == endpointsHeader) && !isDictionary(strings.Join(lines, ", ")) {
		return ours
	}
	ourMembers, _ := members(name, ours)
	out := make([]string, 0, len(lines)+len(ourMembers))
	for _, line := range lines {
		theirs, ok := members(name, line)
		if !ok {
			continue // a quote without its end would take ours in
		}
		for _, m := range theirs {
			if !slices.ContainsFunc(ourMembers, func(o string) bool { return same(name, m, o) }) {
				out = append(out, m)
			}
		}
	}
	return strings.Join(append(out, ourMembers...), ", ")
}

// same tells members of which one is enough.
func same(header, theirs, ours string) bool {
	switch header {
	case cacheControl, permissionHeader, endpointsHeader:
		theirs, _, _ = strings.Cut(theirs, "=")
		ours, _, _ = strings.Cut(ours, "=")
	}
	return strings.EqualFold(theirs, ours)
}

// members splits at commas, outside of quotes and parentheses where the header
// has such. ok is false for a quote without its end.
func members(name, line string) (out []string, ok bool) {
	plain := name == cspHeader || name == cspOnlyHeader // CSP Level 3, section 2.2.2
	start, quoted, depth := 0, false, 0
	for i := 0; i <= len(line); i++ { // a backslash skips the next
		switch {
		case i == len(line) || line[i] == ',' && !quoted && depth == 0:
			if m := strings.Trim(line[start:i], " \t"); m != "" {
				out = append(out, m)
			}
			start = i + 1
		case plain:
		case line[i] == '\\' && quoted:
			i++
		case line[i] == '"':
			quoted = !quoted
		case line[i] == '(' && !quoted:
			depth++
		case line[i] == ')' && !quoted && depth > 0:
			depth--
		}
	}
	return out, !quoted
}
