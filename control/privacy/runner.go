package privacy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"gatehouse/authz/event"
	"gatehouse/control/privacy/connector"
	"gatehouse/control/store"
)

// StepState is how far one system is.
type StepState string

// The states of a step.
const (
	StepPending  StepState = "pending"
	StepDone     StepState = "done"
	StepFailed   StepState = "failed"   // and is tried again
	StepAttested StepState = "attested" // done by hand
)

func settled(p store.RequestStep) bool {
	return StepState(p.State) == StepDone || StepState(p.State) == StepAttested
}

// Work carries out what there is to do now: each request in progress that is
// nobody's, as far as it goes. It returns how many it looked at.
func (s *Service) Work(ctx context.Context) (worked int, err error) {
	var errs []error
	for ctx.Err() == nil {
		owner := s.owner(event.NewID())
		id, err := s.o.Store.LeaseRequest(ctx, string(InProgress), owner, s.now(), s.o.Timing.Lease)
		if errors.Is(err, store.ErrNoRequest) {
			break
		}
		if err != nil {
			return worked, errors.Join(append(errs, err)...)
		}
		worked++
		if err := s.carryOut(ctx, id, owner); err != nil && ctx.Err() == nil {
			errs = append(errs, fmt.Errorf("request %s: %w", id, err))
		}
	}
	return worked, errors.Join(errs...)
}

// owner is the name under which a worker of this instance holds a request.
func (s *Service) owner(worker string) string { return s.o.Instance + "/" + worker }

// carryOut works on a request that is the caller's, and gives it back.
func (s *Service) carryOut(ctx context.Context, id, owner string) error {
	next := s.now().Add(s.o.Timing.Retry)
	defer func() {
		// Also when ctx has ended: nobody should wait for the lease to run out.
		release, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if err := s.o.Store.ReleaseRequest(release, id, owner, next); err != nil {
			s.log.Warn("a request could not be given back; it is free when its lease runs out", "request", id, "error", err)
		}
	}()
	held, stop := s.hold(ctx, id, owner)
	defer stop()
	in, err := s.o.Store.Request(held, id)
	if err != nil {
		return err
	}
	r, err := s.read(held, in)
	if err != nil {
		return err
	}
	p, err := s.o.Store.Subject(held, r.SubjectID)
	if err != nil {
		return err
	}
	if !p.Erased.IsZero() && !s.erases(r) {
		return s.overtaken(held, r)
	}
	open, earliest, err := s.steps(held, &r, p, owner)
	if err != nil {
		return err
	}
	if open > 0 {
		next = earliest
		return nil
	}
	return s.finish(held, r)
}

// erases says whether it is this request that has erased the person: it began
// with Gatehouse's own part.
func (s *Service) erases(r Request) bool {
	return r.Kind == connector.Erasure && slices.ContainsFunc(r.Steps, func(p store.RequestStep) bool {
		return p.System == s.o.Own.Name() && p.Attempts > 0
	})
}

// hold keeps the lease while the work goes on, and ends the work when it is lost.
func (s *Service) hold(ctx context.Context, id, owner string) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(s.o.Timing.Lease / 3)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				if err := s.o.Store.RenewLease(ctx, id, owner, s.now().Add(s.o.Timing.Lease)); err != nil {
					cancel()
					return
				}
			}
		}
	}()
	return ctx, func() {
		cancel()
		<-done
	}
}

// steps goes through the systems. It returns how many are not settled, and when
// the first of them is to be tried again.
func (s *Service) steps(ctx context.Context, r *Request, p store.Subject, owner string) (open int, earliest time.Time, err error) {
	byName := map[string]connector.Connector{}
	for _, c := range s.systems() {
		byName[c.Name()] = c
	}
	for n := range r.Steps {
		step := &r.Steps[n]
		if settled(*step) {
			continue
		}
		last := step.System == s.o.Own.Name()
		if r.Kind == connector.Erasure && last && open > 0 {
			return open + 1, earliest, nil // Gatehouse must know the person until all others are done
		}
		if !step.Next.After(s.now()) {
			if err := s.try(ctx, r, p, step, byName[step.System], owner); err != nil {
				return 0, time.Time{}, err
			}
		}
		if !settled(*step) {
			open++
			if earliest.IsZero() || step.Next.Before(earliest) {
				earliest = step.Next
			}
		}
	}
	return open, earliest, nil
}

// try makes one attempt at a step and writes down how it went. An error is one
// of the store's, or of the lease: the attempt's own is in the step.
func (s *Service) try(ctx context.Context, r *Request, p store.Subject, step *store.RequestStep, c connector.Connector, owner string) error {
	step.Attempts++
	step.Changed = s.now().UTC()
	if err := s.o.Store.SaveStep(ctx, r.ID, owner, *step); err != nil {
		return err
	}
	result, err := s.attempt(ctx, *r, p, c)
	if ctx.Err() != nil {
		return ctx.Err() // cut off, not failed: it is done again
	}
	now := s.now().UTC()
	step.Changed = now
	detail := map[string]string{"system": step.System, "attempt": strconv.Itoa(step.Attempts)}
	var pending *connector.PendingError
	switch {
	case err == nil:
		step.State, step.Error, step.Result, step.Next = string(StepDone), "", resultText(result), time.UnixMilli(0)
	case errors.As(err, &pending):
		first := step.Error == ""
		step.State, step.Error, step.Next = string(StepPending), clip(err.Error()), now.Add(max(pending.After, s.o.Timing.Retry))
		if !first { // told already that it waits
			return s.o.Store.SaveStep(ctx, r.ID, owner, *step)
		}
	default:
		step.State, step.Error, step.Next = string(StepFailed), clip(err.Error()), now.Add(s.backoff(step.Attempts))
	}
	detail["step"] = step.State
	e := s.requestEvent(event.SubjectRequestStep, *r, counted(detail, result))
	if StepState(step.State) == StepFailed {
		e.Severity, e.Outcome, e.Reason = event.Warning, event.Failure, step.Error
		s.log.WarnContext(ctx, "a step of a request has failed; it is tried again", slog.String("request", r.ID),
			slog.String("system", step.System), slog.Int("attempt", step.Attempts), slog.String("error", step.Error))
	}
	if err := s.o.Store.SaveStep(ctx, r.ID, owner, *step, e); err != nil {
		return err
	}
	s.tell(e)
	return nil
}

func counted(detail map[string]string, r connector.Result) map[string]string {
	for name, n := range map[string]int64{"read": r.Read, "deleted": r.Deleted, "changed": r.Changed, "kept": r.Kept} {
		if n > 0 {
			detail[name] = strconv.FormatInt(n, 10)
		}
	}
	return detail
}

// backoff doubles from Retry to MaxRetry.
func (s *Service) backoff(attempts int) time.Duration {
	wait := s.o.Timing.Retry
	for range attempts - 1 {
		if wait *= 2; wait >= s.o.Timing.MaxRetry {
			return s.o.Timing.MaxRetry
		}
	}
	return wait
}

// maxError bounds what is kept of an error, in bytes.
const maxError = 500

func clip(text string) string { return text[:min(len(text), maxError)] }

func resultText(r connector.Result) string {
	text, err := json.Marshal(r)
	if err != nil {
		return "{}" // numbers and a text: cannot be
	}
	return string(text)
}

// attempt does in one system what the request asks for.
func (s *Service) attempt(ctx context.Context, r Request, p store.Subject, c connector.Connector) (result connector.Result, err error) {
	if c == nil {
		return result, errors.New("this control has no connector of that name any more: bring it back into the data map, or attest the step")
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timing.StepFor)
	defer cancel()
	person, err := s.known(ctx, p)
	if err != nil {
		return result, err
	}
	ctx = connector.WithRequest(ctx, asked(r))
	switch r.Kind {
	case connector.Access, connector.Portability:
		err = c.Collect(ctx, person, func(connector.Record) error { result.Read++; return ctx.Err() })
	case connector.Rectification:
		result.Changed, err = c.Rectify(ctx, person, r.Words.Changes)
	case connector.Restriction, connector.Objection:
		err = c.Restrict(ctx, person, !r.Terms.Lift)
	case connector.Erasure:
		return s.erase(ctx, person, c)
	default:
		err = fmt.Errorf("nobody knows how to carry out %q", r.Kind)
	}
	return result, err
}

// asked is what a system is told of the request.
func asked(r Request) connector.Request {
	return connector.Request{ID: r.ID, Kind: r.Kind, Received: r.Received}
}

// erase erases and reads back: what a system says about itself is not enough.
func (s *Service) erase(ctx context.Context, person connector.Person, c connector.Connector) (connector.Result, error) {
	result, err := c.Erase(ctx, person)
	if err != nil {
		return result, err
	}
	remaining, err := c.Verify(ctx, person)
	switch {
	case errors.Is(err, connector.ErrUnsupported):
		result.Note = "the system says that it is done; it cannot be read back"
		return result, nil
	case err != nil:
		return result, fmt.Errorf("read back after the erasure: %w", err)
	case remaining > 0:
		return result, fmt.Errorf("%d records that should be gone are still there after the erasure", remaining)
	}
	return result, nil
}
