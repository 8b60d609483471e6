package login

import (
	"context"
	"errors"
	"net/mail"
	"strings"
	"time"
)

// AddressChange is one that a user has asked for and not yet confirmed.
type AddressChange struct {
	UserID  string
	Lookup  string // code.HashToken of what the link has
	Former  string // the user's address when they asked; empty: none
	Address string
	Expires time.Time
}

// ErrNoChange says that there is none that may be made: it is unknown, over,
// another user's, the address is another user's, or the former one is not the
// user's any more.
var ErrNoChange = errors.New("no such change of an address")

// Addresses keeps the changes of users' mail addresses until they are confirmed.
// Letter case makes no other address. Every error but ErrNoChange means that it
// cannot be known now.
type Addresses interface {
	// BeginAddress keeps a change in place of the user's former one.
	BeginAddress(ctx context.Context, c AddressChange) error
	// PendingAddress is the user's change that waits at that time. ErrNoChange.
	PendingAddress(ctx context.Context, userID string, now time.Time) (AddressChange, error)
	// AddressTaken says whether it is another user's.
	AddressTaken(ctx context.Context, userID, address string) (bool, error)
	// ConfirmAddress makes the change and ends the links of resets that were begun
	// before, all or nothing: of two who confirm one address, one gets it.
	// ErrNoChange.
	ConfirmAddress(ctx context.Context, userID, lookup string, now time.Time) (AddressChange, error)
	// DropAddress forgets the user's change, or that of one lookup alone, and says
	// whether there was one.
	DropAddress(ctx context.Context, userID, lookup string) (bool, error)
}

// maxAddress bounds a mail address in bytes (RFC 5321 section 4.5.3.1.3, less
// the brackets).
const maxAddress = 254

// mailAddress reads an address that somebody typed: a bare one of ASCII.
func mailAddress(text string) (string, bool) {
	text = strings.TrimSpace(text)
	if len(text) > maxAddress || strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return "", false
	}
	a, err := mail.ParseAddress(text)
	// With a name beside it, in quotes, or at an IP address it is not what people
	// mean by one.
	if err != nil || a.Address != text || strings.ContainsAny(text, `"[]`) {
		return "", false
	}
	return text, true
}
