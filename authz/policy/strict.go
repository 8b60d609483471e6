package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
)

// maxDepth bounds the recursion; Config itself is five deep.
const maxDepth = 16

// decodeStrict reads data into a Config. encoding/json alone stops at the first
// unknown key, takes keys in any letter case, and lets the last of two equal
// keys win; each of the three has hidden a setting from somebody before.
func decodeStrict(data []byte) (Config, error) {
	var found Mistakes
	walker := walker{dec: json.NewDecoder(bytes.NewReader(data)), found: &found}
	walker.dec.UseNumber()
	if err := walker.value(reflect.TypeFor[Config](), "", 0); err != nil {
		return Config{}, append(found, syntaxMistake(err, walker.dec.InputOffset()))
	}
	if _, err := walker.dec.Token(); !errors.Is(err, io.EOF) {
		found.add("(end)", "something follows the policy", "leave one JSON object in the document")
	}
	if len(found) > 0 {
		return Config{}, found
	}
	var config Config
	if err := json.Unmarshal(data, &config); err != nil {
		return Config{}, Mistakes{syntaxMistake(err, walker.dec.InputOffset())}
	}
	return config, nil
}

func syntaxMistake(err error, offset int64) Mistake {
	return Mistake{
		Where: fmt.Sprintf("(byte %d)", offset), What: "not the JSON of a policy: " + err.Error(),
		Fix: "publish it with gatehouse, or compare it with envoy/authz.json",
	}
}

// walker reads the document against a type. Its errors are of the syntax, after
// which nothing more can be found; all else is collected.
type walker struct {
	dec   *json.Decoder
	found *Mistakes
}

func (w *walker) value(t reflect.Type, where string, depth int) error {
	if depth > maxDepth {
		return errors.New("nested too deeply")
	}
	token, err := w.dec.Token()
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	switch token := token.(type) {
	case json.Delim:
		if token == '{' {
			return w.object(t, where, depth)
		}
		return w.array(t, where, depth)
	case json.Number:
		w.number(t, where, token)
	case string:
		w.expect(t, where, reflect.String, "a string")
	case bool:
		w.expect(t, where, reflect.Bool, "a boolean")
	case nil:
		w.expect(t, where, reflect.Invalid, "null")
	}
	return nil
}

// expect reports a value of another kind than t's; nil stands for "whatever",
// used below a mistake that was already reported.
func (w *walker) expect(t reflect.Type, where string, kind reflect.Kind, name string) bool {
	if t == nil || t.Kind() == kind {
		return true
	}
	w.found.add(whole(where), "is "+name, "write "+kindName(t))
	return false
}

func (w *walker) number(t reflect.Type, where string, n json.Number) {
	if !w.expect(t, where, reflect.Int64, "a number") {
		return
	}
	if _, err := n.Int64(); t != nil && err != nil {
		w.found.add(whole(where), "is "+n.String(), "write a whole number of at most 64 bits")
	}
}

func (w *walker) array(t reflect.Type, where string, depth int) error {
	var element reflect.Type
	if w.expect(t, where, reflect.Slice, "an array") && t != nil {
		element = t.Elem()
	}
	for i := 0; w.dec.More(); i++ {
		if err := w.value(element, where+"["+strconv.Itoa(i)+"]", depth+1); err != nil {
			return err
		}
	}
	return w.closing()
}

func (w *walker) object(t reflect.Type, where string, depth int) error {
	if t != nil && t.Kind() != reflect.Map {
		if !w.expect(t, where, reflect.Struct, "an object") {
			t = nil
		}
	}
	seen := map[string]bool{}
	for w.dec.More() {
		token, err := w.dec.Token()
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		key, _ := token.(string)
		at := strings.TrimPrefix(where+"."+key, ".")
		if seen[key] {
			w.found.add(at, "is there twice", "leave one")
		}
		seen[key] = true
		if err := w.value(w.member(t, key, at), at, depth+1); err != nil {
			return err
		}
	}
	return w.closing()
}

func (w *walker) closing() error {
	if _, err := w.dec.Token(); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	return nil
}

func (w *walker) member(t reflect.Type, key, at string) reflect.Type {
	switch {
	case t == nil:
		return nil
	case t.Kind() == reflect.Map:
		return t.Elem()
	}
	var known []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == key {
			member := t.Field(i).Type
			if member.Kind() == reflect.Pointer { // to tell what is not there from zero
				member = member.Elem()
			}
			return member
		}
		known = append(known, name)
	}
	w.found.add(at, "is not known here", "use one of "+strings.Join(known, ", "))
	return nil
}

func whole(where string) string {
	if where == "" {
		return "(document)"
	}
	return where
}

func kindName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice:
		return "an array"
	case reflect.Int64:
		return "a whole number"
	default:
		return "a " + t.Kind().String()
	}
}
