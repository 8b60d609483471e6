package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/authz/event"
)

// ErrNotFound says that what is asked for is not there.
var ErrNotFound = errors.New("not found")

// EventQuery narrows a search of the audit log; zero fields do not.
type EventQuery struct {
	Types                      []string
	Subject, Client, RequestID string
	From, To                   time.Time // From is included, To is not
	Text                       string    // anywhere in an event's readable fields
	Limit                      int
	Cursor                     string
}

// Events searches the audit log, the newest event first.
type Events interface {
	Search(ctx context.Context, q EventQuery) (found []event.Event, nextCursor string, err error)
	// Event is ErrNotFound if the log has none of that id.
	Event(ctx context.Context, id string) (event.Event, error)
}

// Verification says what was checked of one event, at the moment of the call.
type Verification struct {
	EventID   string    `json:"event_id"`
	CheckedAt time.Time `json:"checked_at"`
	// Signature and Inclusion are apart: a checkpoint may be signed well, and
	// the event not be under it.
	Signature bool   `json:"checkpoint_signature" doc:"The checkpoint is signed by the log's key."`
	Inclusion bool   `json:"inclusion" doc:"This very entry is in the tree of that checkpoint."`
	Origin    string `json:"origin,omitempty" doc:"Name of the log."`
	Index     uint64 `json:"index" doc:"Position of the entry, from 0."`
	Size      uint64 `json:"tree_size" doc:"Entries under the checkpoint."`
	Root      string `json:"root_hash,omitempty" doc:"Root hash of the checkpoint, base64."`
	// Reason tells, when one of the two is false, what is wrong.
	Reason string          `json:"reason,omitempty"`
	Proof  json.RawMessage `json:"proof,omitempty" doc:"For: gatehouse audit verify --proof."`
}

// Verifier checks one event against the log. ErrNotFound if the log has none of
// that id; a log that does not hold is no error but a Verification that says so.
type Verifier interface {
	Verify(ctx context.Context, eventID string) (Verification, error)
}

type eventsInput struct {
	Paging
	Types     []string  `query:"type" maxItems:"50" doc:"Only events of these types, separated by commas."`
	Subject   string    `query:"subject" maxLength:"128" doc:"Pseudonym of a person: u:..."`
	Client    string    `query:"client" maxLength:"128" doc:"Pseudonym of an address: c:..."`
	RequestID string    `query:"request_id" maxLength:"128"`
	From      time.Time `query:"from" doc:"RFC 3339; included."`
	To        time.Time `query:"to" doc:"RFC 3339; not included."`
	Text      string    `query:"q" maxLength:"200" doc:"Text anywhere in an event."`
	Verify    bool      `query:"verify" doc:"Check each event of the page against the signed log, too; of 50 at most."`
}

// EventPage is a page of events, with what was checked of each if that was
// asked for.
type EventPage struct {
	Page[event.Event]
	Verifications map[string]Verification `json:"verifications,omitempty" doc:"By event id; only with verify."`
}

type eventsOutput struct{ Body EventPage }

type eventOutput struct{ Body event.Event }

// maxVerified bounds the proofs that one call makes.
const maxVerified = 50

func registerEvents(a huma.API, events Events, v Verifier) {
	registerSearch(a, events, v)
	huma.Register(a, Roles(huma.Operation{
		OperationID: "get-event", Method: http.MethodGet, Path: "/v1/events/{id}", Tags: []string{"Events"}, Summary: "One event",
	}, Auditor, Operator, DPO), func(ctx context.Context, in *eventID) (*eventOutput, error) {
		e, err := events.Event(ctx, in.ID)
		if errors.Is(err, ErrNotFound) {
			return nil, noEvent()
		}
		return &eventOutput{readable(e)}, err
	})
}

type eventID struct {
	ID string `path:"id" maxLength:"64"`
}

func noEvent() *Problem { return NewProblem(http.StatusNotFound, "", "the log has no such event") }

func registerSearch(a huma.API, events Events, v Verifier) {
	huma.Register(a, Roles(huma.Operation{
		OperationID: "list-events", Method: http.MethodGet, Path: "/v1/events", Tags: []string{"Events"},
		Summary: "Search the audit log, the newest event first",
	}, Auditor, Operator, DPO), func(ctx context.Context, in *eventsInput) (*eventsOutput, error) {
		if !in.From.IsZero() && !in.To.IsZero() && !in.From.Before(in.To) {
			return nil, NewProblem(http.StatusUnprocessableEntity, "", "from must be before to")
		}
		if in.Verify && (v == nil || in.Limit > maxVerified) {
			return nil, NewProblem(http.StatusUnprocessableEntity, "", "verify: not served here, or of more than 50 events at once")
		}
		position, err := DecodeCursor(in.Cursor)
		if err != nil {
			return nil, err
		}
		found, next, err := events.Search(ctx, EventQuery{
			Types: in.Types, Subject: in.Subject, Client: in.Client, RequestID: in.RequestID,
			From: in.From, To: in.To, Text: in.Text, Limit: in.Limit, Cursor: position,
		})
		if err != nil {
			return nil, err
		}
		for i := range found {
			found[i] = readable(found[i])
		}
		out := &eventsOutput{EventPage{Page: NewPage(found, EncodeCursor(next))}}
		if in.Verify {
			out.Body.Verifications, err = verifyAll(ctx, v, found)
		}
		return out, err
	})
}

// verifyAll leaves out what the log does not have yet: it is being appended.
func verifyAll(ctx context.Context, v Verifier, events []event.Event) (map[string]Verification, error) {
	out := make(map[string]Verification, len(events))
	for _, e := range events {
		found, err := v.Verify(ctx, e.ID)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found.Proof = nil // of one event at a time
		out[e.ID] = found
	}
	return out, nil
}

// readable leaves out what nobody can read here.
func readable(e event.Event) event.Event {
	e.Sealed, e.Personal = "", nil
	return e
}

type verificationOutput struct{ Body Verification }

func registerVerification(a huma.API, v Verifier) {
	huma.Register(a, Roles(huma.Operation{
		OperationID: "verify-event", Method: http.MethodGet, Path: "/v1/events/{id}/verification", Tags: []string{"Events"},
		Summary: "Check an event against the signed log",
	}, Auditor, Operator, DPO), func(ctx context.Context, in *eventID) (*verificationOutput, error) {
		found, err := v.Verify(ctx, in.ID)
		if errors.Is(err, ErrNotFound) {
			return nil, noEvent()
		}
		if err != nil {
			return nil, err
		}
		return &verificationOutput{found}, nil
	})
}
