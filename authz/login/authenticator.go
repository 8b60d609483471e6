package login

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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
	// ReasonUnlinked: a provider vouches for somebody who is no user here.
	ReasonUnlinked Reason = "subject_unknown"
	// ReasonSignedOut: the provider has signed them out while their sign-in was under way.
	ReasonSignedOut Reason = "signed_out_at_provider"
	// ReasonSecondFactor: the password is right, and not enough.
	ReasonSecondFactor Reason = "second_factor_required"
	ReasonWrongCode    Reason = "wrong_code"
	ReasonNoCeremony   Reason = "ceremony_unknown_or_over"
	ReasonWrongPasskey Reason = "wrong_passkey"
	ReasonThrottled    Reason = "throttled"
	// ReasonNoCertificate: sessions are bound to certificates, and the client shows none.
	ReasonNoCertificate Reason = "client_certificate_missing"
	// ReasonFull: the person has as many sessions as the policy allows, and it refuses more.
	ReasonFull Reason = "too_many_sessions"
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

// Authenticate returns the user of that name if the password is theirs and all
// that they need: whoever has a second factor fails here. The error is a
// *Failure, or has ErrUnavailable in its chain (also ErrBusy).
func (a *Authenticator) Authenticate(ctx context.Context, name, password string) (User, error) {
	user, err := a.Password(ctx, name, password)
	if err == nil && user.SecondFactor {
		return User{}, &Failure{Reason: ReasonSecondFactor, UserID: user.ID}
	}
	return user, err
}

// Password is Authenticate for callers that go on to ask for the second factor
// of a user who has one.
func (a *Authenticator) Password(ctx context.Context, name, password string) (User, error) {
	name, ok := NormalizeName(name)
	if !ok {
		return User{}, &Failure{Reason: ReasonMalformedName}
	}
	// Telling lengths apart tells nothing about users: none has such a password.
	if _, ok := canonical(password); !ok {
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
	if check.Outdated {
		user.PasswordHash = a.rehash(ctx, user, password)
	}
	return user, nil
}

// Still says whether what a sign-in relied on is as it was when it was checked: a
// change of the password, or an operator, may have ended all sessions in between,
// and one that was begun with the old password must not come after that. The error
// is as of Authenticate. amr are the methods of the sign-in (RFC 8176): who has got a
// second factor meanwhile signs in with it.
func (a *Authenticator) Still(ctx context.Context, user User, amr []string, byPassword bool) error {
	now, err := a.again(ctx, user)
	switch {
	case errors.Is(err, ErrNoUser), err == nil && now.ID != user.ID:
		return &Failure{Reason: ReasonUnknownUser, UserID: user.ID}
	case err != nil:
		return fmt.Errorf("%w: find the user again: %w", ErrUnavailable, err)
	case now.Disabled:
		return &Failure{Reason: ReasonDisabled, UserID: user.ID}
	case byPassword && now.PasswordHash != user.PasswordHash:
		return &Failure{Reason: ReasonWrongPassword, UserID: user.ID}
	case now.SecondFactor && !slices.Contains(amr, "mfa"):
		return &Failure{Reason: ReasonSecondFactor, UserID: user.ID}
	}
	return nil
}

// rehasher is a store that can keep a new hash; see Accounts.
type rehasher interface {
	ReplacePasswordHash(ctx context.Context, userID, old, hash string) (bool, error)
}

// again finds a user as they are now: by id where that can be, since a name may
// have been changed.
func (a *Authenticator) again(ctx context.Context, user User) (User, error) {
	if accounts, ok := a.users.(Accounts); ok {
		return accounts.Account(ctx, user.ID)
	}
	return a.users.UserByName(ctx, user.Name)
}

// rehash brings a hash to the costs of today, and returns the one that the store
// has then, as far as it is this password's. Nobody is kept out because it fails:
// the next sign-in tries again.
func (a *Authenticator) rehash(ctx context.Context, user User, password string) string {
	keeper, ok := a.users.(rehasher)
	if !ok {
		return user.PasswordHash
	}
	hash, err := a.hasher.Hash(ctx, password)
	replaced := false
	if err == nil {
		replaced, err = keeper.ReplacePasswordHash(ctx, user.ID, user.PasswordHash, hash)
	}
	if err == nil && replaced {
		return hash
	}
	if err == nil {
		hash, err = a.others(ctx, user, password)
	}
	if err != nil {
		slog.WarnContext(ctx, "a password hash could not be brought to the costs of today", "error", err)
		return user.PasswordHash
	}
	return hash
}

// others is the hash that another sign-in has made of the same password
// meanwhile; one of another password leaves the user with theirs, which is good
// for nothing any more (see Still).
func (a *Authenticator) others(ctx context.Context, user User, password string) (string, error) {
	now, err := a.again(ctx, user)
	if err != nil {
		return "", fmt.Errorf("find the user again: %w", err)
	}
	check, err := a.hasher.Verify(ctx, password, now.PasswordHash)
	if err != nil || !check.OK {
		return user.PasswordHash, err
	}
	return now.PasswordHash, nil
}

func (a *Authenticator) unknown(ctx context.Context, password string) error {
	if err := a.hasher.Waste(ctx, password); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return &Failure{Reason: ReasonUnknownUser}
}
