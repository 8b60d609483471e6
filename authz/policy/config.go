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
	// MaxAuthAgeSeconds is how long ago the user may have proved who they are;
	// SecondFactor asks for two kinds of proof, Passkey for one that no phishing
	// gets: "any" passkey, or one that is "device_bound", which no account in a cloud
	// copies. Roles asks for any one of these roles,
	// Scopes for all of these scopes. What is missing is told to the client, who
	// can do something about it (RFC 9470).
	MaxAuthAgeSeconds int64    `json:"max_auth_age_seconds,omitempty"`
	SecondFactor      bool     `json:"second_factor,omitempty"`
	Passkey           string   `json:"passkey,omitempty"`
	Roles             []string `json:"roles,omitempty"`
	Scopes            []string `json:"scopes,omitempty"`
	// Audience is who is to believe the assertion of who is signed in ("aud", RFC
	// 7519 section 4.1.3); empty means the route's upstream.
	Audience string `json:"audience,omitempty"`
	// APIKeyScope lets API keys of that scope stand for a session.
	APIKeyScope string `json:"api_key_scope,omitempty"`
	// MaxSessions admits so many of the user's sessions, chosen by WhenFull; those
	// beyond live on for other policies.
	MaxSessions int64  `json:"max_sessions,omitempty"`
	WhenFull    string `json:"when_full,omitempty"`
	// Cache off asks Redis about every request.
	Cache string `json:"cache,omitempty"`
}

// NoPage is the SignIn.Page that sends nobody anywhere.
const NoPage = "none"

// SignIn holds what a new session gets, and how people sign in.
type SignIn struct {
	IdleSeconds     int64 `json:"idle_seconds,omitempty"`     // default 1800
	AbsoluteSeconds int64 `json:"absolute_seconds,omitempty"` // default 43200
	// Page is where people sign in, a path on every host that asks for a session:
	// their browsers are sent there instead of being refused. Empty leaves it to
	// the reader: authz sends them to its own page, if it has one. NoPage sends
	// nobody.
	Page string `json:"page,omitempty"`

	Site          string     `json:"site,omitempty"`           // the site's name, as pages show it
	Origins       []string   `json:"origins,omitempty"`        // to which people may be sent; the first is the passkeys'
	PasskeyDomain string     `json:"passkey_domain,omitempty"` // default: the first origin's host
	Password      Password   `json:"password,omitzero"`
	SignUp        bool       `json:"sign_up,omitempty"`
	ThemeFile     string     `json:"theme_file,omitempty"` // a style sheet, as authz sees it
	Providers     []Provider `json:"providers,omitempty"`

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

// Password holds the rules of new passwords.
type Password struct {
	MinLength    int64    `json:"min_length,omitempty"` // code points, 8 (default) to 64
	ContextWords []string `json:"context_words,omitempty"`
	// CompromisedList is a file or folder in the layout of Have I Been Pwned, as
	// authz sees it.
	CompromisedList string `json:"compromised_list,omitempty"`
}

// Provider is an OpenID provider that signs people in; see openid.Settings. Its
// client secret is not in here: authz has it in a file of the provider's name.
type Provider struct {
	Name      string   `json:"name"`
	Title     string   `json:"title,omitempty"`
	Issuer    string   `json:"issuer"`
	ClientID  string   `json:"client_id"`
	Public    bool     `json:"public,omitempty"` // has no secret
	Scopes    []string `json:"scopes,omitempty"`
	RoleClaim string   `json:"role_claim,omitempty"`
	// NewUsers makes a user of whom it vouches for the first time; else only those
	// sign in who were linked before.
	NewUsers bool `json:"new_users,omitempty"`
	// RefreshSeconds is the time between two questions about somebody who is
	// signed in, 0 asks none; after MaxStaleSeconds without an answer they are
	// signed out, 0 never.
	RefreshSeconds  int64 `json:"refresh_seconds,omitempty"`
	MaxStaleSeconds int64 `json:"max_stale_seconds,omitempty"`
}

// Algorithm of a limit.
type Algorithm string

const (
	SlidingWindow Algorithm = "sliding_window" // default: never more than Requests in any Window
	FixedWindow   Algorithm = "fixed_window"
	GCRA          Algorithm = "gcra"
	TwoBucket     Algorithm = "two_bucket"
	Quota         Algorithm = "quota"       // Requests in a calendar's Period
	Concurrency   Algorithm = "concurrency" // Requests at once; Window is how long one may hold its place
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
	WindowMillis int64        `json:"window_ms"`           // not of Quota
	Period       string       `json:"period,omitempty"`    // of Quota: "day" or "month"
	TimeZone     string       `json:"time_zone,omitempty"` // of Quota: as in the IANA database; default UTC
	Algorithm    Algorithm    `json:"algorithm,omitempty"`
	Burst        int64        `json:"burst,omitempty"` // GCRA only; default Requests
	OnRedisError OnRedisError `json:"on_redis_error,omitempty"`
	// Lease is how many hits of a hot key a replica counts ahead, to use them without
	// asking Redis (limit.Slices): as many as it needs where nothing is said, and none
	// for 0. Quotas and concurrency have none.
	Lease *int64 `json:"lease,omitempty"`
}
