package session

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Revoke ends the session of a token at once and returns what it was. The error
// has ErrInvalid in its chain if there is no live session, else ErrUnavailable.
func (m *Manager) Revoke(ctx context.Context, token string) (Session, error) {
	at, err := refOf(token)
	if err != nil {
		return Session{}, err
	}
	return m.end(ctx, at.handle, at.id)
}

// RevokeID ends the user's session of that Session.ID.
func (m *Manager) RevokeID(ctx context.Context, userID, sessionID string) (Session, error) {
	id, ok := short(sessionID)
	if !ok {
		return Session{}, ErrNone
	}
	return m.end(ctx, Handle(userID), id)
}

// RevokeAll ends all sessions of the user and returns those that were live. It
// costs Redis one generation, however many there are; the list is for reports.
func (m *Manager) RevokeAll(ctx context.Context, userID string) ([]Session, error) {
	ended, _, err := m.endAll(ctx, Handle(userID), "")
	return ended, err
}

// RevokeOthers ends all sessions of the token's user but the token's own, and
// returns those that were live. The error has ErrInvalid in its chain if the
// token has no live session; then nothing has ended.
func (m *Manager) RevokeOthers(ctx context.Context, token string) ([]Session, error) {
	at, err := refOf(token)
	if err != nil {
		return nil, err
	}
	ended, kept, err := m.endAll(ctx, at.handle, at.id)
	if err == nil && !kept {
		return nil, ErrNone
	}
	return ended, err
}

// RevokeTenant ends all sessions of the tenant's users by one count.
func (m *Manager) RevokeTenant(ctx context.Context, tenant string) error {
	if tenant == "" || len(tenant) > MaxTenant {
		return fmt.Errorf("%w: a tenant has 1 to %d bytes", ErrGrant, MaxTenant)
	}
	return m.generation(ctx, tenantPrefix+tenant)
}

// RevokeEverything ends all sessions of everybody by one count.
func (m *Manager) RevokeEverything(ctx context.Context) error {
	return m.generation(ctx, everybody)
}

// Epoch is when everything was last revoked, to the millisecond; zero: never.
func (m *Manager) Epoch(ctx context.Context) (time.Time, error) {
	known, err := m.revoked.reload(ctx)
	if err != nil {
		return time.Time{}, unavailable("read the revocations", err)
	}
	if known.epoch == 0 {
		return time.Time{}, nil
	}
	return time.UnixMilli(known.epoch), nil
}

func (m *Manager) generation(ctx context.Context, whom string) error {
	_, err := m.write(ctx, m.announce, revocationsKey, Channel, whom, 1, MaxAbsolute.Milliseconds())
	if err != nil {
		return unavailable("revoke", err)
	}
	m.counts.revocation(whom[:1])
	_, err = m.revoked.reload(ctx) // this replica need not wait for the push
	if err != nil {
		m.log.Warn("a revocation was written, and this replica could not read it back yet", "error", err)
	}
	return nil
}

func (m *Manager) end(ctx context.Context, handle, id string) (Session, error) {
	floor, err := m.floor(ctx)
	if err != nil {
		return Session{}, err
	}
	answer, err := m.write(ctx, m.revoke, keyOf(handle), m.now().UnixMilli(), floor, id)
	// Also where it is not confirmed: no cache may know better than the primary.
	m.tell(ctx, handle)
	if err != nil {
		return Session{}, unavailable("revoke a session", err)
	}
	f, err := judged(answer)
	if len(answer) > 0 && answer[0] == "revoked" {
		m.counts.revocation("session")
		return f.Session, nil
	}
	return Session{}, err
}

func (m *Manager) endAll(ctx context.Context, handle, keep string) (ended []Session, kept bool, err error) {
	floor, err := m.floor(ctx)
	if err != nil {
		return nil, false, err
	}
	answer, err := m.write(ctx, m.revokeAll, keyOf(handle), m.now().UnixMilli(), floor, keep, memory.Milliseconds(), 1)
	m.tell(ctx, handle)
	if err != nil {
		return nil, false, unavailable("revoke a user's sessions", err)
	}
	if len(answer) == 0 {
		return nil, false, fmt.Errorf("%w: Redis answered nothing", ErrUnavailable)
	}
	m.counts.revocation("user")
	for rest := answer[1:]; len(rest) >= answerLength; rest = rest[answerLength:] {
		f, err := read(rest)
		if err != nil {
			return nil, false, fmt.Errorf("%w: they have ended; what they were cannot be told: %w", ErrUnavailable, err)
		}
		ended = append(ended, f.Session)
	}
	return ended, answer[0] == "1", nil
}

func (m *Manager) floor(ctx context.Context) (int64, error) {
	known, err := m.revoked.current(ctx)
	if err != nil {
		return 0, unavailable("read the revocations", err)
	}
	return known.epoch, nil
}

// tell makes every replica forget what its cache holds of a user. What has ended
// has ended in Redis: a push that fails delays a cache by a second at most.
func (m *Manager) tell(ctx context.Context, handle string) {
	m.cache.drop(handle)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellWithin)
	defer cancel()
	err := m.announce.Run(ctx, m.redis, []string{revocationsKey}, Channel, userPrefix+handle, 0, 0).Err()
	if err != nil {
		m.counts.unsent()
		m.log.Warn("a revocation could not be pushed; caches follow within a second", "error", err)
	}
}

const tellWithin = 100 * time.Millisecond

// List returns the live sessions of the user, the newest last, without using
// them.
func (m *Manager) List(ctx context.Context, userID string) ([]Session, error) {
	known, err := m.revoked.current(ctx)
	if err != nil {
		return nil, unavailable("read the revocations", err)
	}
	fields, err := m.redis.HGetAll(ctx, keyOf(Handle(userID))).Result()
	if err != nil {
		return nil, unavailable("read a user's sessions", err)
	}
	list, err := living(fields, known, m.now().UnixMilli())
	if err != nil {
		return nil, unavailable("read a user's sessions", err)
	}
	if fields["u"] != userID {
		return nil, nil
	}
	return list, nil
}

// Find returns the user's session of that Session.ID without using it; the error
// has ErrNone in its chain if there is none.
func (m *Manager) Find(ctx context.Context, userID, sessionID string) (Session, error) {
	list, err := m.List(ctx, userID)
	if err != nil {
		return Session{}, err
	}
	for _, s := range list {
		if strings.EqualFold(s.ID, sessionID) {
			return s, nil
		}
	}
	return Session{}, ErrNone
}
