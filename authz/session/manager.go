package session

import (
	"context"
	_ "embed" // for the scripts
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

var (
	//go:embed common.lua
	commonSource string
	//go:embed create.lua
	createSource string
	//go:embed live.lua
	liveSource string
	//go:embed lookup.lua
	lookupSource string
	//go:embed revoke.lua
	revokeSource string
	//go:embed revoke_all.lua
	revokeAllSource string
	//go:embed rotate.lua
	rotateSource string
	//go:embed set_roles.lua
	setRolesSource string
	//go:embed announce.lua
	announceSource string
)

const (
	// memory is for how long an ended session is remembered.
	memory = 10 * time.Minute
	// DefaultGrace is for how long a replaced token stays good: requests that
	// were sent before the answer with the new one arrive within it.
	DefaultGrace = 10 * time.Second
	// MaxGrace bounds a grace.
	MaxGrace = 5 * time.Minute
)

// Durability says when a new session or a revocation counts as written: when so
// many replicas of Redis have confirmed it (WAIT). With 0 the primary's word is
// enough, and what it had not yet sent on is lost with it.
type Durability struct {
	Replicas int
	Within   time.Duration // 0 means 100 ms
}

const (
	defaultConfirmation = 100 * time.Millisecond
	// MaxReplicas bounds Durability.
	MaxReplicas = 5
)

// Rules hold for all sessions of a Manager and may change while it runs.
type Rules struct {
	Durability Durability
	// Cap is for grants without one of their own.
	Cap Cap
	// Bind is for grants that say nothing.
	Bind Binding
	// Note is for how long further uses of a session go unwritten, at most a
	// twentieth of its idle time: so much earlier it may end as idle. 0 means a
	// second. It must be far less than any Demand's MaxIdle.
	Note time.Duration
}

// Settings are what New may be told beyond what it needs; the zero value keeps
// no cache.
type Settings struct {
	// Rules is asked at each write; nil: none.
	Rules func() Rules
	// CacheSize bounds the local cache in sessions; 0 keeps none. The cache is
	// used while Run hears of revocations.
	CacheSize int
	// Registerer takes the metrics; nil: nobody does.
	Registerer prometheus.Registerer
	Log        *slog.Logger // nil means slog.Default()
}

// Manager creates, finds and ends sessions. It is safe for concurrent use.
type Manager struct {
	redis    redis.UniversalClient
	now      func() time.Time
	random   io.Reader
	rules    func() Rules
	log      *slog.Logger
	counts   *counts
	cache    *cache
	revoked  *revocations
	announce *redis.Script

	create, lookup, revoke, revokeAll, rotate, setRoles *redis.Script
}

// New returns a Manager on client. In production now is time.Now, whose
// difference between replicas must stay well under the idle limits, and random
// is crypto/rand.Reader.
func New(client redis.UniversalClient, now func() time.Time, random io.Reader) *Manager {
	return NewWith(client, now, random, Settings{})
}

// NewWith is New with settings.
func NewWith(client redis.UniversalClient, now func() time.Time, random io.Reader, s Settings) *Manager {
	script := func(source string) *redis.Script { return redis.NewScript(commonSource + source) }
	m := &Manager{
		redis: client, now: now, random: random, rules: s.Rules, log: s.Log,
		announce: redis.NewScript(announceSource),
		create:   script(createSource), lookup: redis.NewScript(LookupSource()), revoke: script(revokeSource),
		revokeAll: script(revokeAllSource), rotate: script(rotateSource), setRoles: script(setRolesSource),
	}
	if m.log == nil {
		m.log = slog.Default()
	}
	if m.rules == nil {
		m.rules = func() Rules { return Rules{} }
	}
	m.cache = newCache(s.CacheSize)
	m.counts = newCounts(s.Registerer, m.cache.len)
	m.revoked = newRevocations(client, m.cache, m.counts)
	return m
}

// Opened is a new session.
type Opened struct {
	Token   string // exists nowhere but here
	Session Session
	// CrowdedOut are the ids of the user's sessions that had to make room.
	CrowdedOut []string
}

// Create starts a session with a new token, which exists nowhere but in the
// answer. The error is ErrGrant, ErrFull or ErrUnavailable.
func (m *Manager) Create(ctx context.Context, user User, grant Grant) (string, Session, error) {
	opened, err := m.Open(ctx, user, grant)
	return opened.Token, opened.Session, err
}

// Open is Create, and tells which sessions had to make room.
func (m *Manager) Open(ctx context.Context, user User, grant Grant) (Opened, error) {
	rules := m.rules()
	if grant.Cap == (Cap{}) {
		grant.Cap = rules.Cap
	}
	if grant.Bind == BindNone {
		grant.Bind = rules.Bind
	}
	if err := grant.validate(user); err != nil {
		return Opened{}, err
	}
	token, at, err := m.draw(Handle(user.ID))
	if err != nil {
		return Opened{}, err
	}
	// Read anew: a session that is born before a revocation of all must not
	// survive it.
	known, err := m.revoked.reload(ctx)
	if err != nil {
		return Opened{}, unavailable("read the revocations", err)
	}
	r := m.start(grant, known.seq)
	answer, err := m.write(ctx, m.create, at.key(), m.createArgs(at, r, user, grant, known)...)
	if err != nil {
		m.abandon(ctx, at)
		return Opened{}, unavailable("create a session", err)
	}
	switch {
	case len(answer) > 0 && answer[0] == "full":
		return Opened{}, ErrFull
	case len(answer) == 0 || answer[0] != "created":
		return Opened{}, fmt.Errorf("%w: Redis would not store the session: %.40q", ErrUnavailable, answer)
	}
	out := Opened{Token: token}
	for _, id := range answer[1:] {
		out.CrowdedOut = append(out.CrowdedOut, public(id))
	}
	if len(out.CrowdedOut) > 0 {
		m.tell(ctx, at.handle)
	}
	f, err := read([]string{at.id, r.encode(), user.ID, user.Name, user.Tenant, grant.Device + "\n" + grant.Network})
	out.Session = f.Session
	return out, err
}

func (m *Manager) draw(handle string) (string, ref, error) {
	token, err := newToken(m.random, handle)
	if err != nil {
		return "", ref{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	at, err := refOf(token)
	return token, at, err
}

func (m *Manager) start(grant Grant, born int64) record {
	now := m.now().UnixMilli()
	r := record{
		created: now, seen: now, absolute: now + grant.Absolute.Milliseconds(), idle: grant.Idle.Milliseconds(),
		auth: now, born: born, bound: bind(grant.Bind, grant.Client), rights: pack(grant.AMR, grant.Roles, grant.Scopes),
	}
	if !grant.AuthTime.IsZero() {
		r.auth = grant.AuthTime.UnixMilli()
	}
	if r.bound != "" {
		r.flags = flagBound
	}
	return r
}

func (m *Manager) createArgs(at ref, r record, user User, grant Grant, known *generations) []any {
	limit := grant.Cap.Sessions
	if limit == 0 {
		limit = DefaultCap
	}
	device := grant.Device
	if grant.Network != "" {
		device += "\n" + grant.Network
	}
	return []any{
		r.created, known.floor(user.Tenant), at.id, r.encode(), device, user.ID, user.Name, user.Tenant,
		limit, grant.Cap.overflow(), memory.Milliseconds(),
	}
}

// abandon ends, as well as it can, a session that may have been stored and whose
// token nobody has.
func (m *Manager) abandon(ctx context.Context, at ref) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellWithin)
	defer cancel()
	_ = m.revoke.Run(ctx, m.redis, []string{at.key()}, m.now().UnixMilli(), 0, at.id).Err()
}

func unavailable(what string, err error) error {
	return fmt.Errorf("%w: %s: %w", ErrUnavailable, what, err)
}
