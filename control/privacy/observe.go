package privacy

import (
	"context"
	"errors"

	"gatehouse/authz/event"
	"gatehouse/control/store"
)

// signals bounds the objections that wait to be entered. What is beyond comes
// again with the browser's next request.
const signals = 256

// gpcRule is the rule by which authz refuses who objects by Sec-GPC: 1.
const gpcRule = "consent_gpc"

// signal is an objection that a browser made in passing.
type signal struct{ pseudonym, purpose string }

// Observe takes from new events what concerns the ledger: that authz has met
// somebody whose browser objects. It never waits.
func (s *Service) Observe(events []event.Event) {
	for _, e := range events {
		if e.Type != event.ConsentMissing || e.Rule != gpcRule || e.Subject == "" {
			continue
		}
		select {
		case s.signals <- signal{e.Subject, e.Detail["purpose"]}:
		default:
		}
	}
}

// enter enters what Observe took, until ctx ends.
func (s *Service) enter(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case in := <-s.signals:
			if err := s.objected(ctx, in); err != nil && ctx.Err() == nil {
				s.log.Error("an objection by Sec-GPC could not be entered into the ledger; the next request brings it again", "error", err)
			}
		}
	}
}

// objected withdraws what the person has given before. Of somebody who has never
// consented there is nothing to withdraw, and nothing is kept.
func (s *Service) objected(ctx context.Context, in signal) error {
	p, err := s.o.Store.SubjectByPseudonym(ctx, in.pseudonym)
	if errors.Is(err, store.ErrNoSubject) || err == nil && !p.Erased.IsZero() {
		return nil
	}
	if err != nil {
		return err
	}
	held, _, err := s.o.Store.Consents(ctx, store.ConsentQuery{SubjectID: p.ID, Purpose: in.purpose, Limit: 1})
	if err != nil || len(held) == 0 || held[0].State == store.ConsentWithdrawn {
		return err
	}
	_, err = s.Record(ctx, p, Entry{Purpose: in.purpose, State: store.ConsentWithdrawn, Channel: ChannelGPC, By: "authz"})
	return err
}
