package openid

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// dueKey is the list of grants by the time of their next refresh.
const dueKey = "gatehouse:openid:due"

// Grant is a provider's permission to ask about a person again while their
// session lives.
type Grant struct {
	Ref
	Provider     string    `json:"provider"`
	Subject      string    `json:"subject"`
	RefreshToken string    `json:"refresh_token"`
	Confirmed    time.Time `json:"confirmed"` // when the provider last stood by it
	Expires      time.Time `json:"expires"`   // with the session
}

// Grants keeps them in Redis, encrypted (AES-256-GCM): who reads Redis can ask no
// provider about anybody.
type Grants struct {
	redis redis.UniversalClient
	aead  cipher.AEAD
	now   func() time.Time
}

// NewGrants returns Grants under a key derived from secret, which is the same for
// all replicas.
func NewGrants(client redis.UniversalClient, secret []byte, now func() time.Time) (*Grants, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "gatehouse/openid/grants", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the key of providers' grants: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("use the key of providers' grants: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("use the key of providers' grants: %w", err)
	}
	return &Grants{redis: client, aead: aead, now: now}, nil
}

func grantKey(session string) string { return "gatehouse:openid:grant:" + session }

// keep stores g and has it refreshed at due.
func (g *Grants) keep(ctx context.Context, grant Grant, due time.Time) error {
	life := grant.Expires.Sub(g.now())
	if life <= 0 {
		return g.drop(ctx, grant.SessionID)
	}
	text, err := json.Marshal(grant) // #nosec G117 -- it is sealed before it leaves
	if err != nil {
		return fmt.Errorf("write a grant: %w", err)
	}
	sealed := g.aead.Seal(nil, nil, text, []byte(grant.SessionID)) // #nosec G407 -- it draws a random nonce itself
	_, err = g.redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, grantKey(grant.SessionID), sealed, life)
		p.ZAdd(ctx, dueKey, redis.Z{Score: float64(due.UnixMilli()), Member: grant.SessionID})
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w: keep a grant: %w", ErrUnavailable, err)
	}
	return nil
}

func (g *Grants) drop(ctx context.Context, session string) error {
	_, err := g.redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.Del(ctx, grantKey(session))
		p.ZRem(ctx, dueKey, session)
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w: forget a grant: %w", ErrUnavailable, err)
	}
	return nil
}

// errGone says that a grant has ended with its session, or cannot be read.
var errGone = errors.New("no such grant")

func (g *Grants) read(ctx context.Context, session string) (Grant, error) {
	sealed, err := g.redis.Get(ctx, grantKey(session)).Bytes()
	if errors.Is(err, redis.Nil) {
		return Grant{}, errGone
	}
	if err != nil {
		return Grant{}, fmt.Errorf("%w: read a grant: %w", ErrUnavailable, err)
	}
	text, err := g.aead.Open(nil, nil, sealed, []byte(session))
	if err != nil {
		return Grant{}, fmt.Errorf("%w: it was sealed under another key", errGone)
	}
	var grant Grant
	if err := json.Unmarshal(text, &grant); err != nil {
		return Grant{}, fmt.Errorf("%w: %w", errGone, err)
	}
	return grant, nil
}

// claimFor is how long a replica that claimed a grant is left alone with it: more
// than a refresh takes.
const claimFor = 30 * time.Second

// claim takes up to n grants that are due from all replicas' list: they are due
// again later, for whoever is there then, should this replica die.
func (g *Grants) claim(ctx context.Context, n int) ([]string, error) {
	now := g.now()
	due, err := g.redis.ZRangeByScore(ctx, dueKey, &redis.ZRangeBy{
		Min: "-inf", Max: strconv.FormatInt(now.UnixMilli(), 10), Count: int64(n),
	}).Result()
	if err != nil {
		return nil, fmt.Errorf("%w: find grants that are due: %w", ErrUnavailable, err)
	}
	var claimed []string
	for _, session := range due {
		later := float64(now.Add(claimFor).UnixMilli())
		// Only a grant that is still where it was found is ours: another replica
		// would have moved it.
		moved, err := claimScript.Run(ctx, g.redis, []string{dueKey}, session, now.UnixMilli(), later).Int()
		if err != nil {
			return claimed, fmt.Errorf("%w: claim a grant: %w", ErrUnavailable, err)
		}
		if moved == 1 {
			claimed = append(claimed, session)
		}
	}
	return claimed, nil
}

var claimScript = redis.NewScript(`
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score or tonumber(score) > tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
return 1`)

// Forget drops the grant of a session that has ended.
func (g *Grants) Forget(ctx context.Context, session string) error { return g.drop(ctx, session) }
