package policy

import (
	"cmp"
	"fmt"
	"strings"
)

// decoder collects what is wrong.
type decoder struct {
	file     string
	errs     Errors
	warnings Errors
	secrets  []string // that were found in the file: no message repeats one
}

func (d *decoder) fail(at pos, message, offending, suggestion string) {
	d.errs = append(d.errs, d.report(at, message, offending, suggestion))
}

func (d *decoder) warn(at pos, message, offending, suggestion string) {
	d.warnings = append(d.warnings, d.report(at, message, offending, suggestion))
}

func (d *decoder) report(at pos, message, offending, suggestion string) Error {
	return Error{
		File: d.file, Line: max(1, at.line), Column: max(1, at.col), Path: at.path,
		Message:   cmp.Or(d.conceal(message), "a text that holds a secret is wrong here"),
		Offending: shorten(d.conceal(offending)), Suggestion: d.conceal(suggestion),
	}
}

// blamed tells whether something is wrong at path or below it already, of which
// a later finding would only be the consequence.
func (d *decoder) blamed(path string) bool {
	for _, e := range d.errs {
		if e.Path == path || strings.HasPrefix(e.Path, path+".") || strings.HasPrefix(e.Path, path+"[") {
			return true
		}
	}
	return false
}

// value is a setting together with the place where it was written.
type value[V any] struct {
	v   V
	at  pos
	set bool
}

// or is v where it was written, else what it inherits.
func (v value[V]) or(parent value[V]) value[V] {
	if v.set {
		return v
	}
	return parent
}

// kind reads one sort of value and describes it to editors.
type kind[V any] struct {
	schema schema
	// read reports a mistake itself and then returns false.
	read func(d *decoder, n *node) (V, bool)
}

// field is one key of a mapping that is read into a T.
type field[T any] struct {
	name, doc string
	required  bool
	schema    schema
	read      func(d *decoder, n *node, into *T)
}

// key makes a field of a kind.
func key[T, V any](name, doc string, k kind[V], get func(*T) *value[V]) field[T] {
	return field[T]{name: name, doc: doc, schema: k.schema, read: func(d *decoder, n *node, into *T) {
		if v, ok := k.read(d, n); ok {
			*get(into) = value[V]{v: v, at: n.at, set: true}
		}
	}}
}

func required[T any](f field[T]) field[T] {
	f.required = true
	return f
}

// object reads a mapping with fixed keys.
func object[T any](fields ...field[T]) kind[T] {
	return kind[T]{schema: objectSchema(fields), read: func(d *decoder, n *node) (T, bool) {
		var into T
		if !d.want(n, mappingNode) {
			return into, false
		}
		readFields(d, n, fields, &into)
		return into, true
	}}
}

func readFields[T any](d *decoder, n *node, fields []field[T], into *T) {
	seen := map[string]bool{}
	for _, e := range n.entries {
		seen[e.key] = true
		f, ok := find(fields, e.key)
		switch {
		case !ok:
			d.unknownKey(e, names(fields))
		case e.value.kind == brokenNode:
		case e.value.kind == nullNode:
			d.fail(e.at, "has no value", e.key, "give it one, or remove the key")
		default:
			f.read(d, e.value, into)
		}
	}
	for _, f := range fields {
		if f.required && !seen[f.name] {
			d.fail(n.at, "a key is missing", f.name, f.doc)
		}
	}
}

func find[T any](fields []field[T], name string) (field[T], bool) {
	for _, f := range fields {
		if f.name == name {
			return f, true
		}
	}
	return field[T]{}, false
}

func names[T any](fields []field[T]) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.name
	}
	return out
}

func (d *decoder) unknownKey(e entry, known []string) {
	if isSecretName(e.key) {
		d.fail(e.at, secretMessage, e.key, secretAdvice)
		return
	}
	d.fail(e.at, "unknown key", e.key, suggest(e.key, known, "key"))
}

// want reports a value of another kind.
func (d *decoder) want(n *node, k nodeKind) bool {
	if n.kind == k {
		return true
	}
	d.fail(n.at, fmt.Sprintf("must be %s, this is %s", k, n.kind), n.text, "")
	return false
}

// list reads a sequence; a mistake in one item does not hide the others.
func list[V any](item kind[V]) kind[[]value[V]] {
	return kind[[]value[V]]{
		schema: schema{"type": "array", "items": item.schema},
		read: func(d *decoder, n *node) ([]value[V], bool) {
			if n.kind != sequenceNode {
				advice := ""
				if n.text != "" {
					advice = "write [" + shorten(n.text) + "]"
				}
				d.fail(n.at, "must be a list, this is "+n.kind.String(), n.text, advice)
				return nil, false
			}
			out := make([]value[V], 0, len(n.items))
			for _, i := range n.items {
				if i.kind == brokenNode {
					continue
				}
				if v, ok := item.read(d, i); ok {
					out = append(out, value[V]{v: v, at: i.at, set: true})
				}
			}
			return out, true
		},
	}
}

// named is an entry of a mapping whose keys the user chooses.
type named[V any] struct {
	name  string
	keyAt pos
	value[V]
}

// dictionary reads a mapping whose keys the user chooses, in their order.
func dictionary[V any](of kind[V]) kind[[]named[V]] {
	return kind[[]named[V]]{
		schema: schema{"type": "object", "additionalProperties": of.schema},
		read: func(d *decoder, n *node) ([]named[V], bool) {
			if !d.want(n, mappingNode) {
				return nil, false
			}
			out := make([]named[V], 0, len(n.entries))
			for _, e := range n.entries {
				if e.value.kind == brokenNode {
					continue
				}
				if v, ok := of.read(d, e.value); ok {
					out = append(out, named[V]{name: e.key, keyAt: e.at, value: value[V]{v: v, at: e.value.at, set: true}})
				}
			}
			return out, true
		},
	}
}

// isSecretName tells keys that people put secrets under.
func isSecretName(key string) bool {
	k := strings.ToLower(strings.ReplaceAll(key, "-", "_"))
	for _, word := range []string{"password", "passwd", "secret", "token", "api_key", "apikey", "private_key", "credential"} {
		if strings.Contains(k, word) && !strings.HasSuffix(k, "_file") {
			return true
		}
	}
	return false
}

const secretAdvice = "put it into a file that only its owner can read, and name that file: REDIS_PASSWORD_FILE or redis.password_file"
