package api

import (
	"cmp"
	"container/list"
	"math"
	"net/netip"
	"sync"
	"time"
)

// Rate is how many calls one may make: Burst at once, and PerSecond after that.
type Rate struct {
	PerSecond float64
	Burst     float64
}

// Limits of one replica.
type Limits struct {
	Address Rate // of one IP address, known or not
	Caller  Rate // of one caller, from all addresses
	SignIn  Rate // attempts to sign in, of one IP address
}

// DefaultLimits are far above what people and their scripts do, and far below
// what hurts. Ten sign-ins a minute is what a person with a bad day needs.
func DefaultLimits() Limits {
	return Limits{
		Address: Rate{PerSecond: 50, Burst: 200},
		Caller:  Rate{PerSecond: 25, Burst: 100},
		SignIn:  Rate{PerSecond: 10.0 / 60, Burst: 10},
	}
}

const (
	// wrongCredential is what a call with one costs, in calls.
	wrongCredential = 10
	// maxBuckets of each kind are kept; whoever was quiet for longest is
	// forgotten first, and begins anew with a full bucket.
	maxBuckets = 20_000
)

// limits holds the buckets of all who call.
type limits struct{ addresses, callers, signIns *buckets }

func newLimits(l Limits, now func() time.Time) *limits {
	d := DefaultLimits()
	kind := func(set, otherwise Rate) *buckets {
		return newBuckets(Rate{cmp.Or(set.PerSecond, otherwise.PerSecond), cmp.Or(set.Burst, otherwise.Burst)}, now)
	}
	return &limits{addresses: kind(l.Address, d.Address), callers: kind(l.Caller, d.Caller), signIns: kind(l.SignIn, d.SignIn)}
}

func (l *limits) address(ip string, cost float64) (ok bool, wait int, first bool) {
	return l.addresses.take(network(ip), cost)
}

func (l *limits) signIn(ip string) (ok bool, wait int, first bool) {
	return l.signIns.take(network(ip), 1)
}

func (l *limits) caller(c Caller) (ok bool, wait int, first bool) {
	return l.callers.take(c.method+"\x00"+cmp.Or(c.SubjectID, c.Name), 1)
}

// network is what one client is sure to hold alone: an IPv4 address, or the /64
// of an IPv6 one, which a client has 2^64 addresses of.
func network(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil || addr.Is4() {
		return ip
	}
	prefix, err := addr.Prefix(64)
	if err != nil {
		return ip
	}
	return prefix.String()
}

// buckets are token buckets by key.
type buckets struct {
	rate Rate
	now  func() time.Time

	mu    sync.Mutex
	byKey map[string]*list.Element
	order *list.List // of *bucket, the one used last in front
}

type bucket struct {
	key    string
	tokens float64
	at     time.Time
	// empty since the last call that was refused; told tells that one was.
	told bool
}

func newBuckets(rate Rate, now func() time.Time) *buckets {
	return &buckets{rate: rate, now: now, byKey: map[string]*list.Element{}, order: list.New()}
}

// take takes cost out of the bucket of key, down to nothing. If less than one
// call is left it refuses, and says after how many whole seconds there will be
// one, and whether this is the first refusal of a row.
func (b *buckets) take(key string, cost float64) (ok bool, wait int, first bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.find(key)
	now := b.now()
	t.tokens = min(b.rate.Burst, t.tokens+max(0, now.Sub(t.at).Seconds())*b.rate.PerSecond)
	t.at = now
	if t.tokens < 1 {
		first, t.told = !t.told, true
		return false, max(1, int(math.Ceil((1-t.tokens)/b.rate.PerSecond))), first
	}
	t.tokens = max(0, t.tokens-cost)
	t.told = false
	return true, 0, false
}

func (b *buckets) find(key string) *bucket {
	if e := b.byKey[key]; e != nil {
		b.order.MoveToFront(e)
		return e.Value.(*bucket)
	}
	if b.order.Len() >= maxBuckets {
		last := b.order.Back()
		delete(b.byKey, last.Value.(*bucket).key)
		b.order.Remove(last)
	}
	t := &bucket{key: key, tokens: b.rate.Burst, at: b.now()}
	b.byKey[key] = b.order.PushFront(t)
	return t
}
