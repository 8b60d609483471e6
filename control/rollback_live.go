package control

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	askEvery    = 100 * time.Millisecond
	maxReadyDoc = 1 << 20
)

// ErrControlAway is in the chain of an error about a control that does not
// answer: the policy file is then read when it starts.
var ErrControlAway = errors.New("control does not answer")

// Follower sees through control's /readyz what becomes of an edit.
type Follower struct {
	// URL of control, without a path.
	URL string
	// Client must have a time-out, or its callers' contexts one.
	Client *http.Client

	before string        // when control had refused an edit before ours
	sure   time.Duration // for tests; 0 means sureAfter
}

// sureAfter is how long a refusal must stand to be that of our edit. Control may
// come to the edit before ours only now: it looks at the file every second, and
// waits until it is left alone.
const sureAfter = 3 * time.Second

// Look must come before the edit: a refusal that is older than the edit is not
// the edit's. It returns ErrControlAway if there is nobody to follow.
func (f *Follower) Look(ctx context.Context) error {
	state, err := f.ask(ctx)
	if err != nil {
		return err
	}
	f.before = state.refusedAt()
	return nil
}

// Live is how far a policy has come.
type Live struct {
	Envoys  int `json:"envoys"`  // connected
	Current int `json:"current"` // of them, those that have accepted it
}

// Await returns once control and every connected Envoy have the policy of that
// version. Otherwise it says why not: control refuses the edit, an Envoy
// refuses it, or ctx ends first.
func (f *Follower) Await(ctx context.Context, version string) (Live, error) {
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	var live Live
	var why error
	var refused string // and since when we know
	var since time.Time
	for {
		state, err := f.ask(ctx)
		if at := state.refusedAt(); at != refused {
			refused, since = at, time.Now()
		}
		switch {
		case ctx.Err() != nil && why != nil: // that this question was cut short is no news
		case err != nil:
			live, why = Live{}, err
		case state.LastError != nil && refused != f.before && time.Since(since) >= cmp.Or(f.sure, sureAfter):
			return state.of(version), fmt.Errorf("control refuses it: %s", strings.Join(state.LastError.Errors, "; "))
		default:
			live = state.of(version)
			if why = state.lacks(version, live); why == nil {
				return live, nil
			}
		}
		select {
		case <-ctx.Done():
			return live, fmt.Errorf("not in time: %w", why)
		case <-ticker.C:
		}
	}
}

// lacks is nil once the policy is live wherever it can be.
func (r readiness) lacks(version string, live Live) error {
	switch {
	case r.Policy.Version != version || r.LastError != nil:
		return fmt.Errorf("control has policy %s", r.Policy.Version)
	case live.Current < live.Envoys:
		return fmt.Errorf("%d of %d Envoys have it%s", live.Current, live.Envoys, r.refusals())
	}
	return nil
}

func (f *Follower) ask(ctx context.Context) (readiness, error) {
	var state readiness
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(f.URL, "/")+"/readyz", nil)
	if err != nil {
		return state, fmt.Errorf("control's address: %w", err)
	}
	resp, err := f.Client.Do(req)
	if err != nil {
		return state, fmt.Errorf("%w at %s: %w", ErrControlAway, f.URL, err)
	}
	defer func() { _ = resp.Body.Close() }()
	// A control that is not ready yet answers 503 with the same document.
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxReadyDoc)).Decode(&state); err != nil {
		return state, fmt.Errorf("%w at %s: status %d, and not as control does", ErrControlAway, f.URL, resp.StatusCode)
	}
	return state, nil
}

func (r readiness) refusedAt() string {
	if r.LastError == nil {
		return ""
	}
	return r.LastError.Time.Format(time.RFC3339Nano)
}

func (r readiness) of(version string) Live {
	live := Live{Envoys: len(r.Envoys)}
	for _, e := range r.Envoys {
		if e.Version == version && e.Rejected == "" {
			live.Current++
		}
	}
	return live
}

func (r readiness) refusals() string {
	for _, e := range r.Envoys {
		if e.Rejected != "" {
			return fmt.Sprintf("; %s says: %s", e.ID, e.Rejected)
		}
	}
	return ""
}
