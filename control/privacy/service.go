package privacy

import (
	"cmp"
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"gatehouse/authz/consent"
	"gatehouse/authz/event"
	"gatehouse/control/privacy/connector"
	"gatehouse/control/privacy/datamap"
	"gatehouse/control/store"
)

// Sealer keeps texts readable only under the key of the person they are about;
// *seal.Keyring does. Open's error is Shredded once that key was destroyed.
type Sealer interface {
	Seal(ctx context.Context, pseudonym string, fields map[string]string) (string, error)
	Open(ctx context.Context, text, pseudonym string) (map[string]string, error)
}

// Recorder takes events; *event.Writer does.
type Recorder interface{ Append(event.Event) }

// Log knows what the audit log has.
type Log interface {
	// Has says whether the log has the event.
	Has(ctx context.Context, eventID string) (bool, error)
	// Proof is the event's inclusion proof with a signed checkpoint, as text that
	// `gatehouse audit verify --proof` takes. ErrNotLogged if the log does not have
	// it yet.
	Proof(ctx context.Context, eventID string) (string, error)
}

// ErrNotLogged says that the audit log does not have an event yet.
var ErrNotLogged = errors.New("the audit log does not have the event yet")

// Copy is the copy of the consents that hold, for authz; *consent.Consents is.
type Copy interface {
	Mark(ctx context.Context) (seq int64, ok bool, err error)
	Put(ctx context.Context, entries []consent.Entry) error
	SetMark(ctx context.Context, seq int64) error
	Clear(ctx context.Context) error
}

// Archiver writes the answer to an access or portability request as one file.
// It reads the records as they come, and holds little at a time.
type Archiver interface {
	ContentType() string
	// Extension of the file's name: ".zip".
	Extension() string
	Write(ctx context.Context, w io.Writer, r Request, records func(fn func(connector.Record) error) error) error
}

// Options of New. Store, Sealer, Pseudonyms, Key, Events and Own are needed.
type Options struct {
	Store      *store.Store
	Sealer     Sealer
	Shredded   error // what Sealer.Open's error is once the key is gone
	Pseudonyms *event.Pseudonymizer
	// Key is the pseudonym key: identities are found by hashes that are made with
	// a key derived from it.
	Key    []byte
	Events Recorder
	Log    Log  // nil: an event counts as logged once it was appended
	Copy   Copy // nil: nobody enforces consent

	// Connectors are the other systems, in the order in which they are asked. Own
	// is Gatehouse itself, which comes last.
	Connectors func() []connector.Connector
	Own        connector.Connector

	// Map is the data map now; without purposes in it, any may be consented to,
	// and without systems in it, all that a person asks to take along is given.
	Map     func() datamap.Map
	Archive Archiver // nil: JSON lines

	Zone   *time.Location // whose days are counted; nil means UTC
	Logger *slog.Logger
	Now    func() time.Time // nil means time.Now
	// Instance tells this worker from others.
	Instance string
	Timing   Timing
}

// Timing is how long things take; zero fields have a default.
type Timing struct {
	Tick     time.Duration // between looks at what there is to do: 5 s
	Lease    time.Duration // a worker that died holds its request so long: 1 min
	Retry    time.Duration // after the first failure of a step: 5 s, then doubled
	MaxRetry time.Duration // 15 min
	StepFor  time.Duration // the longest that a step may take: 30 min
}

// Service is the room. It is safe for concurrent use.
type Service struct {
	o    Options
	key  []byte // of identities' hashes
	log  *slog.Logger
	now  func() time.Time
	wake chan struct{}
	// signals are objections that wait to be entered.
	signals chan signal
}

// New makes a Service; Run does its work.
func New(o Options) (*Service, error) {
	if o.Store == nil || o.Sealer == nil || o.Pseudonyms == nil || o.Events == nil || o.Own == nil {
		return nil, errors.New("people's rights need a store, the keys of subjects, a pseudonym key and events")
	}
	key, err := hkdf.Key(sha256.New, o.Key, nil, "gatehouse/privacy/identity/v1", sha256.Size)
	if err != nil || len(o.Key) < event.MinPseudonymKey {
		return nil, errors.Join(fmt.Errorf("people's identities need a pseudonym key of at least %d bytes", event.MinPseudonymKey), err)
	}
	o.fill()
	return &Service{o: o, key: key, log: o.Logger, now: o.Now, wake: make(chan struct{}, 1), signals: make(chan signal, signals)}, nil
}

func (o *Options) fill() {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Connectors == nil {
		o.Connectors = func() []connector.Connector { return nil }
	}
	if o.Map == nil {
		o.Map = func() datamap.Map { return datamap.Map{} }
	}
	if o.Archive == nil {
		o.Archive = jsonLines{}
	}
	o.Instance = cmp.Or(o.Instance, event.NewID())
	t := &o.Timing
	t.Tick, t.Lease = cmp.Or(t.Tick, 5*time.Second), cmp.Or(t.Lease, time.Minute)
	t.Retry, t.MaxRetry = cmp.Or(t.Retry, 5*time.Second), cmp.Or(t.MaxRetry, 15*time.Minute)
	t.StepFor = cmp.Or(t.StepFor, 30*time.Minute)
}

// event is one about a person, or about nobody.
func (s *Service) event(t event.Type, pseudonym string, detail map[string]string) event.Event {
	now := s.now().UTC()
	return event.Event{
		ID: event.NewID(), Time: now, Type: t, Severity: event.Info, Outcome: event.Success,
		Subject: pseudonym, Feature: "privacy", Detail: detail,
	}
}

// tell hands over events that the store keeps already; those that get lost on
// the way are sent again.
func (s *Service) tell(events ...event.Event) {
	for _, e := range events {
		s.o.Events.Append(e)
	}
	s.nudge()
}

// nudge makes Run look soon.
func (s *Service) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Error is one that may be told to whoever asked. Kind is for programs.
type Error struct {
	Kind ErrorKind
	Text string
}

// ErrorKind is what went wrong.
type ErrorKind int

// The kinds.
const (
	NotFound ErrorKind = iota + 1
	Invalid            // what was asked for makes no sense
	Conflict           // not in this state
	Denied             // not by this caller
)

// Error implements error.
func (e *Error) Error() string { return e.Text }

func notFound(text string) error               { return &Error{NotFound, text} }
func invalid(format string, args ...any) error { return &Error{Invalid, fmt.Sprintf(format, args...)} }
func conflict(format string, args ...any) error {
	return &Error{Conflict, fmt.Sprintf(format, args...)}
}
func refused(format string, args ...any) error { return &Error{Denied, fmt.Sprintf(format, args...)} }
