package session

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// ErrInvalid is in the chain of every error that says: this token gives no
// valid session. The ones below say why; that is for the log, never for the
// client.
var ErrInvalid = errors.New("no valid session")

// Why a token gives no valid session. ErrExpired is in the chain of the four
// that have to do with time. ErrReplaced is worth a report: after the grace, only
// who copied a token still uses it, or a client that kept the old one.
var (
	ErrMalformed       = fmt.Errorf("%w: the token is malformed", ErrInvalid)
	ErrNone            = fmt.Errorf("%w: unknown, or ended long ago", ErrInvalid)
	ErrOutdated        = fmt.Errorf("%w: the token is of version 1, whose sessions ended with the update", ErrNone)
	ErrRevoked         = fmt.Errorf("%w: revoked", ErrInvalid)
	ErrCrowdedOut      = fmt.Errorf("%w to make room for a newer session of the user", ErrRevoked)
	ErrBound           = fmt.Errorf("%w: bound to another client", ErrInvalid)
	ErrDemandCap       = fmt.Errorf("%w: the user has more sessions than this policy admits", ErrInvalid)
	ErrExpired         = fmt.Errorf("%w: expired", ErrInvalid)
	ErrExpiredIdle     = fmt.Errorf("%w, unused for longer than its idle limit", ErrExpired)
	ErrExpiredAbsolute = fmt.Errorf("%w, older than its absolute limit", ErrExpired)
	ErrReplaced        = fmt.Errorf("%w: replaced by a newer token, and used after the grace", ErrInvalid)
	ErrDemandIdle      = fmt.Errorf("%w for this policy, unused for longer than it allows", ErrExpired)
	ErrDemandAge       = fmt.Errorf("%w for this policy, older than it allows", ErrExpired)
)

// ErrUnavailable is in the chain of every error that says that Redis could not
// be asked, or not in time.
var ErrUnavailable = errors.New("sessions cannot be looked up")

// ErrFull is in the chain of the error of a sign-in beyond the user's cap where the
// cap refuses.
var ErrFull = errors.New("the user has as many sessions as are allowed: sign out elsewhere first")

// ErrNotDurable is beside ErrUnavailable in the chain of an error that says that
// fewer replicas confirmed a write than were asked to. A session that was to be
// created does not count as created; what was to end has ended at the primary:
// do it again.
var ErrNotDurable = errors.New("not enough replicas of Redis confirmed the write in time")

// ErrGrant is in the chain of an error that says that Create was asked for
// something impossible.
var ErrGrant = errors.New("impossible session")

// ErrUnbindable is an ErrGrant: the session is to be bound to what its client has
// not shown.
var ErrUnbindable = fmt.Errorf("%w: it is to be bound to what its client does not show", ErrGrant)

// Bounds of what a session stores, in bytes, so that a million of them stay
// small.
const (
	MaxUserID   = 128
	MaxUserName = 128
	MaxTenant   = 64
	MaxDevice   = 96
	MaxNetwork  = 43
	MaxAMR      = 64 // all methods together
	// MaxRights bounds all roles together, and all scopes together, each with a
	// separator.
	MaxRights = 1024
)

// MaxAbsolute is the longest life of a session.
const MaxAbsolute = 400 * 24 * time.Hour

// User is whose session it is.
type User struct {
	ID     string // stable and opaque, 1 to MaxUserID bytes
	Name   string // as shown to the person, at most MaxUserName bytes
	Tenant string // whose sessions can be ended together; may be empty
}

// Overflow says what happens beyond a cap.
type Overflow string

const (
	OldestOut Overflow = "oldest-out" // also when empty: the oldest make room
	Refuse    Overflow = "refuse"     // who comes last waits
)

// Cap bounds the sessions that a user has at a time; 0 does not.
type Cap struct {
	Sessions int
	Overflow Overflow
}

func (c Cap) overflow() string {
	if c.Overflow == Refuse {
		return "refuse"
	}
	return "oldest"
}

// MaxCap is the highest cap: scripts walk a user's sessions.
const MaxCap = 1000

// DefaultCap bounds a user's sessions where nobody asked for less, so that one
// account's record stays small.
const DefaultCap = 100

// Grant is what sign-in gives.
type Grant struct {
	Idle     time.Duration // 1 s to Absolute
	Absolute time.Duration // up to MaxAbsolute
	// AuthTime is when the person proved who they are; zero means now.
	AuthTime time.Time
	// AMR lists the methods they used (RFC 8176), such as "pwd" and "otp".
	AMR []string
	// Roles and Scopes are what the user may do: printable texts, at most
	// MaxRights bytes each list.
	Roles, Scopes []string
	// Device is shown to the person in the list of their sessions, as Agent makes
	// it; Network is where they signed in from, coarsely, as Network makes it.
	Device, Network string
	// Cap bounds the user's sessions, this one included; without one, DefaultCap.
	Cap Cap
	// Bind ties the session to Client. Where that cannot be, because the client
	// showed no certificate, there is no session: ErrGrant.
	Bind   Binding
	Client Client
}

// Demand is what a policy asks of a session beyond being valid; 0 asks nothing.
type Demand struct {
	MaxIdle time.Duration // since the session was last used
	MaxAge  time.Duration // since sign-in created it
	// Cap admits so many of a user's sessions: the newest, or with Refuse the
	// first. Those beyond live on for other policies.
	Cap Cap
	// Fresh asks Redis, whatever a cache knows.
	Fresh bool
	// Client is who brings the token, for sessions that are bound.
	Client Client
}

// Session is a session as stored. Times have a resolution of 1 ms.
type Session struct {
	// ID names the session to its owner and in logs; it is no secret and opens
	// nothing: the first 64 bits of the token's SHA-256, in hex.
	ID       string
	User     User
	Created  time.Time
	LastSeen time.Time // exact to 1 s, or a 20th of the idle limit if that is less
	Expires  time.Time // the absolute limit
	Idle     time.Duration
	AuthTime time.Time
	AMR      []string
	// Roles and Scopes are what its user may do.
	Roles, Scopes []string
	Device        string
	Network       string
	Bound         Binding
	// Rotated says that a newer token has replaced this one, which is good for
	// the grace only.
	Rotated bool
}

// ExpiresAt is when the session ends if it is not used again.
func (s Session) ExpiresAt() time.Time {
	if idle := s.LastSeen.Add(s.Idle); idle.Before(s.Expires) {
		return idle
	}
	return s.Expires
}

func (g Grant) validate(user User) error {
	var errs []error
	bound := func(what, text string, least, most int) {
		if len(text) < least || len(text) > most || !utf8.ValidString(text) {
			errs = append(errs, fmt.Errorf("%w: its %s must be %d to %d bytes of UTF-8", ErrGrant, what, least, most))
		}
	}
	bound("user id", user.ID, 1, MaxUserID)
	bound("user name", user.Name, 0, MaxUserName)
	bound("tenant", user.Tenant, 0, MaxTenant)
	bound("device", g.Device, 0, MaxDevice)
	bound("network", g.Network, 0, MaxNetwork)
	bound("list of methods", strings.Join(g.AMR, " "), 0, MaxAMR)
	for _, method := range g.AMR {
		if method == "" || strings.ContainsAny(method, " \t\r\n") {
			errs = append(errs, fmt.Errorf("%w: method %q", ErrGrant, method))
		}
	}
	errs = append(errs, flawOf("role", g.Roles), flawOf("scope", g.Scopes))
	if strings.Contains(g.Device, "\n") {
		errs = append(errs, fmt.Errorf("%w: a line break in its device", ErrGrant))
	}
	if g.Cap.Sessions < 0 || g.Cap.Sessions > MaxCap {
		errs = append(errs, fmt.Errorf("%w: a cap of %d sessions; want 1 to %d, or 0 for %d", ErrGrant, g.Cap.Sessions, MaxCap, DefaultCap))
	}
	if g.Bind != BindNone && bind(g.Bind, g.Client) == "" {
		errs = append(errs, fmt.Errorf("%w: no %s", ErrUnbindable, g.Bind))
	}
	if g.Idle < time.Second || g.Idle > g.Absolute || g.Absolute > MaxAbsolute {
		errs = append(errs, fmt.Errorf("%w: idle limit %s, absolute limit %s; want 1s <= idle <= absolute <= %s",
			ErrGrant, g.Idle, g.Absolute, MaxAbsolute))
	}
	return errors.Join(errs...)
}
