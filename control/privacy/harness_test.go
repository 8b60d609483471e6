package privacy

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"gatehouse/authz/consent"
	"gatehouse/authz/event"
	"gatehouse/authz/secret"
	"gatehouse/authz/session"
	"gatehouse/control/audit/seal"
	"gatehouse/control/internal/redistest"
	"gatehouse/control/privacy/connector"
	"gatehouse/control/privacy/own"
	"gatehouse/control/store"
	"gatehouse/control/store/storetest"
)

var pseudonymKey = bytes.Repeat([]byte{7}, 32)

// clock stands still until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func (c *clock) set(at time.Time) { c.move(at.Sub(c.now())) }

// recorder keeps events, or loses them when a test says so.
type recorder struct {
	mu     sync.Mutex
	events []event.Event
	lose   bool
	twice  bool // tell events that were sent twice as two
}

func (r *recorder) Append(e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.lose {
		r.events = append(r.events, e)
	}
}

func (r *recorder) types() (types []event.Type) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		types = append(types, e.Type)
	}
	return types
}

func (r *recorder) of(t event.Type) (found []event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		again := slices.ContainsFunc(found, func(f event.Event) bool { return f.ID == e.ID })
		if e.Type == t && (r.twice || !again) {
			found = append(found, e)
		}
	}
	return found
}

// system is a connector in memory. Each call may fail as often as a test says.
type system struct {
	name string

	mu         sync.Mutex
	rows       map[string][]connector.Record // by e-mail address
	restricted map[string]bool
	fail       []error           // of the next calls
	survives   int64             // rows that an erasure misses
	calls      []string          // in their order
	hook       func(what string) // called at each
}

func newSystem(name string) *system {
	return &system{name: name, rows: map[string][]connector.Record{}, restricted: map[string]bool{}}
}

func (y *system) Name() string { return y.name }

func (y *system) begin(what string) error {
	if y.hook != nil {
		y.hook(y.name + " " + what)
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	y.calls = append(y.calls, what)
	if len(y.fail) == 0 {
		return nil
	}
	err := y.fail[0]
	y.fail = y.fail[1:]
	return err
}

func key(p connector.Person) string {
	if mails := p.Of(connector.Email); len(mails) > 0 {
		return mails[0]
	}
	return ""
}

func (y *system) Plan(_ context.Context, p connector.Person, kind connector.Kind) (connector.Plan, error) {
	err := y.begin("plan")
	return connector.Plan{Steps: []connector.Step{{Collection: "rows", Action: connector.Delete, Count: int64(len(y.rows[key(p)])), Note: string(kind)}}}, err
}

func (y *system) Collect(_ context.Context, p connector.Person, fn func(connector.Record) error) error {
	if err := y.begin("collect"); err != nil {
		return err
	}
	for _, r := range y.rows[key(p)] {
		if err := fn(r); err != nil {
			return err
		}
	}
	return nil
}

func (y *system) Rectify(_ context.Context, p connector.Person, changes []connector.Change) (n int64, err error) {
	if err := y.begin("rectify"); err != nil {
		return 0, err
	}
	for _, c := range changes {
		for _, r := range y.rows[key(p)] {
			if r.Collection == c.Collection {
				r.Fields[c.Field] = c.Value
				n++
			}
		}
	}
	return n, nil
}

func (y *system) Erase(_ context.Context, p connector.Person) (connector.Result, error) {
	if err := y.begin("erase"); err != nil {
		return connector.Result{}, err
	}
	n := int64(len(y.rows[key(p)]))
	delete(y.rows, key(p))
	return connector.Result{Deleted: n}, nil
}

func (y *system) Restrict(_ context.Context, p connector.Person, on bool) error {
	if err := y.begin("restrict"); err != nil {
		return err
	}
	y.restricted[key(p)] = on
	return nil
}

func (y *system) Verify(_ context.Context, p connector.Person) (int64, error) {
	if err := y.begin("verify"); err != nil {
		return 0, err
	}
	return int64(len(y.rows[key(p)])) + y.survives, nil
}

// fixture is a Service with all real parts but the other systems and the log.
type fixture struct {
	*Service
	t      *testing.T
	clock  *clock
	events *recorder
	shop   *system
	crm    *system
	redis  *redistest.Server
	copy   *consent.Consents
	keys   *seal.Keyring
	mailer *session.Manager
}

var start = time.Date(2026, 3, 10, 9, 0, 0, 0, time.UTC)

// each runs fn on both kinds of store.
func each(t *testing.T, fn func(f *fixture)) {
	t.Helper()
	storetest.EachURL(t, func(t *testing.T, url string) {
		t.Parallel()
		fn(newFixture(t, url, nil))
	})
}

func newFixture(t *testing.T, url string, change func(*Options)) *fixture {
	t.Helper()
	f := &fixture{t: t, clock: &clock{at: start}, events: &recorder{}, shop: newSystem("shop"), crm: newSystem("crm"), redis: redistest.Start(t)}
	s, err := store.Open(t.Context(), store.Options{URL: url, Now: f.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	master, err := seal.ParseMaster(secret.New(hex.AppendEncode(nil, bytes.Repeat([]byte{1}, 32))))
	if err != nil {
		t.Fatal(err)
	}
	f.keys, err = seal.New(t.Context(), seal.Options{Store: s, Master: master, Now: f.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	names, err := event.NewPseudonymizer(pseudonymKey)
	if err != nil {
		t.Fatal(err)
	}
	client := f.redis.Client()
	f.copy, f.mailer = consent.New(client), session.New(client, f.clock.now, rand.Reader)
	o := Options{
		Store: s, Sealer: f.keys, Shredded: seal.ErrShredded, Pseudonyms: names, Key: pseudonymKey, Events: f.events, Copy: f.copy,
		Connectors: func() []connector.Connector { return []connector.Connector{f.shop, f.crm} },
		Own:        own.New(own.Options{Store: s, Sessions: f.mailer, Copy: f.copy, Keys: f.keys, Redis: client, Pseudonyms: names}),
		Logger:     slog.New(slog.DiscardHandler), Now: f.clock.now,
	}
	if change != nil {
		change(&o)
	}
	f.Service, err = New(o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// user is a Gatehouse user who has signed in.
func (f *fixture) user(name string) (id, token string) {
	f.t.Helper()
	u, err := f.o.Store.AddUser(f.t.Context(), name, "$argon2id$x", nil)
	if err != nil {
		f.t.Fatal(err)
	}
	token, _, err = f.mailer.Create(f.t.Context(), session.User{ID: u.ID, Name: name}, session.Grant{Idle: time.Hour, Absolute: 8 * time.Hour})
	if err != nil {
		f.t.Fatal(err)
	}
	return u.ID, token
}

// person is one whom the other systems know by an address.
func (f *fixture) person(mail string) store.Subject {
	f.t.Helper()
	p, err := f.Enter(f.t.Context(), Who{Identities: []connector.Identity{{Type: connector.Email, Value: mail}}})
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

// verified is a verified request.
func (f *fixture) verified(p store.Subject, in Ask) Request {
	f.t.Helper()
	r, err := f.Receive(f.t.Context(), p, in)
	if err == nil {
		r, err = f.Verify(f.t.Context(), r.ID, "operator", "passport")
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

func (f *fixture) work() {
	f.t.Helper()
	if _, err := f.Work(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) request(id string) Request {
	f.t.Helper()
	r, err := f.Request(f.t.Context(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

func (f *fixture) started(p store.Subject, in Ask) Request {
	f.t.Helper()
	r := f.verified(p, in)
	if _, err := f.Start(f.t.Context(), r.ID, "dpo"); err != nil {
		f.t.Fatal(err)
	}
	return r
}

func (f *fixture) given(userID, purpose string) bool {
	f.t.Helper()
	given, err := f.copy.Given(f.t.Context(), userID, purpose)
	if err != nil {
		f.t.Fatal(err)
	}
	return given
}

func is(err error, kind ErrorKind) bool {
	var known *Error
	return errors.As(err, &known) && known.Kind == kind
}

func states(r Request) (out []string) {
	for _, p := range r.Steps {
		out = append(out, p.System+" "+p.State)
	}
	return out
}

func rowsOf(n int, collection string) (rows []connector.Record) {
	for i := range n {
		rows = append(rows, connector.Record{System: "shop", Collection: collection, Key: string(rune('a' + i)), Fields: map[string]any{"name": "Ann"}})
	}
	return rows
}

var noDemand session.Demand
