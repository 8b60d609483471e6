// Package throttle slows down who guesses passwords and codes.
//
// It promises: failures are counted by account, by address, and by the two
// together; after a number of free ones each further attempt has to wait, from
// 30 s, doubling, to 1 h (NIST SP 800-63B-4 section 3.2.2); an attempt counts
// before it is judged, so that a thousand at once are no way around; a success
// takes it back. A stranger cannot lock a person out of a device from which they
// have signed in: such a device shows a signed cookie and has a counter of its
// own, beside all others (ASVS 5.0 6.1.1). What is counted is the name that was
// typed, whether there is such a user or not, so that waiting tells nothing.
//
// The state is in Redis. Without it Take fails, and nobody signs in: sessions
// need the same Redis. A stranger can make a new device wait, for an hour at
// most; a passkey and the link of a reset are ways past that.
package throttle

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	_ "embed" // for the script
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/limit"
)

//go:embed throttle.lua
var source string

// The times that a further attempt has to wait.
const (
	First   = 30 * time.Second
	Longest = time.Hour
)

// Free is how many failures each counter lets pass before the first wait.
type Free struct{ Account, Address, Pair, Device int }

// DefaultFree is for people who mistype, and for offices behind one address. It
// is above what the built-in alerts count, so that a guesser is told of before
// they are slowed down.
func DefaultFree() Free { return Free{Account: 12, Address: 50, Pair: 8, Device: 12} }

// ErrUnavailable says that Redis could not be asked, or not in time.
var ErrUnavailable = errors.New("attempts cannot be counted")

// Throttle counts. It is safe for concurrent use.
type Throttle struct {
	redis  redis.UniversalClient
	key    []byte
	now    func() time.Time
	free   Free
	script *redis.Script
}

// New returns a Throttle whose keys in Redis, and whose device cookies, are made
// with key, so that Redis names nobody.
func New(client redis.UniversalClient, key []byte, now func() time.Time, free Free) *Throttle {
	return &Throttle{redis: client, key: key, now: now, free: free, script: redis.NewScript(source)}
}

// Attempt is one that is about to be judged.
type Attempt struct {
	Account string // the name that was typed, as login.NameKey has it
	Address string // of the client
	Device  string // the id in a valid device cookie; empty for strangers
}

// Taken is an attempt that was let through, counted as failed until it is known
// better.
type Taken struct {
	t *Throttle
	a Attempt
}

// Take counts an attempt. Above zero, wait is how long the next one has to, and
// this one must not be judged. The error has ErrUnavailable in its chain.
func (t *Throttle) Take(ctx context.Context, a Attempt) (taken *Taken, wait time.Duration, err error) {
	taken = &Taken{t: t, a: a}
	account := "gatehouse:throttle:{" + t.tag("account", a.Account) + "}:"
	if a.Device != "" {
		wait, err = t.run(ctx, "take", []string{account + "d:" + t.tag("device", a.Device)}, []int{t.free.Device})
		return taken, wait, err
	}
	// An address that waits is told first: it must not drive the account's counter.
	if wait, err = t.run(ctx, "take", []string{t.address(a)}, []int{t.free.Address}); err != nil || wait > 0 {
		return taken, wait, err
	}
	wait, err = t.run(ctx, "take", t.ofAccount(a), []int{t.free.Account, t.free.Pair})
	return taken, wait, err
}

func (t *Throttle) ofAccount(a Attempt) []string {
	account := "gatehouse:throttle:{" + t.tag("account", a.Account) + "}:"
	return []string{account + "a", account + "p:" + t.tag("address", network(a.Address))}
}

func (t *Throttle) address(a Attempt) string {
	return "gatehouse:throttle:{" + t.tag("address", network(a.Address)) + "}:i"
}

// Success clears the counters of the person, and takes the attempt back from
// their address: an attacker's own account must not wash it clean. failed is how
// many attempts had failed before it, by the counters that it clears.
func (taken *Taken) Success(ctx context.Context) (failed int, err error) {
	t, a := taken.t, taken.a
	if a.Device != "" {
		return t.clear(ctx, t.device(a))
	}
	failed, err = t.clear(ctx, t.ofAccount(a)...)
	return failed, errors.Join(err, t.refund(ctx, t.address(a)))
}

func (t *Throttle) clear(ctx context.Context, keys ...string) (failed int, err error) {
	n, err := t.ask(ctx, "clear", keys, make([]int, len(keys)))
	return max(0, int(n)-1), err // the attempt itself was counted, too
}

// Undecided takes the attempt back: it could not be judged.
func (taken *Taken) Undecided(ctx context.Context) error {
	t, a := taken.t, taken.a
	if a.Device != "" {
		return t.refund(ctx, t.device(a))
	}
	return errors.Join(t.refund(ctx, t.ofAccount(a)...), t.refund(ctx, t.address(a)))
}

func (t *Throttle) device(a Attempt) string {
	return "gatehouse:throttle:{" + t.tag("account", a.Account) + "}:d:" + t.tag("device", a.Device)
}

func (t *Throttle) refund(ctx context.Context, keys ...string) error {
	_, err := t.run(ctx, "refund", keys, make([]int, len(keys)))
	return err
}

func (t *Throttle) run(ctx context.Context, what string, keys []string, free []int) (time.Duration, error) {
	wait, err := t.ask(ctx, what, keys, free)
	return time.Duration(wait) * time.Millisecond, err
}

func (t *Throttle) ask(ctx context.Context, what string, keys []string, free []int) (int64, error) {
	args := []any{what, t.now().UnixMilli()}
	for _, n := range free {
		args = append(args, n, First.Milliseconds(), Longest.Milliseconds())
	}
	n, err := t.script.Run(ctx, t.redis, keys, args...).Int64()
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return n, nil
}

func (t *Throttle) tag(kind, text string) string {
	return base64.RawURLEncoding.EncodeToString(t.mac(kind, text)[:16])
}

func (t *Throttle) mac(parts ...string) []byte {
	mac := hmac.New(sha256.New, t.key)
	mac.Write([]byte("gatehouse/throttle/v1"))
	for _, part := range parts {
		mac.Write([]byte{0})
		mac.Write([]byte(part))
	}
	return mac.Sum(nil)
}

// network is what one subscriber has of addresses: one of IPv4, 2^64 of IPv6
// (RFC 6177).
func network(address string) string { return limit.ClientKey(address, limit.DefaultIPv6Prefix) }
