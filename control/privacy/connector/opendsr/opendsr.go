package opendsr

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"gatehouse/control/privacy/connector"
	"gatehouse/control/privacy/datamap"
)

// Options of New. System and Key are needed.
type Options struct {
	System datamap.System
	// Key is a secret of at least 32 bytes; the ids of requests are made with it.
	Key []byte
	Now func() time.Time // nil means time.Now
	// Poll is the shortest time between two questions about one request; 0 means
	// a minute.
	Poll time.Duration
	Log  *slog.Logger // nil means slog.Default()
}

// Connector implements connector.Connector.
type Connector struct {
	system datamap.System
	key    []byte
	now    func() time.Time
	poll   time.Duration
	log    *slog.Logger
	api    *http.Client
	base   string
	roots  *x509.CertPool // nil: the system's

	mu    sync.Mutex
	route string // that has answered last
	known *known
}

var _ connector.Connector = (*Connector)(nil)

// New makes a connector; nothing is connected before the first call. The error
// is that of the file with trusted authorities.
func New(o Options) (*Connector, error) {
	if len(o.Key) < sha256.Size {
		return nil, fmt.Errorf("system %s: requests need a key of at least %d bytes", o.System.Name, sha256.Size)
	}
	key, err := hkdf.Key(sha256.New, o.Key, nil, "gatehouse/privacy/opendsr/v1/"+o.System.Name, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("system %s: derive a key: %w", o.System.Name, err)
	}
	c := &Connector{system: o.System, key: key, now: o.Now, poll: o.Poll, log: o.Log}
	if c.now == nil {
		c.now = time.Now
	}
	if c.poll <= 0 {
		c.poll = time.Minute
	}
	if c.log == nil {
		c.log = slog.Default()
	}
	return c, c.open()
}

// Name implements connector.Connector.
func (c *Connector) Name() string { return c.system.Name }

// Close gives idle connections back.
func (c *Connector) Close() error {
	c.api.CloseIdleConnections()
	return nil
}

func (c *Connector) mac(data []byte) []byte {
	mac := hmac.New(sha256.New, c.key)
	mac.Write(data)
	return mac.Sum(nil)
}

func (c *Connector) fail(format string, args ...any) error {
	return fmt.Errorf("system "+c.system.Name+": "+format, args...)
}

// kinds are the types of requests that rights become.
var kinds = map[connector.Kind]string{
	connector.Access: typeAccess, connector.Portability: typePortability, connector.Erasure: typeErasure,
	connector.Rectification: typeRectification, connector.Restriction: typeRestriction, connector.Objection: typeRestriction,
}

// can says whether the processor takes requests of a type: the standard's, as
// it says itself; extensions, as the data map says.
func (c *Connector) can(ctx context.Context, kind string) (bool, error) {
	if kind == typeRectification || kind == typeRestriction {
		return slices.Contains(c.system.Processor.Extensions, kind), nil
	}
	d, err := c.discover(ctx)
	if err != nil {
		return false, err
	}
	return slices.Contains(d.Types, kind), nil
}

func (c *Connector) demand(ctx context.Context, kind string) error {
	ok, err := c.can(ctx, kind)
	if err == nil && !ok {
		err = c.fail("the processor takes no requests of type %s: ask it yourself, and attest the step: %w", kind, connector.ErrUnsupported)
	}
	return err
}

// Plan implements connector.Connector. How much there is, only the processor
// knows.
func (c *Connector) Plan(ctx context.Context, p connector.Person, kind connector.Kind) (connector.Plan, error) {
	plan := connector.Plan{System: c.Name()}
	if _, err := c.identities(p); err != nil {
		return plan, err
	}
	if err := c.demand(ctx, kinds[kind]); err != nil {
		return plan, err
	}
	action := map[connector.Kind]connector.Action{
		connector.Erasure: connector.Delete, connector.Rectification: connector.Update,
		connector.Restriction: connector.Restrict, connector.Objection: connector.Restrict,
	}[kind]
	if action == "" {
		action = connector.Read
	}
	for _, name := range c.collections() {
		plan.Steps = append(plan.Steps, connector.Step{
			Collection: name, Action: action, Count: -1, Note: "asked of " + c.system.Processor.Domain + " within " + c.system.Processor.Deadline.String(),
		})
	}
	return plan, nil
}

// resultsName is the collection of what comes without a name.
const resultsName = "results"

func (c *Connector) collections() []string {
	names := make([]string, len(c.system.Collections))
	for i, known := range c.system.Collections {
		names[i] = known.Name
	}
	if len(names) == 0 {
		names = []string{resultsName}
	}
	return names
}

// Collect implements connector.Connector.
func (c *Connector) Collect(ctx context.Context, p connector.Person, fn func(connector.Record) error) error {
	r, err := c.request(ctx)
	if err != nil {
		return err
	}
	kind := typeAccess
	if r.Kind == connector.Portability {
		kind = typePortability
	}
	s, err := c.settle(ctx, p, r, kind, c.orderID(r.ID, kind), nil)
	if err != nil {
		return err
	}
	_, err = c.results(ctx, s, fn)
	return err
}

// Rectify implements connector.Connector. The processor is told of the fields
// that the data map says it has.
func (c *Connector) Rectify(ctx context.Context, p connector.Person, changes []connector.Change) (int64, error) {
	var theirs []connector.Change
	for _, change := range changes {
		if known, ok := c.system.Collection(change.Collection); ok {
			if _, ok := known.Field(change.Field); ok {
				theirs = append(theirs, change)
			}
		}
	}
	if len(theirs) == 0 {
		return 0, nil
	}
	r, err := c.request(ctx)
	if err != nil {
		return 0, err
	}
	text, err := json.Marshal(theirs)
	if err != nil {
		return 0, c.fail("write the corrections: %w", err)
	}
	_, err = c.settle(ctx, p, r, typeRectification, c.orderID(r.ID, typeRectification, string(text)), map[string]any{"changes": theirs})
	if err != nil {
		return 0, err
	}
	return int64(len(theirs)), nil
}

// Restrict implements connector.Connector.
func (c *Connector) Restrict(ctx context.Context, p connector.Person, on bool) error {
	r, err := c.request(ctx)
	if err != nil {
		return err
	}
	_, err = c.settle(ctx, p, r, typeRestriction, c.orderID(r.ID, typeRestriction, fmt.Sprint(on)), map[string]any{"restricted": on})
	return err
}

// request is what the call is for: without it a crash would make a second one.
func (c *Connector) request(ctx context.Context) (connector.Request, error) {
	r, ok := connector.RequestOf(ctx)
	if !ok {
		return r, c.fail("the call belongs to no request")
	}
	return r, nil
}

// pending says that the processor is at work.
func (c *Connector) pending(after time.Duration) error {
	return &connector.PendingError{System: c.Name(), After: max(after, c.poll)}
}

// settle sees to it that a request was made and is completed.
func (c *Connector) settle(ctx context.Context, p connector.Person, r connector.Request, kind, id string, extension map[string]any) (status, error) {
	s, err := c.status(ctx, id)
	if errors.Is(err, errUnknown) {
		s, err = c.order(ctx, p, r, kind, id, extension)
	}
	if err != nil {
		return s, err
	}
	switch s.Status {
	case statusCompleted:
		return s, nil
	case statusCancelled:
		return s, c.fail("the processor has cancelled the %s: ask it why, and attest the step when it is done", kind)
	case statusPending, statusInProgress:
	default:
		return s, c.fail("the processor says that the %s is %.40q, which is no status of the standard", kind, s.Status)
	}
	now := c.now()
	if end := c.system.Processor.Deadline.After(r.Received); now.After(end) {
		return s, c.fail("the processor has not done the %s within %s: remind it", kind, c.system.Processor.Deadline)
	}
	// Asked more often as the time comes nearer that the processor expects.
	return s, c.pending(min(s.Expected.Sub(now)/4, 6*time.Hour))
}

// order makes the request.
func (c *Connector) order(ctx context.Context, p connector.Person, r connector.Request, kind, id string, extension map[string]any) (s status, err error) {
	if err := c.demand(ctx, kind); err != nil {
		return s, err
	}
	who, err := c.identities(p)
	if err != nil {
		return s, err
	}
	o := order{
		Regulation: "gdpr", ID: id, Type: kind, Submitted: r.Received.UTC().Truncate(time.Second), Identities: who,
	}
	if d, err := c.discover(ctx); err == nil {
		o.Version = d.Version
	}
	if c.system.Processor.CallbackURL != "" {
		o.Callbacks = []string{c.system.Processor.CallbackURL}
	}
	if extension != nil {
		o.Extensions = map[string]any{c.system.Processor.Domain: extension}
	}
	body, err := json.Marshal(o)
	if err != nil {
		return s, c.fail("write the request: %w", err)
	}
	got, err := c.post(ctx, body)
	if err != nil {
		return s, err
	}
	if got.ID != id {
		return s, c.fail("the processor has confirmed another request than ours: ask its operator")
	}
	return status{ID: id, Status: statusPending, Expected: got.Expected}, nil
}

// Cancel takes a request back that only reads and is not yet done (section 9).
func (c *Connector) Cancel(ctx context.Context) error {
	r, err := c.request(ctx)
	if err != nil || !r.Kind.Reads() {
		return err
	}
	return c.remove(ctx, c.orderID(r.ID, kinds[r.Kind]))
}
