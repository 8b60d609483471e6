package privacy

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"gatehouse/authz/event"
	"gatehouse/control/store"
)

// BreachState is how far the handling of a breach is.
type BreachState string

// The states.
const (
	BreachRecorded  BreachState = "recorded"
	BreachAssessed  BreachState = "assessed"
	BreachContained BreachState = "contained"
	BreachNotified  BreachState = "notified" // the authority knows (Art. 33)
	BreachClosed    BreachState = "closed"
)

// unnotified are the states in which the 72 hours run.
func unnotified() []string {
	return []string{string(BreachRecorded), string(BreachAssessed), string(BreachContained)}
}

// Risks to the rights and freedoms of people, as a person has assessed them.
const (
	RiskNone = "none" // unlikely: no notification (Art. 33(1))
	RiskSome = "risk" // notify the authority
	RiskHigh = "high" // and the persons (Art. 34(1))
)

// Facts are what is known of a breach (Art. 33(3), 33(5)). They name nobody.
type Facts struct {
	Title        string `json:"title,omitempty"`
	Nature       string `json:"nature,omitempty"`
	Categories   string `json:"categories,omitempty"` // of persons and records
	Persons      int64  `json:"persons,omitempty"`    // approximate
	Records      int64  `json:"records,omitempty"`    // approximate
	Consequences string `json:"consequences,omitempty"`
	Measures     string `json:"measures,omitempty"`
	Risk         string `json:"risk,omitempty"`
	Reason       string `json:"reason,omitempty"`    // for what is later than 72 hours (Art. 33(1))
	Exemption    string `json:"exemption,omitempty"` // why the persons need not be told (Art. 34(3))

	Contained         time.Time `json:"contained,omitzero"`
	AuthorityNotified time.Time `json:"authority_notified,omitzero"`
	Reference         string    `json:"reference,omitempty"` // the authority's number
	PersonsNotified   time.Time `json:"persons_notified,omitzero"`
}

// Breach is an entry of the register.
type Breach struct {
	store.Breach
	State BreachState
	Facts Facts
	Due   time.Time // 72 hours after awareness
}

// RecordBreach enters a breach; the clock runs from when somebody became aware.
func (s *Service) RecordBreach(ctx context.Context, by string, aware time.Time, facts Facts) (Breach, error) {
	now := s.now().UTC().Truncate(time.Second)
	if aware.IsZero() {
		aware = now
	}
	if aware.After(now) {
		return Breach{}, invalid("aware is in the future")
	}
	if err := errFirst(checkText("title", facts.Title, true), facts.check()); err != nil {
		return Breach{}, err
	}
	b := Breach{State: BreachRecorded, Facts: facts}
	b.Breach = store.Breach{ID: event.NewID(), Aware: aware.UTC(), Created: now, Changed: now}
	e := s.breachEvent(event.BreachRecorded, b, map[string]string{"by": by})
	e.Severity = event.Critical
	text, err := b.write()
	if err != nil {
		return Breach{}, err
	}
	if err := s.o.Store.AddBreach(ctx, b.Breach, store.BreachEntry{By: by, Changes: text, Time: now}, e); err != nil {
		return Breach{}, err
	}
	s.tell(e)
	return s.Breach(ctx, b.ID)
}

func errFirst(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (f Facts) check() error {
	for name, text := range map[string]string{
		"title": f.Title, "nature": f.Nature, "categories": f.Categories, "consequences": f.Consequences, "measures": f.Measures,
		"reason": f.Reason, "exemption": f.Exemption, "reference": f.Reference,
	} {
		if err := checkText(name, text, false); err != nil {
			return err
		}
	}
	if f.Persons < 0 || f.Records < 0 {
		return invalid("persons and records are approximate numbers, at least 0")
	}
	if f.Risk != "" && !slices.Contains([]string{RiskNone, RiskSome, RiskHigh}, f.Risk) {
		return invalid("risk is none, risk or high")
	}
	return nil
}

// write puts the breach into the form of the store.
func (b *Breach) write() (facts string, err error) {
	text, err := json.Marshal(b.Facts)
	if err != nil {
		return "", fmt.Errorf("write what is known of a breach: %w", err)
	}
	b.Breach.Facts, b.Breach.State = string(text), string(b.State)
	return string(text), nil
}

func readBreach(in store.Breach) (Breach, error) {
	b := Breach{Breach: in, State: BreachState(in.State), Due: in.Aware.Add(breachWithin)}
	if err := json.Unmarshal([]byte(in.Facts), &b.Facts); err != nil {
		return b, fmt.Errorf("read what is known of breach %s: %w", in.ID, err)
	}
	return b, nil
}

// Breach finds a breach with all that was written down.
func (s *Service) Breach(ctx context.Context, id string) (Breach, error) {
	in, err := s.o.Store.Breach(ctx, id)
	if err != nil {
		return Breach{}, told(err)
	}
	return readBreach(in)
}

// Breaches lists the register, the newest first; an empty state lists all.
func (s *Service) Breaches(ctx context.Context, state string, limit int, cursor string) ([]Breach, string, error) {
	found, next, err := s.o.Store.Breaches(ctx, state, limit, cursor)
	if err != nil {
		return nil, "", err
	}
	out := make([]Breach, len(found))
	for i := range found {
		if out[i], err = readBreach(found[i]); err != nil {
			return nil, "", err
		}
	}
	return out, next, nil
}

// BreachChange is what becomes known later; empty fields change nothing.
type BreachChange struct {
	State BreachState // assessed, contained or closed
	Aware time.Time
	Facts Facts
}

// UpdateBreach writes down what else is known, or a new state.
func (s *Service) UpdateBreach(ctx context.Context, id, by string, in BreachChange) (Breach, error) {
	if err := in.Facts.check(); err != nil {
		return Breach{}, err
	}
	return s.changeBreach(ctx, id, by, event.BreachUpdated, in, func(b *Breach, now time.Time) error {
		b.Facts.merge(in.Facts)
		if !in.Aware.IsZero() {
			if in.Aware.After(now) {
				return invalid("aware is in the future")
			}
			if in.Aware.After(b.Aware) {
				return conflict("aware can only become earlier: the 72 hours do not begin anew")
			}
			b.Aware = in.Aware.UTC()
		}
		return b.move(in.State, now)
	})
}

func (f *Facts) merge(in Facts) {
	for _, pair := range []struct{ to, from *string }{
		{&f.Title, &in.Title}, {&f.Nature, &in.Nature}, {&f.Categories, &in.Categories}, {&f.Consequences, &in.Consequences},
		{&f.Measures, &in.Measures}, {&f.Risk, &in.Risk}, {&f.Reason, &in.Reason}, {&f.Exemption, &in.Exemption},
	} {
		if *pair.from != "" {
			*pair.to = *pair.from
		}
	}
	if in.Persons != 0 {
		f.Persons = in.Persons
	}
	if in.Records != 0 {
		f.Records = in.Records
	}
}

// changeBreach has a breach changed, with an entry that says what, and an event
// that adorn may say more in.
func (s *Service) changeBreach(ctx context.Context, id, by string, t event.Type, what any,
	fn func(b *Breach, now time.Time) error, adorn ...func(*event.Event, Breach),
) (Breach, error) {
	b, err := s.Breach(ctx, id)
	if err != nil {
		return b, err
	}
	if b.State == BreachClosed {
		return b, conflict("the breach is closed")
	}
	now := s.now().UTC().Truncate(time.Second)
	if err := fn(&b, now); err != nil {
		return b, err
	}
	b.Changed = now
	if _, err := b.write(); err != nil {
		return b, err
	}
	changes, err := json.Marshal(what)
	if err != nil {
		return b, fmt.Errorf("write down what was changed: %w", err)
	}
	e := s.breachEvent(t, b, map[string]string{"by": by, "state": string(b.State), "risk": b.Facts.Risk})
	for _, say := range adorn {
		say(&e, b)
	}
	if err := s.o.Store.UpdateBreach(ctx, b.Breach, store.BreachEntry{By: by, Changes: string(changes), Time: now}, e); err != nil {
		return b, told(err)
	}
	s.tell(e)
	return s.Breach(ctx, id)
}

func (s *Service) breachEvent(t event.Type, b Breach, detail map[string]string) event.Event {
	all := map[string]string{"breach": b.ID}
	for name, value := range detail {
		if value != "" {
			all[name] = value
		}
	}
	e := s.event(t, "", all)
	e.Severity = event.Warning
	return e
}
