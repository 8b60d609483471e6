package ratelimit

import (
	"context"
	"log/slog"

	dataaccesslog "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"

	"gatehouse/authz/limit"
)

// Bounds of Releases.
const (
	maxReleases     = 8192 // that wait
	releasesAtOnce  = 256
	maxHoldsOfEntry = maxDescriptors

	// extAuthz is the filter that asks Check, as dynamic metadata names it.
	extAuthz = "envoy.filters.http.ext_authz"
)

// Releases gives places of concurrency limits back when Envoy's access log tells that
// the request has ended. Whatever it cannot give back is free when its time has run out.
type Releases struct {
	releaser Releaser
	log      *slog.Logger
	waiting  chan limit.Hold
}

// NewReleases makes one, which works while Run does.
func NewReleases(r Releaser, log *slog.Logger) *Releases {
	return &Releases{releaser: r, log: log, waiting: make(chan limit.Hold, maxReleases)}
}

// Ended takes an entry of a request that has ended: of what the RateLimitService and what
// Check have told Envoy. It does not wait.
func (r *Releases) Ended(entry *dataaccesslog.HTTPAccessLogEntry) {
	metadata := entry.GetCommonProperties().GetMetadata().GetFilterMetadata()
	for i, value := range metadata[FilterName].GetFields()[HoldsField].GetListValue().GetValues() {
		hold, err := limit.ParseHold(value.GetStringValue())
		if err != nil || i >= maxHoldsOfEntry {
			r.log.Warn("an access log entry names what is no place of a concurrency limit", "error", err)
			break
		}
		r.GiveBack(hold)
	}
	text := metadata[extAuthz].GetFields()[HoldsField].GetStringValue()
	if text == "" {
		return
	}
	holds, err := limit.ParseHolds(text)
	if err != nil {
		r.log.Warn("an access log entry names what is no place of a concurrency limit", "error", err)
	}
	r.GiveBack(holds...)
}

// GiveBack takes places of a request that is not under way, or no longer. It does not
// wait.
func (r *Releases) GiveBack(holds ...limit.Hold) {
	for _, hold := range holds {
		select {
		case r.waiting <- hold:
		default:
			r.log.Warn("too many places of concurrency limits are to be given back at once: some are free only when their time has run out")
			return
		}
	}
}

// Run gives back until ctx ends, and then what still waits.
func (r *Releases) Run(ctx context.Context) {
	for {
		select {
		case hold := <-r.waiting:
			r.release(ctx, hold)
		case <-ctx.Done():
			for len(r.waiting) > 0 {
				r.release(ctx, <-r.waiting)
			}
			return
		}
	}
}

// release takes along what waits, too.
func (r *Releases) release(ctx context.Context, first limit.Hold) {
	held := []limit.Hold{first}
	for len(held) < releasesAtOnce && len(r.waiting) > 0 {
		held = append(held, <-r.waiting)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseWithin)
	defer cancel()
	if err := r.releaser.Release(ctx, held...); err != nil {
		r.log.Warn("places of concurrency limits are free only when their time has run out", "places", len(held), "error", err)
	}
}
