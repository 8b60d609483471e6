package login

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"gatehouse/authz/login/apikey"
)

const (
	// KeyMemory is for how long an answer about an API key is believed: so long a
	// key may outlive its removal, or its owner.
	KeyMemory = 5 * time.Second
	// maxRemembered bounds the answers that are kept.
	maxRemembered = 10_000
)

// ErrNoKey is in the chain of every error that says: this key opens nothing.
// Every other error means that it cannot be known now.
var ErrNoKey = errors.New("no valid API key")

// KeyHolder is whose key it is, and what for.
type KeyHolder struct {
	UserID string
	Scopes []string // the key's
	Roles  []string // its owner's, as they are now

	expires time.Time
}

// Has says whether the key may be used for scope; for none it never may.
func (k KeyHolder) Has(scope string) bool { return scope != "" && slices.Contains(k.Scopes, scope) }

// Keyring finds the holders of API keys, each question to the store at most once
// in KeyMemory. What has not the form of a key is refused without one. It is safe
// for concurrent use.
type Keyring struct {
	accounts Accounts
	now      func() time.Time

	mu    sync.Mutex
	known map[string]remembered // by apikey.Hash
}

type remembered struct {
	holder KeyHolder
	err    error
	until  time.Time
}

// NewKeyring returns a Keyring on accounts.
func NewKeyring(accounts Accounts, now func() time.Time) *Keyring {
	return &Keyring{accounts: accounts, now: now, known: map[string]remembered{}}
}

// Find returns the holder of key.
func (k *Keyring) Find(ctx context.Context, key string) (KeyHolder, error) {
	if !apikey.Is(key) {
		return KeyHolder{}, fmt.Errorf("%w: it is malformed", ErrNoKey)
	}
	hash, now := apikey.Hash(key), k.now()
	if r, ok := k.recall(hash, now); ok {
		if r.err == nil && !r.holder.expires.IsZero() && !now.Before(r.holder.expires) {
			return KeyHolder{}, fmt.Errorf("%w: expired", ErrNoKey)
		}
		return r.holder, r.err
	}
	holder, err := k.ask(ctx, hash, now)
	if err == nil || errors.Is(err, ErrNoKey) {
		k.remember(hash, remembered{holder, err, now.Add(KeyMemory)}, now)
	}
	return holder, err
}

func (k *Keyring) ask(ctx context.Context, hash string, now time.Time) (KeyHolder, error) {
	c, err := k.accounts.Credential(ctx, KindAPIKey, hash)
	switch {
	case errors.Is(err, ErrNoCredential):
		return KeyHolder{}, fmt.Errorf("%w: unknown", ErrNoKey)
	case err != nil:
		return KeyHolder{}, fmt.Errorf("find an API key: %w", err)
	case c.Expired(now):
		return KeyHolder{UserID: c.UserID}, fmt.Errorf("%w: expired", ErrNoKey)
	}
	user, err := k.accounts.Account(ctx, c.UserID)
	switch {
	case errors.Is(err, ErrNoUser):
		return KeyHolder{}, fmt.Errorf("%w: its owner is gone", ErrNoKey)
	case err != nil:
		return KeyHolder{}, fmt.Errorf("find the owner of an API key: %w", err)
	case user.Disabled:
		return KeyHolder{UserID: user.ID}, fmt.Errorf("%w: its owner is disabled", ErrNoKey)
	}
	if err := k.accounts.TouchCredential(ctx, c.ID); err != nil {
		// When it was used is for people to look at; the key is good.
		slog.WarnContext(ctx, "the use of an API key was not noted", "error", err)
	}
	return KeyHolder{UserID: user.ID, Scopes: strings.Fields(c.Data), Roles: user.Roles, expires: c.Expires}, nil
}

func (k *Keyring) recall(hash string, now time.Time) (remembered, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, ok := k.known[hash]
	return r, ok && now.Before(r.until)
}

// remember forgets what is over, and all if that is not enough: a flood of
// invented keys costs questions, never memory.
func (k *Keyring) remember(hash string, r remembered, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.known) >= maxRemembered {
		for key, old := range k.known {
			if !now.Before(old.until) {
				delete(k.known, key)
			}
		}
	}
	if len(k.known) >= maxRemembered {
		clear(k.known)
	}
	k.known[hash] = r
}
