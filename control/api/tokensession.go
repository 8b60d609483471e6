package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// TokenSession is a browser's that signed in with an API token.
type TokenSession struct {
	Name  string    `json:"name"`  // of the token
	Hash  string    `json:"hash"`  // SHA-256 of the token, in hex: with another token it is over
	Begun time.Time `json:"begun"` // ends signInAbsolute later, whatever happens
}

// TokenSessions keeps them by the hash of their cookie. Find's error is
// ErrNoTokenSession if there is none, or it was unused for idle.
type TokenSessions interface {
	Begin(ctx context.Context, id string, s TokenSession, idle time.Duration) error
	Find(ctx context.Context, id string, idle time.Duration) (TokenSession, error)
	End(ctx context.Context, id string) error
}

// ErrNoTokenSession says that there is no such session, or no more.
var ErrNoTokenSession = errors.New("no such session of a token")

const tokenSessionBytes = 32

func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func (s *Server) beginTokenSession(ctx context.Context, t TokenSetting, token string) (cookie string, err error) {
	random := make([]byte, tokenSessionBytes)
	_, _ = rand.Read(random) // never fails: it ends the process instead
	cookie = base64.RawURLEncoding.EncodeToString(random)
	err = s.o.TokenSessions.Begin(ctx, hashOf(cookie), TokenSession{Name: t.Name, Hash: hashOf(token), Begun: s.now().UTC()}, signInIdle)
	if err != nil {
		return "", errors.Join(errUnavailable, err)
	}
	return cookie, nil
}

func (s *Server) byConsole(ctx context.Context, cookie string) (Caller, error) {
	if s.o.TokenSessions == nil {
		return Caller{}, denial{"sessions_not_served"}
	}
	live, err := s.o.TokenSessions.Find(ctx, hashOf(cookie), signInIdle)
	if errors.Is(err, ErrNoTokenSession) {
		return Caller{}, denial{"session"}
	}
	if err != nil {
		return Caller{}, fmt.Errorf("%w: %w", errUnavailable, err)
	}
	hash, err := hex.DecodeString(live.Hash)
	if err != nil || s.now().Sub(live.Begun) >= signInAbsolute {
		return Caller{}, denial{"session"}
	}
	t, ok := s.credentials.Load().tokens.holds(live.Name, hash)
	if !ok {
		return Caller{}, denial{"token_replaced"}
	}
	return Caller{Name: t.Name, Role: t.Role, method: byConsole}, nil
}

// RedisTokenSessions keeps them in Redis, where every replica of control finds
// them and a restart loses none.
type RedisTokenSessions struct{ Redis redis.UniversalClient }

var _ TokenSessions = RedisTokenSessions{}

func tokenSessionKey(id string) string { return "gh:console:" + id }

// Begin implements TokenSessions.
func (r RedisTokenSessions) Begin(ctx context.Context, id string, s TokenSession, idle time.Duration) error {
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write a token's session: %w", err)
	}
	if err := r.Redis.Set(ctx, tokenSessionKey(id), text, idle).Err(); err != nil {
		return fmt.Errorf("begin a token's session: %w", err)
	}
	return nil
}

// Find implements TokenSessions.
func (r RedisTokenSessions) Find(ctx context.Context, id string, idle time.Duration) (s TokenSession, err error) {
	text, err := r.Redis.GetEx(ctx, tokenSessionKey(id), idle).Bytes()
	if errors.Is(err, redis.Nil) {
		return s, ErrNoTokenSession
	}
	if err != nil {
		return s, fmt.Errorf("look a token's session up: %w", err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("read a token's session: %w", err)
	}
	return s, nil
}

// End implements TokenSessions; one that is not there is ended.
func (r RedisTokenSessions) End(ctx context.Context, id string) error {
	if err := r.Redis.Del(ctx, tokenSessionKey(id)).Err(); err != nil {
		return fmt.Errorf("end a token's session: %w", err)
	}
	return nil
}
