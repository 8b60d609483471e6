package policy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// text is a scalar that is written as YAML's string.
func text() kind[string] {
	return kind[string]{schema: schema{"type": "string"}, read: func(d *decoder, n *node) (string, bool) {
		if n.kind != stringNode {
			advice := ""
			if n.text != "" {
				advice = fmt.Sprintf("write it in quotes: %q", shorten(n.text))
			}
			d.fail(n.at, "must be a text, this is "+n.kind.String(), n.text, advice)
			return "", false
		}
		return n.text, true
	}}
}

// anyText takes numbers and booleans as they are written: in a header's value
// 0 and "0" are the same.
func anyText() kind[string] {
	return kind[string]{
		schema: schema{"type": []string{"string", "number", "boolean"}},
		read: func(d *decoder, n *node) (string, bool) {
			switch n.kind {
			case stringNode, integerNode, floatNode, boolNode:
				return n.text, true
			case nullNode:
				d.fail(n.at, "has no value", "", `write "" to send no such header`)
			default:
				d.fail(n.at, "must be a text, this is "+n.kind.String(), "", "")
			}
			return "", false
		},
	}
}

// word is one of a few texts.
func word(known ...string) kind[string] {
	return kind[string]{
		schema: schema{"type": "string", "enum": known},
		read: func(d *decoder, n *node) (string, bool) {
			if (n.kind == stringNode || n.kind == boolNode) && slices.Contains(known, n.text) {
				return n.text, true
			}
			d.fail(n.at, "unknown value", n.text, suggest(n.text, known, "value"))
			return "", false
		},
	}
}

func mode() kind[string] { return word("enforce", "report", "off") }

func boolean() kind[bool] {
	return kind[bool]{schema: schema{"type": "boolean"}, read: func(d *decoder, n *node) (bool, bool) {
		if n.kind != boolNode {
			d.fail(n.at, "must be true or false, this is "+n.kind.String(), n.text, "write true or false, without quotes")
			return false, false
		}
		return n.text == "true", true
	}}
}

func integer(low, high int64) kind[int64] {
	return kind[int64]{
		schema: schema{"type": "integer", "minimum": low, "maximum": high},
		read: func(d *decoder, n *node) (int64, bool) {
			if !d.want(n, integerNode) {
				return 0, false
			}
			v, err := strconv.ParseInt(n.text, 10, 64)
			if err != nil || v < low || v > high {
				advice := fmt.Sprintf("write %d to %d", low, high)
				if low == high {
					advice = fmt.Sprintf("write %d", low)
				}
				d.fail(n.at, "is outside the range", n.text, advice)
				return 0, false
			}
			return v, true
		},
	}
}

// parsed is a text with a grammar of its own.
func parsed[V any](pattern, example string, parse func(string) (V, error)) kind[V] {
	return kind[V]{
		schema: schema{"type": "string", "pattern": pattern, "examples": []string{example}},
		read: func(d *decoder, n *node) (V, bool) {
			var zero V
			if n.kind != stringNode && n.kind != integerNode && n.kind != floatNode {
				d.fail(n.at, "must be a text like "+example+", this is "+n.kind.String(), n.text, "")
				return zero, false
			}
			v, err := parse(n.text)
			if err != nil {
				d.fail(n.at, err.Error(), n.text, "write it like "+example)
				return zero, false
			}
			return v, true
		},
	}
}

const (
	durationPattern = `^([0-9]+d)?([0-9.]+(ns|us|µs|ms|s|m|h))*$`
	ratePattern     = `^[1-9][0-9]*/(([0-9]+d|[0-9.]*(ms|s|m|h)|d)+|day|month)$`
	sizePattern     = `^[1-9][0-9]* ?(B|kB|KB|MB|GB|KiB|MiB|GiB)?$`
)

// seconds is a duration in whole seconds.
func seconds() kind[time.Duration] {
	return parsed(durationPattern, "30m", func(s string) (time.Duration, error) {
		d, err := parseDuration(s)
		if err == nil && d%time.Second != 0 {
			err = errors.New("is not a whole number of seconds")
		}
		return d, err
	})
}

func rates() kind[rate] { return parsed(ratePattern, "100/60s", parseRate) }

func size() kind[int64] {
	k := parsed(sizePattern, "20MiB", parseSize)
	k.schema = schema{"type": []string{"string", "integer"}, "pattern": sizePattern, "minimum": 1, "examples": []string{"20MiB"}}
	return k
}

// ageSeconds is a number of seconds or a duration; 0 is a value of its own
// ("do not keep").
func ageSeconds() kind[int] {
	return kind[int]{
		schema: schema{"type": []string{"integer", "string"}, "pattern": durationPattern, "minimum": 0},
		read: func(d *decoder, n *node) (int, bool) {
			if n.kind == integerNode {
				v, ok := integer(0, 400*24*3600).read(d, n)
				return int(v), ok
			}
			v, ok := seconds().read(d, n)
			return int(v / time.Second), ok
		},
	}
}

// checkName refuses what cannot name a policy, a route or an upstream: names
// stand in headers, logs and Envoy's statistics.
func checkName(d *decoder, at pos, what, name string) {
	ok := name != "" && len(name) <= 64 && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	})
	switch {
	case !ok:
		d.fail(at, "not a name for "+what, name, "use 1 to 64 letters, digits, - _ and .")
	case strings.HasPrefix(name, reservedPrefix):
		d.fail(at, "this name is Gatehouse's own", name, "leave out the beginning "+reservedPrefix)
	}
}

const reservedPrefix = "gatehouse-"
