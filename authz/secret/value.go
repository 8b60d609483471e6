package secret

import (
	"bytes"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// Redacted is what stands in the place of a secret.
const Redacted = "[redacted]"

// Value is a secret. The zero Value is empty.
type Value struct {
	// A function: fmt does not call the methods of values in unexported fields,
	// but prints what they hold, through pointers too. Of a function it prints
	// the address.
	reveal func() []byte
}

// New returns a Value with a copy of secret.
func New(secret []byte) Value {
	held := bytes.Clone(secret)
	return Value{reveal: func() []byte { return bytes.Clone(held) }}
}

// Reveal returns a copy of the secret; nil if it is empty. Its name is to be
// searched for in reviews.
func (v Value) Reveal() []byte {
	if v.reveal == nil {
		return nil
	}
	return v.reveal()
}

// RevealString is Reveal for interfaces that want a string.
func (v Value) RevealString() string { return string(v.Reveal()) }

// Empty says whether there is no secret.
func (v Value) Empty() bool { return len(v.Reveal()) == 0 }

// Equal compares in a time that depends on the lengths only.
func (v Value) Equal(other []byte) bool { return subtle.ConstantTimeCompare(v.Reveal(), other) == 1 }

// String is Redacted.
func (Value) String() string { return Redacted }

// GoString is Redacted.
func (Value) GoString() string { return Redacted }

// Format writes Redacted for every verb.
func (Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// MarshalJSON is Redacted as a JSON string.
func (Value) MarshalJSON() ([]byte, error) { return []byte(`"` + Redacted + `"`), nil }

// MarshalText is Redacted; XML and YAML use it.
func (Value) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// MarshalBinary is Redacted; gob uses it.
func (Value) MarshalBinary() ([]byte, error) { return []byte(Redacted), nil }

// LogValue is Redacted.
func (Value) LogValue() slog.Value { return slog.StringValue(Redacted) }
