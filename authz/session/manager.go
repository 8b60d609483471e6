package session

import (
	"context"
	_ "embed" // for the scripts
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed create.lua
	createSource string
	//go:embed index.lua
	indexSource string
	//go:embed lookup.lua
	lookupSource string
	//go:embed revoke.lua
	revokeSource string
)

// memory is for how long an ended session is remembered.
const memory = 10 * time.Minute

// Manager creates, finds and ends sessions. It is safe for concurrent use.
type Manager struct {
	redis  redis.UniversalClient
	now    func() time.Time
	random io.Reader

	create, enter, lookup, revoke *redis.Script
}

// New returns a Manager on client. In production now is time.Now, whose
// difference between replicas must stay well under the idle limits, and random
// is crypto/rand.Reader.
func New(client redis.UniversalClient, now func() time.Time, random io.Reader) *Manager {
	return &Manager{
		redis: client, now: now, random: random,
		create: redis.NewScript(createSource),
		enter:  redis.NewScript(indexSource),
		lookup: redis.NewScript(lookupSource),
		revoke: redis.NewScript(revokeSource),
	}
}

// Create starts a session with a new token, which exists nowhere but in the
// answer. The error is ErrGrant or ErrUnavailable.
func (m *Manager) Create(ctx context.Context, user User, grant Grant) (string, Session, error) {
	if err := grant.validate(user); err != nil {
		return "", Session{}, err
	}
	token, err := newToken(m.random)
	if err != nil {
		return "", Session{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	key, err := idOf(token)
	if err != nil {
		return "", Session{}, err
	}
	s := m.start(key, user, grant)
	if err := m.store(ctx, key, s); err != nil {
		return "", Session{}, err
	}
	return token, s, nil
}

func (m *Manager) start(key id, user User, grant Grant) Session {
	now := m.now().Truncate(time.Millisecond)
	s := Session{
		ID: key.public(), User: user, Created: now, LastSeen: now, Expires: now.Add(grant.Absolute),
		Idle: grant.Idle, AuthTime: now, AMR: grant.AMR, Device: grant.Device,
	}
	if !grant.AuthTime.IsZero() {
		s.AuthTime = grant.AuthTime.Truncate(time.Millisecond)
	}
	return s
}

// store enters the user's index first: a session that lives without being
// listed would survive RevokeAll.
func (m *Manager) store(ctx context.Context, key id, s Session) error {
	if err := m.index(ctx, key, s); err != nil {
		return err
	}
	args := append([]any{(s.Idle + memory).Milliseconds()}, s.fields()...)
	stored, err := m.create.Run(ctx, m.redis, []string{key.key()}, args...).Int()
	if err != nil {
		return unavailable("create a session", err)
	}
	if stored == 0 {
		return fmt.Errorf("%w: it was revoked while it was created", ErrUnavailable)
	}
	return nil
}

// Lookup finds the session of a token and notes that it was used, unless the
// demand refuses it. The error has ErrInvalid or ErrUnavailable in its chain;
// with ErrExpired and ErrRevoked the Session tells whose it was. Malformed
// tokens are refused without asking Redis.
func (m *Manager) Lookup(ctx context.Context, token string, demand Demand) (Session, error) {
	key, err := idOf(token)
	if err != nil {
		return Session{}, err
	}
	now := m.now().UnixMilli()
	answer, err := m.lookup.Run(ctx, m.redis, []string{key.key()},
		now, demand.MaxIdle.Milliseconds(), demand.MaxAge.Milliseconds(), memory.Milliseconds()).StringSlice()
	if err != nil {
		return Session{}, unavailable("look a session up", err)
	}
	s, err := read(key, answer)
	if err == nil {
		s.LastSeen = time.UnixMilli(now)
	}
	return s, err
}

// read turns a script's answer into a session and the error that goes with it.
func read(key id, answer []string) (Session, error) {
	if len(answer) == 0 {
		return Session{}, fmt.Errorf("%w: Redis answered nothing", ErrUnavailable)
	}
	verdict, known := verdicts[answer[0]]
	if !known {
		return Session{}, fmt.Errorf("%w: Redis answered %.20q", ErrUnavailable, answer[0])
	}
	if len(answer) < 2 || errors.Is(verdict, ErrNone) || isMark(answer[1:]) {
		return Session{}, verdict
	}
	s, err := parse(key, answer[1:])
	if err != nil {
		return Session{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return s, verdict
}

// isMark recognises the mark of a session that was revoked before it was
// stored: nothing is known of it.
func isMark(pairs []string) bool { return len(pairs) == 2 && pairs[0] == "end_" }

// Revoke ends the session of a token at once and returns what it was. The error
// has ErrInvalid in its chain if there is no live session, else ErrUnavailable.
func (m *Manager) Revoke(ctx context.Context, token string) (Session, error) {
	key, err := idOf(token)
	if err != nil {
		return Session{}, err
	}
	s, err := m.end(ctx, key, false)
	if err != nil {
		return Session{}, err
	}
	m.forget(ctx, s.User.ID, key)
	return s, nil
}

// RevokeID ends the user's session of that Session.ID.
func (m *Manager) RevokeID(ctx context.Context, userID, sessionID string) (Session, error) {
	if len(sessionID) != publicLength {
		return Session{}, ErrNone
	}
	keys, err := m.indexed(ctx, userID)
	if err != nil {
		return Session{}, err
	}
	for _, key := range keys {
		if !strings.HasPrefix(string(key), sessionID) {
			continue
		}
		s, err := m.end(ctx, key, true)
		if err != nil {
			return Session{}, err
		}
		m.forget(ctx, userID, key)
		return s, nil
	}
	return Session{}, ErrNone
}

// RevokeAll ends all sessions of the user, also one that is being created at
// this moment, and returns those that were live. After ErrUnavailable some may
// have ended; call it again.
func (m *Manager) RevokeAll(ctx context.Context, userID string) ([]Session, error) {
	keys, err := m.indexed(ctx, userID)
	if err != nil {
		return nil, err
	}
	var ended []Session
	for _, key := range keys {
		s, err := m.end(ctx, key, true)
		if errors.Is(err, ErrUnavailable) {
			return ended, err
		}
		if err == nil {
			ended = append(ended, s)
		}
	}
	m.forget(ctx, userID, keys...)
	return ended, nil
}

// end revokes one session. mark also keeps one that is not stored yet from
// being stored.
func (m *Manager) end(ctx context.Context, key id, mark bool) (Session, error) {
	flag := 0
	if mark {
		flag = 1
	}
	answer, err := m.revoke.Run(ctx, m.redis, []string{key.key()},
		m.now().UnixMilli(), memory.Milliseconds(), flag).StringSlice()
	if err != nil {
		return Session{}, unavailable("revoke a session", err)
	}
	s, err := read(key, answer)
	if errors.Is(err, ErrRevoked) {
		return s, nil
	}
	return s, err
}

func unavailable(what string, err error) error {
	return fmt.Errorf("%w: %s: %w", ErrUnavailable, what, err)
}
