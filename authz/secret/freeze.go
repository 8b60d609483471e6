package secret

import (
	"bytes"
	"encoding"
	"encoding/json"
	"log/slog"

	"gatehouse/authz/internal/clip"
)

// frozen is a value as it was when it was logged, in the two forms in which
// slog's handlers write one: by then its owner may have changed it.
type frozen struct {
	text string
	json json.RawMessage // nil: the text as a string
}

// MarshalText implements encoding.TextMarshaler, for slog's text handler.
func (f frozen) MarshalText() ([]byte, error) { return []byte(f.text), nil }

// MarshalJSON implements json.Marshaler, for slog's JSON handler.
func (f frozen) MarshalJSON() ([]byte, error) {
	if f.json == nil {
		return json.Marshal(f.text)
	}
	return f.json, nil
}

func (f frozen) String() string { return f.text }

// freeze returns an attribute that nobody else can change any more, without what
// looks like a secret.
func freeze(a slog.Attr) slog.Attr {
	a = scrubAttr(a)
	switch a.Value.Kind() {
	case slog.KindGroup:
		group := a.Value.Group()
		kept := make([]slog.Attr, len(group))
		for i, member := range group {
			kept[i] = freeze(member)
		}
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(kept...)}
	case slog.KindString:
		return slog.String(a.Key, cut(a.Value.String()))
	case slog.KindAny:
		return slog.Attr{Key: a.Key, Value: freezeAny(a.Value.Any())}
	default:
		return a
	}
}

func freezeAny(v any) slog.Value {
	switch v := v.(type) {
	case nil:
		return slog.AnyValue(nil)
	case error:
		return slog.StringValue(cut(v.Error()))
	case []byte:
		if len(v) <= maxString {
			return slog.AnyValue(bytes.Clone(v))
		}
	}
	f := frozen{text: shown(v)}
	if clean := Scrub(f.text); clean != f.text || len(clean) > maxString {
		return slog.StringValue(cut(clean))
	}
	// What cannot be marshalled is written as text. What hides in JSON and not in
	// the text is a secret all the same.
	if text, err := json.Marshal(v); err == nil && len(text) <= maxString && Scrub(string(text)) == string(text) {
		f.json = text
	}
	return slog.AnyValue(f)
}

// shown is v as slog's text handler writes it.
func shown(v any) string {
	if m, ok := v.(encoding.TextMarshaler); ok {
		if text, err := m.MarshalText(); err == nil {
			return string(text)
		}
	}
	return printed(v)
}

const (
	// maxString bounds one text of a log line, in bytes.
	maxString = 16 << 10
	// cutMark is what stands at the end of a text that was longer.
	cutMark = "[cut]"
)

func cut(text string) string {
	if len(text) <= maxString {
		return text
	}
	return clip.Text(text, maxString-len(cutMark)) + cutMark
}
