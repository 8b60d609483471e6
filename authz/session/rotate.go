package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Change is what a rotation changes beside the token.
type Change struct {
	// AMR replaces the methods; nil keeps them.
	AMR []string
	// Roles replace the session's; nil keeps them.
	Roles []string
	// Idle and Absolute are the limits from now on, as a Grant's, as for a person
	// who has signed in anew; 0 keeps what was granted.
	Idle, Absolute time.Duration
	// AuthTime is when the person proved again who they are; zero means now.
	AuthTime time.Time
	// Grace is for how long the old token stays good, with the rights it had:
	// 0 means DefaultGrace, less than 0 none.
	Grace time.Duration
}

func (c Change) validate() error {
	if length := len(strings.Join(c.AMR, " ")); length > MaxAMR {
		return fmt.Errorf("%w: its list of methods must be at most %d bytes", ErrGrant, MaxAMR)
	}
	if (c.Idle != 0 || c.Absolute != 0) && (c.Idle < time.Second || c.Idle > c.Absolute || c.Absolute > MaxAbsolute) {
		return fmt.Errorf("%w: idle limit %s, absolute limit %s; want 1s <= idle <= absolute <= %s", ErrGrant, c.Idle, c.Absolute, MaxAbsolute)
	}
	return flawOf("role", c.Roles)
}

func flag(set bool) int {
	if set {
		return 1
	}
	return 0
}

func (c Change) grace() (time.Duration, error) {
	switch {
	case c.Grace == 0:
		return DefaultGrace, nil
	case c.Grace > MaxGrace:
		return 0, fmt.Errorf("%w: a grace of %s, at most %s", ErrGrant, c.Grace, MaxGrace)
	}
	return max(c.Grace, 0), nil
}

// Rotate gives a live session a new token, as after every change of what it may
// do (ASVS 5.0, 7.2.4). Of several that rotate at once one wins; the others get
// ErrReplaced and use what the winner got. The error is else as of Revoke.
func (m *Manager) Rotate(ctx context.Context, token string, change Change) (string, Session, error) {
	old, err := refOf(token)
	if err != nil {
		return "", Session{}, err
	}
	if err := change.validate(); err != nil {
		return "", Session{}, err
	}
	next, at, err := m.draw(old.handle)
	if err != nil {
		return "", Session{}, err
	}
	s, err := m.replace(ctx, old, at.id, change)
	if err != nil {
		return "", s, err
	}
	return next, s, nil
}

// Retire ends a session after the grace, as when the person has signed in anew
// beside it; requests that are under way with it still pass.
func (m *Manager) Retire(ctx context.Context, token string, grace time.Duration) (Session, error) {
	old, err := refOf(token)
	if err != nil {
		return Session{}, err
	}
	return m.replace(ctx, old, "", Change{Grace: grace})
}

func (m *Manager) replace(ctx context.Context, old ref, next string, change Change) (Session, error) {
	grace, err := change.grace()
	if err != nil {
		return Session{}, err
	}
	floor, err := m.floor(ctx)
	if err != nil {
		return Session{}, err
	}
	now, auth := m.now().UnixMilli(), change.AuthTime
	if auth.IsZero() {
		auth = m.now()
	}
	answer, err := m.write(ctx, m.rotate, old.key(),
		now, floor, old.id, next, grace.Milliseconds(), auth.UnixMilli(),
		flag(change.AMR != nil), strings.Join(change.AMR, " "), memory.Milliseconds(),
		flag(change.Roles != nil), strings.Join(change.Roles, rightsSeparator), change.Idle.Milliseconds(), change.Absolute.Milliseconds())
	m.tell(ctx, old.handle)
	if err != nil {
		return Session{}, unavailable("rotate a session", err)
	}
	f, err := judged(answer)
	if errors.Is(err, ErrUnavailable) {
		return Session{}, err
	}
	return f.Session, err
}
