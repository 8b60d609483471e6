package secret

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const plain = "correct-horse-battery"

type holder struct {
	Shown  Value
	hidden Value
	Nested struct{ Deep *Value }
	List   []Value
	Map    map[string]Value
	Any    any
}

type inXML struct{ V Value }

func newHolder() holder {
	v := New([]byte(plain))
	h := holder{Shown: v, hidden: v, List: []Value{v}, Map: map[string]Value{"k": v}, Any: v}
	h.Nested.Deep = &v
	return h
}

// showsSecret looks for the secret as text and in the forms that %v, %x and
// %d give bytes.
func showsSecret(text string) bool {
	for _, form := range []string{plain, fmt.Sprintf("%x", plain), fmt.Sprintf("%X", plain), strings.Trim(fmt.Sprint([]byte(plain)), "[]"),
		strings.Trim(fmt.Sprintf("%#v", []byte(plain)), "[]byte{}"), "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5"} {
		if strings.Contains(text, form) {
			return true
		}
	}
	return false
}

func TestNoVerbPrintsASecretHoweverDeep(t *testing.T) {
	t.Parallel()
	h := newHolder()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%t", "%10.3s", "%T"} {
		for name, value := range map[string]any{
			"value": h.Shown, "pointer": &h.Shown, "holder": h, "pointer to holder": &h, "unexported field alone": h.hidden,
			"list": h.List, "map": h.Map, "error": fmt.Errorf("with %v", h.Shown), "joined": errors.Join(fmt.Errorf("a %+v", h)),
		} {
			if text := fmt.Sprintf(verb, value); showsSecret(text) {
				t.Errorf("%s of %s: %s", verb, name, text)
			}
		}
	}
	if got := fmt.Sprint(h.Shown); got != Redacted {
		t.Errorf("printed as %q", got)
	}
}

func TestNoEncoderWritesASecret(t *testing.T) {
	t.Parallel()
	h := newHolder()
	encoders := map[string]func() ([]byte, error){
		"json": func() ([]byte, error) { return json.Marshal(h) },
		"yaml": func() ([]byte, error) { return yaml.Marshal(h) },
		"xml":  func() ([]byte, error) { return xml.Marshal(inXML{h.Shown}) },
		"gob": func() ([]byte, error) {
			var b bytes.Buffer
			err := gob.NewEncoder(&b).Encode(struct{ V Value }{h.Shown})
			return b.Bytes(), err
		},
		"slog json": func() ([]byte, error) {
			var b bytes.Buffer
			slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", h.Shown, "h", h)
			return b.Bytes(), nil
		},
		"slog text": func() ([]byte, error) {
			var b bytes.Buffer
			slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", h.Shown, "h", h)
			return b.Bytes(), nil
		},
	}
	for name, encode := range encoders {
		text, err := encode()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if showsSecret(string(text)) {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func TestASecretIsRevealedOnlyAsACopy(t *testing.T) {
	t.Parallel()
	given := []byte(plain)
	v := New(given)
	clear(given)
	clear(v.Reveal())
	if v.RevealString() != plain || v.Empty() {
		t.Errorf("revealed %q", v.RevealString())
	}
	if !v.Equal([]byte(plain)) || v.Equal([]byte(plain+"x")) || v.Equal(nil) {
		t.Error("Equal is wrong")
	}
}

func TestTheZeroValueIsEmpty(t *testing.T) {
	t.Parallel()
	var v Value
	if !v.Empty() || v.Reveal() != nil || v.RevealString() != "" || fmt.Sprint(v) != Redacted || !New(nil).Empty() {
		t.Error("the zero value is not empty")
	}
}
