// Package consent is what authz knows of people's consents: a copy in Redis of
// the entries that hold in control's ledger.
//
// It promises that a question is one round trip, that "nobody knows" is never
// taken for "no" nor for "yes" (ErrUnavailable: Redis does not answer, or its
// copy is not complete), and that a copy never goes back to an older entry,
// however many controls write it at the same time. It does not decide what a
// consent is: control/privacy keeps the ledger and writes the copy.
//
// Copy and mark are written in this order, so that a Redis that loses its last
// writes loses the mark of the newest entries with them, and control notices. In
// a Redis cluster, whose nodes lose writes separately, that holds only for
// entries on the mark's node: let it persist every write (appendfsync always).
package consent

import (
	"context"
	"crypto/sha256"
	_ "embed" // for the script
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

const (
	// markKey says up to which entry of the ledger the copy is complete. Without
	// it there is no copy.
	markKey    = "gatehouse:consents"
	copyPrefix = "gh:c:"

	given     = "given"
	withdrawn = "withdrawn"
)

//go:embed put.lua
var putSource string

// ErrUnavailable says that it cannot be known now whether there is a consent.
var ErrUnavailable = errors.New("consents cannot be looked up")

// Entry is one that holds, of a person who is a user.
type Entry struct {
	Seq             int64 // in the ledger
	UserID, Purpose string
	Given           bool
}

// Consents asks and writes the copy. It is safe for concurrent use.
type Consents struct {
	redis redis.UniversalClient
	put   *redis.Script
}

// New returns the Consents on client.
func New(client redis.UniversalClient) *Consents {
	return &Consents{redis: client, put: redis.NewScript(putSource)}
}

// Given says whether the user has consented to the purpose, and not withdrawn.
func (c *Consents) Given(ctx context.Context, userID, purpose string) (bool, error) {
	var mark, state *redis.StringCmd
	_, err := c.redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		mark, state = p.Get(ctx, markKey), p.HGet(ctx, copyKey(userID), purpose)
		return nil
	})
	switch {
	case errors.Is(mark.Err(), redis.Nil):
		return false, fmt.Errorf("%w: Redis has no complete copy of the ledger; control writes it as soon as it runs", ErrUnavailable)
	case mark.Err() != nil:
		return false, unavailable("look a consent up", mark.Err())
	case errors.Is(state.Err(), redis.Nil):
		return false, nil
	case state.Err() != nil:
		return false, unavailable("look a consent up", state.Err())
	case err != nil && !errors.Is(err, redis.Nil):
		return false, unavailable("look a consent up", err)
	}
	_, word, _ := strings.Cut(state.Val(), " ")
	switch word {
	case given:
		return true, nil
	case withdrawn:
		return false, nil
	}
	return false, fmt.Errorf("%w: Redis holds %.20q", ErrUnavailable, state.Val())
}

// Mark is the entry up to which the copy is complete; ok is false if there is no
// copy.
func (c *Consents) Mark(ctx context.Context) (seq int64, ok bool, err error) {
	seq, err = c.redis.Get(ctx, markKey).Int64()
	if errors.Is(err, redis.Nil) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, unavailable("read how far the copy of consents is", err)
	}
	return seq, true, nil
}

// Put writes entries into the copy, unless it has newer ones of the same person
// and purpose. It leaves the mark as it is.
func (c *Consents) Put(ctx context.Context, entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	run := func() error {
		_, err := c.redis.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, e := range entries {
				state := withdrawn
				if e.Given {
					state = given
				}
				c.put.EvalSha(ctx, p, []string{copyKey(e.UserID)}, e.Purpose, e.Seq, state)
			}
			return nil
		})
		return err
	}
	err := run()
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		if err = c.put.Load(ctx, c.redis).Err(); err == nil {
			err = run()
		}
	}
	if err != nil {
		return unavailable("copy consents", err)
	}
	return nil
}

// SetMark says that the copy is complete up to seq.
func (c *Consents) SetMark(ctx context.Context, seq int64) error {
	if err := c.redis.Set(ctx, markKey, seq, 0).Err(); err != nil {
		return unavailable("mark the copy of consents as complete", err)
	}
	return nil
}

// Forget removes what the copy has of a user.
func (c *Consents) Forget(ctx context.Context, userID string) error {
	if err := c.redis.Del(ctx, copyKey(userID)).Err(); err != nil {
		return unavailable("forget a user's consents", err)
	}
	return nil
}

// Clear removes the mark, and then all of the copy.
func (c *Consents) Clear(ctx context.Context) error {
	if err := c.redis.Del(ctx, markKey).Err(); err != nil {
		return unavailable("clear the copy of consents", err)
	}
	each := func(ctx context.Context, node redis.UniversalClient) error {
		for keys := node.Scan(ctx, 0, copyPrefix+"*", 1000).Iterator(); ; {
			if !keys.Next(ctx) {
				return keys.Err()
			}
			if err := c.redis.Del(ctx, keys.Val()).Err(); err != nil {
				return err
			}
		}
	}
	var err error
	if cluster, ok := c.redis.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return each(ctx, node) })
	} else {
		err = each(ctx, c.redis)
	}
	if err != nil {
		return unavailable("clear the copy of consents", err)
	}
	return nil
}

func copyKey(userID string) string {
	sum := sha256.Sum256([]byte(userID))
	return copyPrefix + hex.EncodeToString(sum[:])
}

func unavailable(what string, err error) error {
	return fmt.Errorf("%w: %s: %w", ErrUnavailable, what, err)
}
