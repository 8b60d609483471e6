package privacy

import (
	"context"
	"fmt"
	"time"

	"gatehouse/authz/event"
	"gatehouse/control/privacy/connector"
	"gatehouse/control/store"
)

// finish closes a request of which every step is settled.
func (s *Service) finish(ctx context.Context, r Request) error {
	if r.Kind == connector.Objection {
		if err := s.object(ctx, r); err != nil {
			return err
		}
	}
	now := s.now().UTC().Truncate(time.Second)
	late := ""
	if now.After(r.Due) {
		late = "true"
	}
	events := []event.Event{s.requestEvent(event.SubjectRequestCompleted, r, map[string]string{"late": late})}
	if r.Kind == connector.Erasure {
		events = append([]event.Event{s.requestEvent(event.SubjectErased, r, nil)}, events...)
		r.Shredded = true
	}
	r.State, r.Closed = Completed, now
	if err := s.write(ctx, &r); err != nil {
		return err
	}
	if err := s.o.Store.UpdateRequest(ctx, r.SubjectRequest, events...); err != nil {
		return err
	}
	s.tell(events...)
	if r.Kind == connector.Erasure {
		return s.overtakeAll(ctx, r)
	}
	return nil
}

// object enters an objection into the ledger of consents, where authz enforces it.
func (s *Service) object(ctx context.Context, r Request) error {
	if r.Terms.Lift {
		return nil // consent is given anew, by the person
	}
	p, err := s.o.Store.Subject(ctx, r.SubjectID)
	if err != nil {
		return err
	}
	names := r.Terms.Purposes
	if len(names) == 0 {
		if names, err = s.objectionable(ctx, p); err != nil {
			return err
		}
	}
	for _, purpose := range names {
		held, _, err := s.o.Store.Consents(ctx, store.ConsentQuery{SubjectID: p.ID, Purpose: purpose, Limit: 1})
		if err != nil {
			return err
		}
		if len(held) == 1 && held[0].State == store.ConsentWithdrawn {
			continue // also: done before an interruption
		}
		if _, err := s.Record(ctx, p, Entry{Purpose: purpose, State: store.ConsentWithdrawn, Channel: ChannelObjection, By: "request " + r.ID}); err != nil {
			return err
		}
	}
	return nil
}

// objectionable are the purposes that the person has consented to by now.
func (s *Service) objectionable(ctx context.Context, p store.Subject) (names []string, err error) {
	held, _, err := s.o.Store.Consents(ctx, store.ConsentQuery{SubjectID: p.ID, Limit: copyPage})
	for _, c := range held {
		names = append(names, c.Purpose)
	}
	return names, err
}

// overtakeAll ends what else the erased person has asked for.
func (s *Service) overtakeAll(ctx context.Context, erasure Request) error {
	ids, err := s.o.Store.OpenSubjectsRequests(ctx, erasure.SubjectID, erasure.ID, closedStates())
	if err != nil {
		return err
	}
	for _, id := range ids {
		r, err := s.Request(ctx, id)
		if err == nil {
			err = s.overtaken(ctx, r)
		}
		if err != nil {
			return fmt.Errorf("end request %s of the erased person: %w", id, err)
		}
	}
	return nil
}

// overtaken ends a request of somebody who was erased meanwhile.
func (s *Service) overtaken(ctx context.Context, r Request) error {
	r.State, r.Closed, r.Shredded = Cancelled, s.now().UTC().Truncate(time.Second), true
	if err := s.write(ctx, &r); err != nil {
		return err
	}
	e := s.requestEvent(event.SubjectRequestCancelled, r, nil)
	e.Reason = "the person's data was erased"
	if err := s.o.Store.UpdateRequest(ctx, r.SubjectRequest, e); err != nil {
		return err
	}
	s.tell(e)
	return nil
}
