package privacy

import (
	"context"
	"time"

	"gatehouse/authz/event"
)

// move goes to a later state, if what it stands for is written down.
func (b *Breach) move(to BreachState, now time.Time) error {
	f := &b.Facts
	switch to {
	case "":
		return nil
	case BreachAssessed:
		if f.Risk == "" {
			return invalid("risk is missing: assess it as none, risk or high")
		}
		if b.State == BreachRecorded {
			b.State = BreachAssessed
		}
		return nil
	case BreachContained:
		if f.Contained.IsZero() {
			f.Contained = now
		}
		if b.State == BreachRecorded || b.State == BreachAssessed {
			b.State = BreachContained
		}
		return nil
	case BreachClosed:
		return b.close()
	}
	return invalid("state is assessed, contained or closed; notify says that somebody was told")
}

func (b *Breach) close() error {
	f := b.Facts
	switch {
	case f.Risk == "":
		return conflict("the risk was not assessed")
	case f.Contained.IsZero():
		return conflict("the breach was not contained")
	case f.Risk == RiskNone && f.Consequences == "":
		return conflict("write down under consequences why there is no risk (Art. 33(5))")
	case f.Risk != RiskNone && f.AuthorityNotified.IsZero():
		return conflict("the authority was not notified (Art. 33(1))")
	case f.Risk == RiskHigh && f.PersonsNotified.IsZero() && f.Exemption == "":
		return conflict("the persons were not notified, and no exemption says why not (Art. 34(3))")
	}
	b.State = BreachClosed
	return nil
}

// Notice says that somebody was told of a breach.
type Notice struct {
	Whom      string    // "authority" or "persons"
	Time      time.Time // zero means now
	Reference string    // the authority's number
	Reason    string    // why later than 72 hours
}

// Notify records a notification. One to the authority after more than 72 hours
// says why (Art. 33(1)); a later one is further information (Art. 33(4)).
func (s *Service) Notify(ctx context.Context, id, by string, in Notice) (Breach, error) {
	if err := errFirst(checkText("reference", in.Reference, false), checkText("reason", in.Reason, false)); err != nil {
		return Breach{}, err
	}
	return s.changeBreach(ctx, id, by, event.BreachNotified, in, func(b *Breach, now time.Time) error {
		if in.Time.IsZero() {
			in.Time = now
		}
		in.Time = in.Time.UTC()
		switch {
		case in.Time.After(now) || in.Time.Before(b.Aware):
			return invalid("time is in the future, or before anybody was aware")
		case in.Whom == "persons" && b.Facts.PersonsNotified.IsZero():
			b.Facts.PersonsNotified = in.Time
		case in.Whom == "persons":
		case in.Whom != "authority":
			return invalid("whom is authority or persons")
		default:
			return b.notified(in)
		}
		return nil
	}, func(e *event.Event, _ Breach) { e.Detail["whom"] = in.Whom })
}

func (b *Breach) notified(in Notice) error {
	f := &b.Facts
	if in.Reason != "" {
		f.Reason = in.Reason
	}
	if in.Reference != "" {
		f.Reference = in.Reference
	}
	if !f.AuthorityNotified.IsZero() {
		return nil
	}
	if in.Time.After(b.Due) && f.Reason == "" {
		return invalid("reason is missing: the authority is told why it hears later than 72 hours after awareness (Art. 33(1))")
	}
	f.AuthorityNotified, b.State = in.Time, BreachNotified
	return nil
}
