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
// that have to do with time.
var (
	ErrMalformed       = fmt.Errorf("%w: the token is malformed", ErrInvalid)
	ErrNone            = fmt.Errorf("%w: unknown, or ended long ago", ErrInvalid)
	ErrRevoked         = fmt.Errorf("%w: revoked", ErrInvalid)
	ErrExpired         = fmt.Errorf("%w: expired", ErrInvalid)
	ErrExpiredIdle     = fmt.Errorf("%w, unused for longer than its idle limit", ErrExpired)
	ErrExpiredAbsolute = fmt.Errorf("%w, older than its absolute limit", ErrExpired)
	ErrDemandIdle      = fmt.Errorf("%w for this policy, unused for longer than it allows", ErrExpired)
	ErrDemandAge       = fmt.Errorf("%w for this policy, older than it allows", ErrExpired)
)

// ErrUnavailable is in the chain of every error that says that Redis could not
// be asked, or not in time.
var ErrUnavailable = errors.New("sessions cannot be looked up")

// ErrGrant is in the chain of an error that says that Create was asked for
// something impossible.
var ErrGrant = errors.New("impossible session")

// Bounds of what a session stores, in bytes, so that a million of them stay
// small.
const (
	MaxUserID   = 128
	MaxUserName = 128
	MaxDevice   = 96
	MaxAMR      = 64 // all methods together
)

// MaxAbsolute is the longest life of a session.
const MaxAbsolute = 400 * 24 * time.Hour

// User is whose session it is.
type User struct {
	ID   string // stable and opaque, 1 to MaxUserID bytes
	Name string // as shown to the person, at most MaxUserName bytes
}

// Grant is what sign-in gives.
type Grant struct {
	Idle     time.Duration // 1 s to Absolute
	Absolute time.Duration // up to MaxAbsolute
	// AuthTime is when the person proved who they are; zero means now.
	AuthTime time.Time
	// AMR lists the methods they used (RFC 8176), such as "pwd" and "otp".
	AMR []string
	// Device is shown to the person in the list of their sessions.
	Device string
}

// Demand is what a policy asks of a session beyond being valid; 0 asks nothing.
type Demand struct {
	MaxIdle time.Duration // since the session was last used
	MaxAge  time.Duration // since sign-in created it
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
	bound("device", g.Device, 0, MaxDevice)
	bound("list of methods", strings.Join(g.AMR, " "), 0, MaxAMR)
	for _, method := range g.AMR {
		if method == "" || strings.ContainsAny(method, " \t\r\n") {
			errs = append(errs, fmt.Errorf("%w: method %q", ErrGrant, method))
		}
	}
	if g.Idle < time.Second || g.Idle > g.Absolute || g.Absolute > MaxAbsolute {
		errs = append(errs, fmt.Errorf("%w: idle limit %s, absolute limit %s; want 1s <= idle <= absolute <= %s",
			ErrGrant, g.Idle, g.Absolute, MaxAbsolute))
	}
	return errors.Join(errs...)
}
