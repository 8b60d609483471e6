package seal

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"gatehouse/authz/event/box"
)

// A sealed text is "s1.", which key ("s" for the subject's, else the month as
// 2026-11), ".", and the box in base64url. It never holds a subject: that is in
// the event, and is authenticated.
const (
	textPrefix  = "s1."
	ofSubject   = "s"
	textPurpose = "gatehouse/sealed-fields/v1\x00"

	subjectPrefix = "u:"
	monthPrefix   = "m:"
	monthLayout   = "2006-01"
	maxSubject    = 128
)

// IsSubject says whether a pseudonym is that of a user, who has a key of their
// own. One of a name that somebody typed is not: there are as many as they like.
func IsSubject(pseudonym string) bool {
	return strings.HasPrefix(pseudonym, subjectPrefix) && len(pseudonym) > len(subjectPrefix) && len(pseudonym) <= maxSubject
}

// ErrText says that a text was not made by Seal.
var ErrText = errors.New("this is no sealed text")

func sealText(key []byte, name string, fields map[string]string) (string, error) {
	sealed, err := box.SealFields(key, fields, textPurpose+name)
	if err != nil {
		return "", fmt.Errorf("seal fields of %s: %w", name, err)
	}
	which := ofSubject
	if month, ok := strings.CutPrefix(name, monthPrefix); ok {
		which = month
	}
	return textPrefix + which + "." + base64.RawURLEncoding.EncodeToString(sealed), nil
}

// parseText finds which key a text is under.
func parseText(text, subject string) (name string, sealed []byte, err error) {
	rest, ok := strings.CutPrefix(text, textPrefix)
	which, encoded, found := strings.Cut(rest, ".")
	if !ok || !found {
		return "", nil, ErrText
	}
	name = monthPrefix + which
	if which == ofSubject {
		name = subject
		if !IsSubject(subject) {
			return "", nil, fmt.Errorf("%w of %.40q: it is under a subject's own key", ErrText, subject)
		}
	} else if _, ok := monthEnd(name); !ok {
		return "", nil, ErrText
	}
	if sealed, err = base64.RawURLEncoding.DecodeString(encoded); err != nil {
		return "", nil, ErrText
	}
	return name, sealed, nil
}
