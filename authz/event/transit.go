package event

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"gatehouse/authz/event/box"
)

// Names of personal fields.
const (
	PersonalName     = "name" // of a user that exists; what somebody else typed may be a password
	PersonalIP       = "ip"
	PersonalFilename = "filename"
	// PersonalFilenameSent is what the client called a file that the policy renamed.
	PersonalFilenameSent = "filename_sent"
	PersonalUserAgent    = "user_agent"
)

// transitPrefix begins a text that was sealed for the way through Redis. What
// is sealed for good has another one (control/audit/seal).
const transitPrefix = "t1."

// Transit seals Personal for the way through Redis, and opens it at the other
// end. It is safe for concurrent use.
//
// It keeps Redis, its files and whoever reads them from seeing who an event is
// about. It is not what erases: every holder of the pseudonym key can open it,
// and so control seals anew, under the person's own key, before an event is kept.
type Transit struct{ key []byte }

// NewTransit derives its key from the pseudonym key, which authz and control
// share, by HKDF-SHA-256 (RFC 5869). The error is that of a key that is too
// short, as in NewPseudonymizer.
func NewTransit(pseudonymKey []byte) (*Transit, error) {
	if _, err := NewPseudonymizer(pseudonymKey); err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, pseudonymKey, nil, "gatehouse/event/transit/v1", box.KeySize)
	if err != nil {
		return nil, fmt.Errorf("derive the key of sealed event fields: %w", err)
	}
	return &Transit{key: key}, nil
}

// ErrTransit says that what an event carries as Sealed was not sealed under this
// key for this event.
var ErrTransit = errors.New("the event's sealed fields do not open under the pseudonym key: give authz and control the same one")

// Seal moves e's Personal into Sealed, for this event alone: its ID is
// authenticated with it. A nil Transit, which has no key, drops Personal.
func (t *Transit) Seal(e *Event) error {
	personal := e.Personal
	e.Personal, e.Sealed = nil, ""
	if t == nil || len(personal) == 0 {
		return nil
	}
	sealed, err := box.SealFields(t.key, personal, e.ID)
	if err != nil {
		return fmt.Errorf("seal the personal fields of event %s: %w", e.ID, err)
	}
	e.Sealed = transitPrefix + base64.RawURLEncoding.EncodeToString(sealed)
	return nil
}

// Open moves e's Sealed back into Personal. After ErrTransit e has neither: what
// nobody can account for goes no further.
func (t *Transit) Open(e *Event) error {
	text := e.Sealed
	e.Sealed, e.Personal = "", nil
	if text == "" {
		return nil
	}
	encoded, ok := strings.CutPrefix(text, transitPrefix)
	if !ok || t == nil {
		return ErrTransit
	}
	sealed, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return ErrTransit
	}
	personal, err := box.OpenFields(t.key, sealed, e.ID)
	if err != nil {
		return ErrTransit
	}
	e.Personal = clippedPersonal(personal)
	return nil
}
