package control

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/event"
	"gatehouse/authz/limit"
	"gatehouse/authz/ratelimit"
	"gatehouse/control/api"
	"gatehouse/control/policy"
	"gatehouse/control/simulate"
	"gatehouse/control/store"
)

// Bounds of a trial.
const (
	trialRequests = 20_000
	trialSpan     = 24 * time.Hour // unless told
	trialTop      = 10
)

// limiting implements api.Limiting: on the counters in Redis, and on the index of the
// audit log.
type limiting struct {
	redis redis.UniversalClient
	store *store.Store
	now   func() time.Time
}

// Limited implements api.Limiting.
func (l limiting) Limited(ctx context.Context, shadow bool, most int) ([]api.LimitedCounter, error) {
	top, err := limit.NewRefusals(l.redis, l.now).Top(ctx, shadow, most)
	if err != nil {
		return nil, err
	}
	found := make([]api.LimitedCounter, len(top))
	for i, h := range top {
		found[i] = api.LimitedCounter{
			Key: h.Key, Name: h.Name, Algorithm: string(h.Algorithm), Limit: h.Limit, WindowSeconds: h.Window.Seconds(), Refused: h.Refused,
		}
	}
	return found, nil
}

func (l limiting) counters(ctx context.Context, key string) (*limit.Inspector, []limit.Counter, error) {
	inspector := limit.NewInspector(l.redis)
	counters, err := inspector.Show(ctx, key, ratelimit.Lengths()...)
	if errors.Is(err, limit.ErrSpec) || err == nil && len(counters) == 0 {
		err = api.ErrNotFound
	}
	return inspector, counters, err
}

// Counters implements api.Limiting.
func (l limiting) Counters(ctx context.Context, key string) ([]api.CounterValue, error) {
	_, counters, err := l.counters(ctx, key)
	if err != nil {
		return nil, err
	}
	found := make([]api.CounterValue, len(counters))
	for i, c := range counters {
		found[i] = api.CounterValue{Algorithm: string(c.Algorithm), Value: c.Value, TTLSeconds: max(0, c.TTL.Seconds())}
	}
	return found, nil
}

// Reset implements api.Limiting.
func (l limiting) Reset(ctx context.Context, key string) (int, error) {
	inspector, counters, err := l.counters(ctx, key)
	if err != nil {
		return 0, err
	}
	return inspector.Reset(ctx, counters)
}

// Try implements api.Limiting.
func (l limiting) Try(ctx context.Context, t api.LimitTrial) (api.LimitTrialResult, error) {
	spec, err := trialSpec(t)
	if err != nil {
		return api.LimitTrialResult{}, fmt.Errorf("%w: %w", api.ErrTrial, err)
	}
	if t.From.IsZero() {
		t.From = l.now().Add(-trialSpan)
	}
	requests, cut, err := l.requests(ctx, t.From)
	if err != nil {
		return api.LimitTrialResult{}, err
	}
	var log bytes.Buffer
	lines := json.NewEncoder(&log)
	for _, e := range requests {
		if err := lines.Encode(map[string]string{"time": e.Time.Format(time.RFC3339Nano), "client": e.Client, "subject": e.Subject}); err != nil {
			return api.LimitTrialResult{}, fmt.Errorf("write a request of the audit log: %w", err)
		}
	}
	// The log has pseudonyms, one for each address, where an access log has addresses.
	by, names := "client", simulate.Names{Time: "time", User: "subject"}
	if t.By == "user" {
		by = "user"
	}
	report, err := simulate.Run(ctx, simulate.Options{Spec: spec, By: []string{by}, Names: names, Top: trialTop}, &log)
	if errors.Is(err, limit.ErrSpec) {
		return api.LimitTrialResult{}, fmt.Errorf("%w: %w", api.ErrTrial, err)
	}
	if err != nil {
		return api.LimitTrialResult{}, err
	}
	return trialResult(report, cut), nil
}

func trialResult(r simulate.Report, cut bool) api.LimitTrialResult {
	out := api.LimitTrialResult{
		Requests: r.Requests, Refused: r.Refused, Keys: r.Keys, KeysRefused: r.Hit, First: r.First, Last: r.Last, Cut: cut, Top: []api.TrialKey{},
	}
	for _, k := range r.Top {
		out.Top = append(out.Top, api.TrialKey(k))
	}
	return out
}

func trialSpec(t api.LimitTrial) (limit.Spec, error) {
	rate, err := policy.ParseRate(t.Rate)
	if err != nil {
		return limit.Spec{}, err
	}
	spec := limit.Spec{
		Name: "trial", Algorithm: limit.Algorithm(cmp.Or(t.Algorithm, string(limit.SlidingWindow))),
		Requests: rate.Requests, Window: rate.Window, Burst: t.Burst,
	}
	switch quota := spec.Algorithm == limit.Quota; {
	case quota && rate.Period == "":
		return spec, errors.New("a quota is for a calendar's day or month: write 1000/day")
	case !quota && rate.Period != "":
		return spec, errors.New("a calendar's day or month is for a quota: choose that, or a window such as 24h")
	case !quota && t.TimeZone != "":
		return spec, errors.New("a time zone is for a quota")
	case quota:
		spec.Calendar, err = limit.NewCalendar(rate.Period, t.TimeZone)
	}
	return spec, err
}

// requestTypes are what a request through Envoy is in the log: one event each.
func requestTypes() []string {
	var types []string
	for _, t := range []event.Type{
		event.RateLimitExceeded, event.FileUploadRejected, event.FileUploadAccepted, event.CORSRefused,
		event.RequestAllowed, event.RequestDenied, event.SessionRefused, event.CheckUnavailable, event.PolicyUnknown, event.ConsentMissing,
	} {
		types = append(types, string(t))
	}
	return types
}

// requests are the newest, the oldest of them first.
func (l limiting) requests(ctx context.Context, from time.Time) (found []store.IndexedEvent, cut bool, err error) {
	q := store.EventQuery{Types: requestTypes(), From: from, Limit: store.MaxPage}
	for {
		page, err := l.store.SearchEvents(ctx, q)
		if err != nil {
			return nil, false, err
		}
		found = append(found, page.Events...)
		if page.Next == "" {
			break
		}
		if len(found) >= trialRequests {
			cut = true
			break
		}
		q.Cursor = page.Next
	}
	// Entries are in the order in which they came to the log.
	slices.Reverse(found)
	slices.SortStableFunc(found, func(a, b store.IndexedEvent) int { return a.Time.Compare(b.Time) })
	return found, cut, nil
}
