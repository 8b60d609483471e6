package limit

import (
	"context"
	_ "embed" // for the scripts
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed clock.lua
var clockSource string

//go:embed quick.lua
var quickSource string

//go:embed kinds.lua
var kindsSource string

//go:embed limit.lua
var source string

// Source is the script that decides, for who makes a larger one of it: it takes
// what Part gives, as KEYS and ARGV, and returns what Decode reads.
func Source() string { return clockSource + quickSource + kindsSource + source }

const keyPrefix = "gh:l:{"

// answerWithin bounds each call of a Limiter that has a Line of its own, where its
// context and the client's time limits do not before.
const answerWithin = 2 * time.Second

// Limiter counts on Redis, by a Line: what arrives together shares round trips, and
// nobody waits for a Redis that does not answer. It is safe for concurrent use.
type Limiter struct {
	line   *Line
	script Script
	now    func() time.Time
}

// New returns a Limiter on client. now is nil in production: then Redis's own
// clock counts, which is the same for all replicas.
func New(client redis.UniversalClient, now func() time.Time) *Limiter {
	return NewOn(NewLine(client, answerWithin), now)
}

// NewOn is New on a Line that others use, too.
func NewOn(line *Line, now func() time.Time) *Limiter {
	return &Limiter{line: line, script: NewScript(Source()), now: now}
}

// Admit counts the call against all limits if every one of them (shadows aside)
// admits it, and against none otherwise; in a Cluster that holds for the limits of
// each slot. The results are in the order of the requests. The error is ErrSpec or
// ErrUnavailable.
func (l *Limiter) Admit(ctx context.Context, requests []Request) ([]Result, error) {
	return l.run(ctx, all, requests)
}

// Count counts the call against each limit for itself, as ShouldRateLimit does.
// A fixed window counts also what it refuses, as envoyproxy/ratelimit does.
func (l *Limiter) Count(ctx context.Context, requests []Request) ([]Result, error) {
	return l.run(ctx, each, requests)
}

// mode is how the script takes several limits.
type mode string

const (
	all  mode = "all"
	each mode = "each"
)

func (l *Limiter) run(ctx context.Context, m mode, requests []Request) ([]Result, error) {
	if len(requests) == 0 {
		return nil, nil
	}
	if err := validate(requests); err != nil {
		return nil, err
	}
	requests = l.Prepare(requests)
	groups := l.line.Groups(requests)
	calls := make([]*Call, len(groups))
	for i, group := range groups {
		calls[i] = &Call{Script: l.script}
		calls[i].Keys, calls[i].Args = l.part(m, pick(requests, group))
	}
	l.line.Run(ctx, calls...)
	results, errs := make([]Result, len(requests)), make([]error, 0, len(groups))
	for i, group := range groups {
		err := unavailable(calls[i].Err)
		var got []Result
		if err == nil {
			got, err = Decode(pick(requests, group), calls[i].Value)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for j, at := range group {
			results[at] = got[j]
		}
	}
	if len(errs) > 0 {
		l.abandon(ctx, results)
		return nil, errs[0]
	}
	return results, nil
}

func unavailable(err error) error {
	if err == nil || errors.Is(err, ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// Groups are the places of the requests that one call can be about: all together,
// or in a Cluster those of each slot.
func (l *Line) Groups(requests []Request) [][]int {
	var groups [][]int
	at := map[string]int{}
	for i := range requests {
		slot := ""
		if l.Cluster() {
			slot = requests[i].slot()
		}
		n, known := at[slot]
		if !known {
			n = len(groups)
			at[slot], groups = n, append(groups, nil)
		}
		groups[n] = append(groups[n], i)
	}
	return groups
}

func pick(requests []Request, places []int) []Request {
	if len(places) == len(requests) {
		return requests
	}
	picked := make([]Request, len(places))
	for i, at := range places {
		picked[i] = requests[at]
	}
	return picked
}

// Part is what the script takes for the requests, to decide them as Admit does.
// The requests are valid as Validate says, and as Prepare made them.
func (l *Limiter) Part(requests []Request) (keys []string, args []any) { return l.part(all, requests) }

func (l *Limiter) part(m mode, requests []Request) (keys []string, args []any) {
	keys = make([]string, len(requests))
	args = make([]any, 0, 2+6*len(requests))
	args = append(args, l.micros(), string(m))
	for i := range requests {
		keys[i] = requests[i].redisKey()
		args = requests[i].appendArgs(args)
	}
	return keys, args
}

// Validate says what is impossible about requests: ErrSpec.
func Validate(requests []Request) error { return validate(requests) }

// Decode reads what the script answers of what Part was given. The error is ErrUnavailable.
func Decode(requests []Request, value any) ([]Result, error) {
	list, ok := value.([]any)
	if !ok || len(list) != 4*len(requests) {
		return nil, fmt.Errorf("%w: the script answered %.80q for %d limits", ErrUnavailable, fmt.Sprint(value), len(requests))
	}
	results := make([]Result, len(requests))
	var n [4]int64
	for i := range requests {
		for j := range n {
			if n[j], ok = list[4*i+j].(int64); !ok {
				return nil, fmt.Errorf("%w: the script answered %.20q for a number", ErrUnavailable, fmt.Sprint(list[4*i+j]))
			}
		}
		results[i] = requests[i].result(n[0] == 1, n[1], micros(n[2]), micros(n[3]))
	}
	return results, nil
}

func (l *Limiter) micros() int64 {
	if l.now == nil {
		return 0
	}
	return l.now().UnixMicro()
}

// redisKey names the algorithm: a limit that changes its algorithm must not
// meet the other's data.
func (r Request) redisKey() string {
	kind := ":" + string(r.Spec.algorithm()[0])
	if r.Spec.algorithm() == Concurrency {
		kind = ":h" // ":c" are fixed windows of Windows
	}
	if r.Slot == "" {
		return keyPrefix + r.Key + "}" + kind
	}
	return keyPrefix + r.Slot + "}" + r.Key + kind
}

// name is what people call the counter: its key, behind its slot where that is
// another. Key makes neither with a "+".
func (r Request) name() string {
	if r.Slot == "" {
		return r.Key
	}
	return r.Slot + "+" + r.Key
}

// named is the request of a counter's name.
func named(name string, spec Spec) Request {
	if slot, key, ok := strings.Cut(name, "+"); ok {
		return Request{Slot: slot, Key: key, Spec: spec}
	}
	return Request{Key: name, Spec: spec}
}

// slot is the hash tag of the key.
func (r Request) slot() string {
	if r.Slot == "" {
		return r.Key
	}
	return r.Slot
}

func (r Request) appendArgs(args []any) []any {
	shadow := 0
	if r.Shadow {
		shadow = 1
	}
	letter, capacity, window, interval := r.Spec.args()
	if r.Spec.algorithm() == Concurrency {
		interval = r.id
	}
	return append(args, letter, capacity, window, interval, r.hits(), shadow)
}

// args are what the scripts take of it.
func (s Spec) args() (letter string, capacity, window int64, interval string) {
	return string(s.algorithm()[0]), s.capacity(), s.Window.Microseconds(), strconv.FormatFloat(s.interval(), 'f', 2, 64)
}

// interval is the time in µs after which GCRA grants the next request, rounded
// up to a quarter: such values, added to today's time, stay exact in a float64.
func (s Spec) interval() float64 {
	if s.Algorithm == Quota {
		return float64(s.ends)
	}
	if s.Requests == 0 {
		return 0
	}
	return math.Ceil(float64(s.Window.Microseconds())/float64(s.Requests)*4) / 4
}

func (r Request) result(allowed bool, remaining int64, reset, retry time.Duration) Result {
	out := Result{
		Name: r.Spec.Name, Algorithm: r.Spec.algorithm(), Limit: r.Spec.Requests, Window: r.Spec.Window, Shadow: r.Shadow,
		Allowed: allowed, Remaining: remaining, Reset: reset, RetryAfter: retry,
	}
	if allowed && r.id != "" && r.hits() > 0 {
		out.Hold = Hold{Key: r.name(), ID: r.id, Hits: r.hits()}
	}
	return out
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
