package privacy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"gatehouse/authz/event"
	"gatehouse/control/privacy/connector"
	"gatehouse/control/store"
)

// State of a request.
type State string

// The states. A request goes from the first towards one of the last three.
const (
	Received   State = "received"
	Verified   State = "verified" // the person is who they say
	InProgress State = "in_progress"
	Completed  State = "completed"
	Refused    State = "refused"   // Art. 12(5), 17(3)
	Cancelled  State = "cancelled" // the person has taken it back
)

// Closed says whether the clock has stopped.
func (s State) Closed() bool { return s == Completed || s == Refused || s == Cancelled }

func openStates() []string { return []string{string(Received), string(Verified), string(InProgress)} }

func closedStates() []string {
	return []string{string(Completed), string(Refused), string(Cancelled)}
}

// Request is a person's request, with what people wrote where it can be read.
type Request struct {
	store.SubjectRequest
	Kind  connector.Kind
	State State
	Terms Terms
	Words Words
	// WorkBy is the last day of work on or before Due.
	WorkBy time.Time
	// Shredded says that Words can be read no more: the person was erased.
	Shredded bool
}

// Terms say what is asked for. They name nobody.
type Terms struct {
	// Purposes of an objection; none: all that may be objected to.
	Purposes []string `json:"purposes,omitempty"`
	// Lift ends a restriction, or takes an objection back.
	Lift bool `json:"lift,omitempty"`
}

// Words are what people wrote; they are sealed under the person's key.
type Words struct {
	Reason   string             `json:"reason,omitempty"`  // what the person wrote
	Checked  string             `json:"checked,omitempty"` // how their identity was
	Extended string             `json:"extended,omitempty"`
	Closed   string             `json:"closed,omitempty"` // why refused or cancelled
	Changes  []connector.Change `json:"changes,omitempty"`
	Notes    []string           `json:"notes,omitempty"` // on what was done by hand
}

// Bounds of what people write.
const (
	maxText    = 4000 // bytes of one text
	maxChanges = 200
	maxChange  = 4000 // bytes of one value, as JSON
)

// Ask is a new request.
type Ask struct {
	Kind     connector.Kind
	Terms    Terms
	Reason   string
	Changes  []connector.Change
	Received time.Time // zero means now; a letter has arrived before
	By       string    // who records it: no person's name
	// Own says that the person themselves asks, in a session with a sign-in
	// recent enough: then there is nothing more to verify.
	Own bool
}

// Receive records a request; its clock runs from Received.
func (s *Service) Receive(ctx context.Context, p store.Subject, in Ask) (Request, error) {
	now := s.now().UTC().Truncate(time.Second)
	if in.Received.IsZero() {
		in.Received = now
	}
	if err := s.checkAsk(in, now); err != nil {
		return Request{}, err
	}
	r := Request{Kind: in.Kind, State: Received, Terms: in.Terms, Words: Words{Reason: in.Reason, Changes: in.Changes}}
	r.SubjectRequest = store.SubjectRequest{
		ID: event.NewID(), SubjectID: p.ID, Pseudonym: p.Pseudonym, CreatedBy: in.By,
		Received: in.Received.UTC(), Due: deadline(in.Received, firstMonths, s.o.Zone),
	}
	events := []event.Event{s.requestEvent(event.SubjectRequestReceived, r, map[string]string{"by": in.By})}
	if in.Own {
		r.State, r.Verified, r.VerifiedBy = Verified, now, bySession
		events = append(events, s.requestEvent(event.SubjectRequestVerified, r, map[string]string{"by": bySession}))
	}
	if err := s.write(ctx, &r); err != nil {
		return Request{}, err
	}
	if err := s.o.Store.AddRequest(ctx, r.SubjectRequest, events...); err != nil {
		return Request{}, told(err)
	}
	s.tell(events...)
	return s.Request(ctx, r.ID)
}

// bySession is how the person themselves is told in events.
const bySession = "session"

func (s *Service) checkAsk(in Ask, now time.Time) error {
	switch {
	case !in.Kind.Valid():
		return invalid("kind is one of %v", connector.Kinds())
	case in.Received.After(now):
		return invalid("received is in the future")
	case in.Received.Before(now.AddDate(-1, 0, 0)):
		return invalid("received is more than a year ago: is it a mistake?")
	case (in.Kind == connector.Rectification) != (len(in.Changes) > 0):
		return invalid("a rectification, and only that, names changes")
	case len(in.Changes) > maxChanges:
		return invalid("more than %d changes at once", maxChanges)
	case in.Terms.Lift && in.Kind != connector.Restriction && in.Kind != connector.Objection:
		return invalid("only a restriction or an objection can be lifted")
	case len(in.Terms.Purposes) > 0 && in.Kind != connector.Objection:
		return invalid("only an objection names purposes")
	case len(in.Terms.Purposes) > maxIdentities:
		return invalid("more than %d purposes at once", maxIdentities)
	}
	for _, purpose := range in.Terms.Purposes {
		if err := s.checkEntry(&Entry{Purpose: purpose, State: store.ConsentWithdrawn}); err != nil {
			return err
		}
	}
	for _, c := range in.Changes {
		text, err := json.Marshal(c.Value)
		if err != nil || len(text) > maxChange || c.Collection == "" || c.Field == "" || len(c.Collection) > maxID || len(c.Field) > maxID {
			return invalid("a change names collection and field, and a value of at most %d bytes", maxChange)
		}
	}
	return checkText("reason", in.Reason, false)
}

func checkText(what, text string, needed bool) error {
	switch {
	case needed && text == "":
		return invalid("%s is missing", what)
	case len(text) > maxText || !utf8.ValidString(text):
		return invalid("%s has at most %d bytes of text", what, maxText)
	}
	return nil
}

// write puts what the service works with into the form of the store.
func (s *Service) write(ctx context.Context, r *Request) error {
	r.SubjectRequest.Kind, r.SubjectRequest.State = string(r.Kind), string(r.State)
	terms, err := json.Marshal(r.Terms)
	if err != nil {
		return fmt.Errorf("write the terms of a request: %w", err)
	}
	r.SubjectRequest.Terms = string(terms)
	if r.Shredded {
		return nil // as it is: nothing is sealed under that key any more
	}
	words, err := json.Marshal(r.Words)
	if err != nil {
		return fmt.Errorf("write the words of a request: %w", err)
	}
	r.Sealed, err = s.o.Sealer.Seal(ctx, r.Pseudonym, map[string]string{"words": string(words)})
	if s.o.Shredded != nil && errors.Is(err, s.o.Shredded) {
		return told(store.ErrErased)
	}
	if err != nil {
		return fmt.Errorf("seal what belongs to a request: %w", err)
	}
	return nil
}

// read is the other direction.
func (s *Service) read(ctx context.Context, in store.SubjectRequest) (Request, error) {
	r := Request{SubjectRequest: in, Kind: connector.Kind(in.Kind), State: State(in.State), WorkBy: workBy(in.Due, s.o.Zone)}
	if err := json.Unmarshal([]byte(in.Terms), &r.Terms); err != nil {
		return r, fmt.Errorf("read the terms of request %s: %w", in.ID, err)
	}
	fields, err := s.o.Sealer.Open(ctx, in.Sealed, in.Pseudonym)
	if s.o.Shredded != nil && errors.Is(err, s.o.Shredded) {
		r.Shredded = true
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("read what belongs to request %s: %w", in.ID, err)
	}
	if err := json.Unmarshal([]byte(fields["words"]), &r.Words); err != nil {
		return r, fmt.Errorf("read what belongs to request %s: %w", in.ID, err)
	}
	return r, nil
}

// Request finds a request with its steps.
func (s *Service) Request(ctx context.Context, id string) (Request, error) {
	in, err := s.o.Store.Request(ctx, id)
	if err != nil {
		return Request{}, told(err)
	}
	return s.read(ctx, in)
}

// Requests lists requests, the newest first, without steps and words.
func (s *Service) Requests(ctx context.Context, q store.RequestQuery) ([]Request, string, error) {
	found, next, err := s.o.Store.Requests(ctx, q)
	if err != nil {
		return nil, "", err
	}
	out := make([]Request, len(found))
	for i, r := range found {
		out[i] = Request{SubjectRequest: r, Kind: connector.Kind(r.Kind), State: State(r.State), WorkBy: workBy(r.Due, s.o.Zone)}
	}
	return out, next, nil
}

// requestEvent tells what became of a request.
func (s *Service) requestEvent(t event.Type, r Request, detail map[string]string) event.Event {
	all := map[string]string{"request": r.ID, "kind": string(r.Kind)}
	for name, value := range detail {
		if value != "" {
			all[name] = value
		}
	}
	return s.event(t, r.Pseudonym, all)
}
