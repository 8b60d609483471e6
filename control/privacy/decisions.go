package privacy

import (
	"context"
	"slices"
	"time"

	"gatehouse/authz/event"
	"gatehouse/control/privacy/connector"
	"gatehouse/control/store"
)

// What people decide about a request. Each is one transaction with its event,
// and fails with a Conflict if the request is in another state by then.

// change reads a request, has it changed, and writes it.
func (s *Service) change(ctx context.Context, id string, from []State, fn func(r *Request, now time.Time) ([]event.Event, error)) (Request, error) {
	r, err := s.Request(ctx, id)
	if err != nil {
		return r, err
	}
	if !slices.Contains(from, r.State) {
		return r, conflict("the request is %s: this can be done while it is %v", r.State, from)
	}
	events, err := fn(&r, s.now().UTC().Truncate(time.Second))
	if err != nil {
		return r, err
	}
	if err := s.write(ctx, &r); err != nil {
		return r, err
	}
	if err := s.o.Store.UpdateRequest(ctx, r.SubjectRequest, events...); err != nil {
		return r, told(err)
	}
	s.tell(events...)
	return s.Request(ctx, id)
}

// Verify records that the person is who they say, and how that was checked
// (Art. 12(6)). by is "session" for the person themselves.
func (s *Service) Verify(ctx context.Context, id, by, how string) (Request, error) {
	if err := checkText("how", how, by != bySession); err != nil {
		return Request{}, err
	}
	return s.change(ctx, id, []State{Received}, func(r *Request, now time.Time) ([]event.Event, error) {
		r.State, r.SubjectRequest.Verified, r.VerifiedBy, r.Words.Checked = Verified, now, by, how
		return []event.Event{s.requestEvent(event.SubjectRequestVerified, *r, map[string]string{"by": by})}, nil
	})
}

// Extend takes two further months, with the reason that the person is told,
// once, and within the first month (Art. 12(3)).
func (s *Service) Extend(ctx context.Context, id, by, reason string) (Request, error) {
	if err := checkText("reason", reason, true); err != nil {
		return Request{}, err
	}
	return s.change(ctx, id, []State{Received, Verified, InProgress}, func(r *Request, now time.Time) ([]event.Event, error) {
		switch {
		case !r.SubjectRequest.Extended.IsZero():
			return nil, conflict("the request was extended already, and can be once only (Art. 12(3))")
		case now.After(r.Due):
			return nil, conflict("the first month is over: it can no longer be extended (Art. 12(3))")
		}
		r.SubjectRequest.Extended, r.Due, r.Words.Extended, r.Warned = now, deadline(r.Received, extendMonths, s.o.Zone), reason, 0
		return []event.Event{s.requestEvent(event.SubjectRequestExtended, *r, map[string]string{
			"by": by, "due": r.Due.Format(time.RFC3339),
		})}, nil
	})
}

// Refuse ends a request that is not carried out, with the reason that the person
// is told (Art. 12(4), 12(5), 17(3)).
func (s *Service) Refuse(ctx context.Context, id, by, reason string) (Request, error) {
	return s.end(ctx, id, by, reason, Refused, event.SubjectRequestRefused, []State{Received, Verified})
}

// Cancel ends a request that the person has taken back. One that is under way
// already can be if it only reads.
func (s *Service) Cancel(ctx context.Context, id, by, reason string) (Request, error) {
	return s.end(ctx, id, by, reason, Cancelled, event.SubjectRequestCancelled, []State{Received, Verified, InProgress})
}

func (s *Service) end(ctx context.Context, id, by, reason string, as State, t event.Type, from []State) (Request, error) {
	if err := checkText("reason", reason, true); err != nil {
		return Request{}, err
	}
	started := false
	r, err := s.change(ctx, id, from, func(r *Request, now time.Time) ([]event.Event, error) {
		if r.State == InProgress && !r.Kind.Reads() {
			return nil, conflict("the request is being carried out: half of it is done, and the rest must follow")
		}
		started = r.State == InProgress
		r.State, r.Closed, r.Words.Closed = as, now, reason
		return []event.Event{s.requestEvent(t, *r, map[string]string{"by": by})}, nil
	})
	if err == nil && started {
		s.takeBack(ctx, r)
	}
	return r, err
}

// cancelWithin bounds how long systems are told that a request was taken back.
const cancelWithin = 10 * time.Second

// takeBack tells the systems that work on a request for longer. One that does
// not hear it only works in vain.
func (s *Service) takeBack(ctx context.Context, r Request) {
	ctx, cancel := context.WithTimeout(connector.WithRequest(context.WithoutCancel(ctx), asked(r)), cancelWithin)
	defer cancel()
	for _, c := range s.systems() {
		patient, ok := c.(connector.Canceller)
		if !ok {
			continue
		}
		if err := patient.Cancel(ctx); err != nil {
			s.log.WarnContext(ctx, "a system could not be told that a request was taken back", "request", r.ID, "error", err)
		}
	}
}

// Start has a verified request carried out, or looks at once at one that waits
// for its next attempt. It does not wait for the end.
func (s *Service) Start(ctx context.Context, id, by string) (Request, error) {
	if err := s.o.Store.HurryRequest(ctx, id); err != nil {
		return Request{}, err
	}
	return s.change(ctx, id, []State{Verified, InProgress}, func(r *Request, now time.Time) ([]event.Event, error) {
		r.Next = time.UnixMilli(0)
		if r.State == InProgress {
			s.nudge()
			return nil, nil
		}
		r.State = InProgress
		for n, c := range s.systems() {
			r.Steps = append(r.Steps, store.RequestStep{Position: n, System: c.Name(), State: string(StepPending), Changed: now})
		}
		return []event.Event{s.requestEvent(event.SubjectRequestStep, *r, map[string]string{"by": by, "step": "started"})}, nil
	})
}

// Hurry has what waits for a system looked at now: it has said that something has
// changed.
func (s *Service) Hurry(ctx context.Context, system string) error {
	if err := s.o.Store.HurrySystem(ctx, system, string(StepPending)); err != nil {
		return err
	}
	s.nudge()
	return nil
}

// Attest records that a person has done by hand what a system cannot do, and how.
func (s *Service) Attest(ctx context.Context, id, system, by, note string) (Request, error) {
	if err := checkText("note", note, true); err != nil {
		return Request{}, err
	}
	r, err := s.Request(ctx, id)
	if err != nil {
		return r, err
	}
	n := slices.IndexFunc(r.Steps, func(p store.RequestStep) bool { return p.System == system })
	switch {
	case n < 0:
		return r, notFound("the request has no step in that system")
	case r.State != InProgress || r.Steps[n].State != string(StepFailed):
		return r, conflict("only what has failed can be done by hand")
	case system == s.o.Own.Name():
		return r, conflict("Gatehouse does its own part itself: see the error of the step")
	}
	step := r.Steps[n]
	step.State, step.Changed = string(StepAttested), s.now().UTC()
	step.Result = resultText(connector.Result{Note: "done by hand"})
	e := s.requestEvent(event.SubjectRequestStep, r, map[string]string{"system": system, "step": string(StepAttested), "by": by})
	if err := s.o.Store.AttestStep(ctx, id, step, e); err != nil {
		return r, told(err)
	}
	s.tell(e)
	return s.change(ctx, id, []State{InProgress}, func(r *Request, _ time.Time) ([]event.Event, error) {
		r.Words.Notes = append(r.Words.Notes, system+": "+note)
		return nil, nil
	})
}

// systems are all connectors in their order, Gatehouse last.
func (s *Service) systems() []connector.Connector {
	return append(slices.Clone(s.o.Connectors()), s.o.Own)
}
