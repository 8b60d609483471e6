package simulate

import (
	"bufio"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"gatehouse/authz/limit"
)

const (
	// maxLine bounds a line of a log, in bytes.
	maxLine = 1 << 20
	// maxKeys bounds the keys that are told apart; the others share what is said.
	maxKeys = 100_000
	// maxShown bounds the lines that could not be read and are shown.
	maxShown = 5
	// budget bounds what the limiter remembers: all that maxKeys can need within
	// the memory of one person's machine.
	budget = 20_000_000
)

// Options say what is tried.
type Options struct {
	Spec limit.Spec
	// By are the parts of the key: ip, user, path, or a field of JSON lines.
	By   []string
	Hops int
	Names
	// IPv6Prefix is the size of the network that one IPv6 client has; 0 means 64.
	IPv6Prefix int
	// Top is how many of the most refused keys are told.
	Top int
}

// Report says what the limit would have done.
type Report struct {
	Lines    int       `json:"lines"`
	Requests int       `json:"requests"` // those that the limit applies to
	Refused  int       `json:"refused"`
	Keys     int       `json:"keys"`
	Hit      int       `json:"keys_refused"` // keys that were refused at least once
	First    time.Time `json:"first,omitzero"`
	Last     time.Time `json:"last,omitzero"`
	// FirstRefused is when the first request was refused.
	FirstRefused time.Time `json:"first_refused,omitzero"`
	// Without are the requests that lack a part of the key, to which the limit
	// does not apply.
	Without int `json:"without_key"`
	// OutOfOrder are those that are older than the one before, and count as if they
	// were not.
	OutOfOrder int      `json:"out_of_order"`
	Unread     int      `json:"unread"`
	Examples   []string `json:"unread_examples,omitempty"`
	// Crowded says that there were more keys than are told apart: those beyond
	// count as one, and the figures are too high.
	Crowded bool  `json:"crowded,omitempty"`
	Top     []Key `json:"top"`
}

// Key is what became of one key's requests.
type Key struct {
	Key      string `json:"key"`
	Requests int    `json:"requests"`
	Refused  int    `json:"refused"`
}

type run struct {
	o      Options
	now    time.Time
	local  *limit.Local
	keys   map[string]*Key
	report Report
}

// Run replays the logs, in the order in which they are given. The error is of
// reading, or of the limit.
func Run(ctx context.Context, o Options, logs ...io.Reader) (Report, error) {
	if len(o.By) == 0 {
		return Report{}, ErrNoKey
	}
	// An impossible limit is told also of an empty log.
	probe := limit.NewLocal(1, time.Now)
	if _, err := probe.Admit([]limit.Request{{Key: "probe", Spec: o.Spec}}); err != nil {
		return Report{}, err
	}
	r := &run{o: o, keys: map[string]*Key{}}
	r.local = limit.NewLocal(budget, func() time.Time { return r.now })
	for _, log := range logs {
		if err := r.replay(ctx, log); err != nil {
			return Report{}, err
		}
	}
	r.report.Keys = len(r.keys)
	for _, k := range r.keys {
		if k.Refused > 0 {
			r.report.Hit++
		}
	}
	r.report.Top = top(r.keys, o.Top)
	return r.report, nil
}

func (r *run) replay(ctx context.Context, log io.Reader) error {
	lines := bufio.NewScanner(log)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	for lines.Scan() {
		if r.report.Lines%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if lines.Text() == "" {
			continue
		}
		r.report.Lines++
		e, err := Parse(lines.Text(), r.o.Names, r.o.Hops)
		if err != nil {
			r.unread(lines.Text(), err)
			continue
		}
		if err := r.count(e); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the log after line %d: %w", r.report.Lines, err)
	}
	return nil
}

func (r *run) unread(line string, err error) {
	r.report.Unread++
	if len(r.report.Examples) < maxShown {
		r.report.Examples = append(r.report.Examples, fmt.Sprintf("line %d: %v: %.80q", r.report.Lines, err, line))
	}
}

func (r *run) count(e Entry) error {
	key, ok := r.key(e)
	if !ok {
		r.report.Without++
		return nil
	}
	if e.Time.Before(r.now) {
		r.report.OutOfOrder++ // logs are written when requests end
	} else {
		r.now = e.Time
	}
	if r.report.First.IsZero() {
		r.report.First = r.now
	}
	r.report.Last = r.now
	k := r.of(key)
	results, err := r.local.Admit([]limit.Request{{Key: k.Key, Spec: r.o.Spec}})
	if err != nil {
		return err
	}
	r.report.Requests++
	k.Requests++
	if !limit.Admitted(results) {
		r.report.Refused++
		k.Refused++
		if r.report.FirstRefused.IsZero() {
			r.report.FirstRefused = r.now
		}
	}
	return nil
}

func (r *run) of(key string) *Key {
	if k := r.keys[key]; k != nil {
		return k
	}
	if len(r.keys) >= maxKeys {
		key, r.report.Crowded = "(all further keys)", true
		if k := r.keys[key]; k != nil {
			return k
		}
	}
	k := &Key{Key: key}
	r.keys[key] = k
	return k
}

// key is the limiter's; it is false for a request that lacks a part of it.
func (r *run) key(e Entry) (string, bool) {
	parts := make([]string, len(r.o.By))
	for i, by := range r.o.By {
		switch by {
		case "ip":
			if e.IP != "" {
				parts[i] = limit.ClientKey(e.IP, r.o.IPv6Prefix)
			}
		case "user":
			parts[i] = e.User
		case "path":
			parts[i] = e.Path
		default:
			if value, ok := e.fields[by]; ok {
				parts[i] = fmt.Sprint(value)
			}
		}
		if parts[i] == "" {
			return "", false
		}
	}
	return limit.Key(parts...), true
}

// ErrNoKey says that Options name no part of a key.
var ErrNoKey = errors.New("say by what to count: ip, user, path, or a field of JSON lines")

// top are the n most refused, by a heap of n.
func top(keys map[string]*Key, n int) []Key {
	h := &fewest{}
	for _, k := range keys {
		if k.Refused == 0 {
			continue
		}
		heap.Push(h, *k)
		if h.Len() > n {
			heap.Pop(h)
		}
	}
	list := make([]Key, h.Len())
	for i := len(list) - 1; i >= 0; i-- {
		list[i] = heap.Pop(h).(Key) //nolint:forcetypeassert // nothing else is in it
	}
	return list
}

// fewest is a heap whose first was refused least.
type fewest []Key

func (f fewest) Len() int { return len(f) }
func (f fewest) Less(i, j int) bool {
	return f[i].Refused < f[j].Refused || f[i].Refused == f[j].Refused && f[i].Key > f[j].Key
}
func (f fewest) Swap(i, j int) { f[i], f[j] = f[j], f[i] }
func (f *fewest) Push(x any)   { *f = append(*f, x.(Key)) } //nolint:forcetypeassert // nothing else is in it
func (f *fewest) Pop() any {
	last := (*f)[len(*f)-1]
	*f = (*f)[:len(*f)-1]
	return last
}
