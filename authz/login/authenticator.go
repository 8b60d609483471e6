package login

import (
	"context"
	"errors"
	"fmt"
)

// Reason says why an attempt failed: for the event and the log, never for the
// client.
type Reason string

// The reasons.
const (
	ReasonMalformedName     Reason = "malformed_name"
	ReasonMalformedPassword Reason = "malformed_password"
	ReasonUnknownUser       Reason = "unknown_user"
	ReasonWrongPassword     Reason = "wrong_password"
	ReasonDisabled          Reason = "user_disabled"
)

// Failure says that somebody did not prove who they are.
type Failure struct {
	Reason Reason
	UserID string // empty if there is no such user
}

func (f *Failure) Error() string { return "authentication failed: " + string(f.Reason) }

// ErrUnavailable is in the chain of every error that says that it cannot be
// known now whether the credentials are right.
var ErrUnavailable = errors.New("credentials cannot be checked")

// Authenticator checks names and passwords.
type Authenticator struct {
	users  UserStore
	hasher *Hasher
}

// NewAuthenticator returns an Authenticator on users.
func NewAuthenticator(users UserStore, hasher *Hasher) *Authenticator {
	return &Authenticator{users: users, hasher: hasher}
}

// Authenticate returns the user of that name if the password is theirs. The
// error is a *Failure, or has ErrUnavailable in its chain (also ErrBusy).
func (a *Authenticator) Authenticate(ctx context.Context, name, password string) (User, error) {
	name, ok := NormalizeName(name)
	if !ok {
		return User{}, &Failure{Reason: ReasonMalformedName}
	}
	// Telling lengths apart tells nothing about users: none has such a password.
	if len(password) < MinPassword || len(password) > MaxPassword {
		return User{}, &Failure{Reason: ReasonMalformedPassword}
	}
	user, err := a.users.UserByName(ctx, name)
	if errors.Is(err, ErrNoUser) {
		return User{}, a.unknown(ctx, password)
	}
	if err != nil {
		return User{}, fmt.Errorf("%w: find the user: %w", ErrUnavailable, err)
	}
	check, err := a.hasher.Verify(ctx, password, user.PasswordHash)
	switch {
	case err != nil:
		return User{}, fmt.Errorf("%w: user %q: %w", ErrUnavailable, user.ID, err)
	case !check.OK:
		return User{}, &Failure{Reason: ReasonWrongPassword, UserID: user.ID}
	case user.Disabled:
		// Only now: the hash has cost what it costs for everybody.
		return User{}, &Failure{Reason: ReasonDisabled, UserID: user.ID}
	}
	return user, nil
}

func (a *Authenticator) unknown(ctx context.Context, password string) error {
	if err := a.hasher.Waste(ctx, password); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return &Failure{Reason: ReasonUnknownUser}
}
