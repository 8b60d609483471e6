package policy

// Config is the compiled policy as it reaches authz: what control publishes to
// Redis, what authz keeps on disk as the last good one, and what a person may
// write by hand for a stand-alone ext_authz.
type Config struct {
	// Version is the one that control gave to the whole compilation; the
	// rendered Envoy routes carry the same.
	Version string `json:"version"`
	// DefaultPolicy applies where neither context extensions nor a rule names
	// one; empty means: refuse.
	DefaultPolicy string            `json:"default_policy,omitempty"`
	Rules         []Rule            `json:"rules,omitempty"`
	Policies      map[string]Policy `json:"policies"`
	// SignIn holds the lifetimes of the sessions that sign-in creates.
	SignIn SignIn `json:"sign_in"`
}

// Rule has the meaning of the filter's rules: first match wins.
type Rule struct {
	Hosts      []string `json:"hosts,omitempty"`
	Path       string   `json:"path,omitempty"`
	PathPrefix string   `json:"path_prefix,omitempty"`
	Methods    []string `json:"methods,omitempty"`
	Policy     string   `json:"policy"`
}

// Policy is what Check enforces.
type Policy struct {
	Session Session `json:"session"`
	Consent Consent `json:"consent,omitzero"`
	Limits  []Limit `json:"limits,omitempty"`
}

// Consent is a demand for the user's consent (GDPR Art. 6(1)(a)); without a
// purpose there is none. A policy that looks at no session refuses all that it
// demands consent of: strangers have given none.
type Consent struct {
	Mode    Mode   `json:"mode,omitempty"`
	Purpose string `json:"purpose,omitempty"`
	// GPC says that a request with Sec-GPC: 1 (Global Privacy Control) objects to
	// the purpose, whatever was consented to before.
	GPC bool `json:"gpc,omitempty"`
}

// Require says whether a request needs a session.
type Require string

const (
	SessionNone     Require = "none"     // also when empty; a session cookie is still not sent on
	SessionOptional Require = "optional" // identify the user if there is a valid session
	SessionRequired Require = "required"
)

// Mode is enforce (also when empty), report or off.
type Mode string

const (
	Enforce Mode = "enforce"
	Report  Mode = "report"
	Off     Mode = "off"
)

// Session is a policy's demand. The ages narrow what sign-in granted; 0 leaves
// it as it is.
type Session struct {
	Mode           Mode    `json:"mode,omitempty"`
	Require        Require `json:"require,omitempty"`
	MaxIdleSeconds int64   `json:"max_idle_seconds,omitempty"`
	MaxAgeSeconds  int64   `json:"max_age_seconds,omitempty"`
	// MaxSessions admits so many of the user's sessions, chosen by WhenFull; those
	// beyond live on for other policies.
	MaxSessions int64  `json:"max_sessions,omitempty"`
	WhenFull    string `json:"when_full,omitempty"`
	// Cache off asks Redis about every request.
	Cache string `json:"cache,omitempty"`
}

// SignIn holds what a new session gets.
type SignIn struct {
	IdleSeconds     int64 `json:"idle_seconds,omitempty"`     // default 1800
	AbsoluteSeconds int64 `json:"absolute_seconds,omitempty"` // default 43200
	// MaxSessions is how many a user has at a time (default 100), and WhenFull
	// what happens beyond: "oldest-out" (default) or "refuse".
	MaxSessions int64  `json:"max_sessions,omitempty"`
	WhenFull    string `json:"when_full,omitempty"`
	// Bind ties new sessions to a "certificate" or "fingerprint".
	Bind string `json:"bind,omitempty"`
	// ConfirmedBy is how many replicas of Redis must confirm a new session or a
	// revocation before it counts (default 0).
	ConfirmedBy int64 `json:"confirmed_by,omitempty"`
}

// Algorithm of a limit.
type Algorithm string

const (
	SlidingWindow Algorithm = "sliding_window" // default: never more than Requests in any Window
	FixedWindow   Algorithm = "fixed_window"
	GCRA          Algorithm = "gcra"
)

// OnRedisError is what happens to a request while the limit cannot be counted.
type OnRedisError string

const (
	OnErrorDeny  OnRedisError = "deny" // default: 503
	OnErrorAllow OnRedisError = "allow"
	OnErrorLocal OnRedisError = "local" // count in this replica alone
)

// Limit bounds requests per window and per key. By lists the parts of the key:
// "ip", "user". A limit by user applies to requests with a session only.
type Limit struct {
	Name         string       `json:"name"`
	Mode         Mode         `json:"mode,omitempty"`
	By           []string     `json:"by"`
	Requests     int64        `json:"requests"`
	WindowMillis int64        `json:"window_ms"`
	Algorithm    Algorithm    `json:"algorithm,omitempty"`
	Burst        int64        `json:"burst,omitempty"` // GCRA only; default Requests
	OnRedisError OnRedisError `json:"on_redis_error,omitempty"`
}
