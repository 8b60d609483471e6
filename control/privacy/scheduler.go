package privacy

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"gatehouse/authz/event"
)

const (
	// atOnce bounds what one look takes on.
	atOnce = 100
	// atATime is how many requests one control works on side by side.
	atATime = 4
)

// Run does what is due until ctx ends: requests in progress, warnings and
// reminders, authz's copy of consents, and events that have not reached the log.
func (s *Service) Run(ctx context.Context) {
	// What this instance had begun before it was killed goes on at once; without
	// this, when its lease runs out.
	if err := s.o.Store.ReleaseRequests(ctx, s.owner("")); err != nil && ctx.Err() == nil {
		s.log.Warn("requests that were begun before are free only when their lease runs out", "error", err)
	}
	var workers sync.WaitGroup
	defer workers.Wait()
	workers.Go(func() { s.enter(ctx) })
	// Requests are worked on apart: one may take long, and neither clocks nor the
	// others wait for it.
	for range atATime {
		workers.Go(func() {
			s.every(ctx, s.wake, func(ctx context.Context) {
				if _, err := s.Work(ctx); err != nil && ctx.Err() == nil {
					s.log.Error("requests of people could not be worked on; it is tried again", "error", err)
				}
			})
		})
	}
	s.every(ctx, nil, func(ctx context.Context) {
		if err := s.Tick(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("clocks and copies of people's rights could not be looked after; it is tried again", "error", err)
		}
	})
}

func (s *Service) every(ctx context.Context, wake <-chan struct{}, do func(context.Context)) {
	ticker := time.NewTicker(s.o.Timing.Tick)
	defer ticker.Stop()
	for {
		do(ctx)
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-ticker.C:
		}
	}
}

// Tick looks once at all clocks and copies; a failure of one keeps none of the
// others back.
func (s *Service) Tick(ctx context.Context) error {
	return errors.Join(s.copyNew(ctx), s.warn(ctx), s.remind(ctx), s.relay(ctx))
}

// warn tells of requests whose deadline is near, or over: of each the most
// pressing warning that was not given yet.
func (s *Service) warn(ctx context.Context) error {
	var errs []error
	ahead := warnings()
	for level := len(ahead); level > 0; level-- {
		ids, err := s.o.Store.RequestsDue(ctx, openStates(), s.now().Add(ahead[level-1]), level, atOnce)
		errs = append(errs, err)
		for _, id := range ids {
			_, err := s.change(ctx, id, []State{Received, Verified, InProgress}, func(r *Request, now time.Time) ([]event.Event, error) {
				r.Warned = level
				return []event.Event{s.warning(*r, now, level == len(ahead))}, nil
			})
			errs = append(errs, unlessOvertaken(err))
		}
	}
	return errors.Join(errs...)
}

// unlessOvertaken forgets that somebody else was quicker.
func unlessOvertaken(err error) error {
	var known *Error
	if errors.As(err, &known) && known.Kind == Conflict {
		return nil
	}
	return err
}

func (s *Service) warning(r Request, now time.Time, over bool) event.Event {
	e := s.requestEvent(event.DeadlineWarning, r, map[string]string{
		"state": string(r.State), "due": r.Due.Format(time.RFC3339), "work_by": r.WorkBy.Format(time.RFC3339),
		"hours_left": strconv.Itoa(int(r.Due.Sub(now).Hours())),
	})
	e.Severity, e.Reason = event.Warning, "the time of Art. 12(3) is nearly over"
	if over {
		e.Severity, e.Outcome, e.Reason = event.Critical, event.Failure, "the time of Art. 12(3) is over"
	}
	return e
}

// remind tells of breaches whose 72 hours run, and of those where they are over.
func (s *Service) remind(ctx context.Context) error {
	var errs []error
	after := reminders()
	for level := len(after); level > 0; level-- {
		ids, err := s.o.Store.BreachesDue(ctx, unnotified(), s.now().Add(-after[level-1]), level, atOnce)
		errs = append(errs, err)
		for _, id := range ids {
			errs = append(errs, unlessOvertaken(s.remindOf(ctx, id, level, level == len(after))))
		}
	}
	return errors.Join(errs...)
}

func (s *Service) remindOf(ctx context.Context, id string, level int, over bool) error {
	_, err := s.changeBreach(ctx, id, "clock", event.DeadlineWarning, map[string]int{"reminder": level}, func(b *Breach, _ time.Time) error {
		b.Warned = level
		return nil
	}, func(e *event.Event, b Breach) {
		e.Detail["due"], e.Detail["hours_left"] = b.Due.Format(time.RFC3339), strconv.Itoa(int(b.Due.Sub(s.now()).Hours()))
		e.Reason = "the 72 hours of Art. 33(1) run"
		if over {
			e.Severity, e.Outcome, e.Reason = event.Critical, event.Failure, "the 72 hours of Art. 33(1) are over"
		}
	})
	if err == nil && over {
		s.log.Error("the 72 hours in which the authority is to be notified of a breach are over (Art. 33(1))", "breach", id)
	}
	return err
}

func (s *Service) relay(ctx context.Context) error {
	return Outbox{Store: s.o.Store, Events: s.o.Events, Log: s.o.Log, Now: s.now}.Relay(ctx)
}
