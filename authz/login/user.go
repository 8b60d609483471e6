package login

import (
	"context"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// User is a person who can sign in, as the store keeps them.
type User struct {
	ID           string // stable and opaque; goes into sessions and, as a pseudonym, into events
	Name         string
	PasswordHash string // as HashPassword writes it
	Disabled     bool
	Roles        []string
	Email        string // where mail reaches them; empty: none is known
	// SecondFactor says that the password alone does not sign them in: they have
	// an authenticator app or a passkey.
	SecondFactor bool
}

// UserStore finds users. Its error is ErrNoUser if there is none of that name;
// every other error means that it cannot be known now.
type UserStore interface {
	UserByName(ctx context.Context, name string) (User, error)
}

// ErrNoUser says that no user has that name.
var ErrNoUser = errors.New("no such user")

// MaxName bounds a user's name in bytes.
const MaxName = 128

// NormalizeName is what a name counts as, for signing in and for storing:
// without the space around it, letter case kept. It is false for what can be no
// name: empty, above MaxName, not UTF-8, or with control characters.
func NormalizeName(name string) (string, bool) {
	name = strings.TrimSpace(name)
	if name == "" || len(name) > MaxName || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return "", false
	}
	return name, true
}
