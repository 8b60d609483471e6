package policy

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"gatehouse/authz/limit"
	"gatehouse/authz/login/apikey"
	"gatehouse/filter/match"
)

// Bounds of what a policy may ask for. They are far beyond sense on purpose:
// they exist so that no arithmetic overflows and no key grows without end.
const (
	maxName     = 128
	maxSeconds  = 400 * 24 * 3600
	maxWindow   = limit.MaxWindow
	maxRequests = 1_000_000_000
	// maxLogged bounds sliding_window, which keeps an entry for each request.
	maxLogged = 100_000
)

// What sign-in grants when the policy is silent: half an hour idle, half a day
// in all (NIST SP 800-63B-4 section 2.2.3 allows AAL2 up to 1 h and 24 h).
const (
	defaultIdle     = 30 * time.Minute
	defaultAbsolute = 12 * time.Hour
)

// DefaultLifetimes are what sign-in grants where no policy says more.
func DefaultLifetimes() Lifetimes { return Lifetimes{Idle: defaultIdle, Absolute: defaultAbsolute} }

type rule struct {
	matches match.Rule
	policy  *Compiled
}

// Parse reads the JSON of a Config strictly and compiles it. The error is a
// Mistakes with everything that is wrong.
func Parse(data []byte) (*Set, error) {
	config, err := decodeStrict(data)
	if err != nil {
		return nil, err
	}
	return Compile(config)
}

// Compile checks a Config and makes it ready. The error is a Mistakes with
// everything that is wrong.
func Compile(config Config) (*Set, error) {
	c := compiler{set: &Set{version: config.Version, policies: make(map[string]*Compiled, len(config.Policies))}}
	c.text("version", config.Version)
	for _, name := range slices.Sorted(maps.Keys(config.Policies)) {
		c.set.policies[name] = c.policy(name, config.Policies[name])
	}
	c.set.rules = c.rules(config.Rules)
	c.set.fallback = c.named("default_policy", config.DefaultPolicy)
	c.set.signIn, c.set.howToSignIn = c.signIn(config.SignIn), config.SignIn
	c.set.federation = c.federation(config.SignIn)
	c.set.page = c.page("sign_in.page", config.SignIn.Page)
	c.set.pageUnsaid = config.SignIn.Page == ""
	if len(c.found) > 0 {
		return nil, c.found
	}
	return c.set, nil
}

type compiler struct {
	set   *Set
	found Mistakes
}

// text demands a name that can stand in a header, a log line and a key.
func (c *compiler) text(where, s string) {
	printable := !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' })
	if s == "" || len(s) > maxName || !printable {
		c.found.add(where, fmt.Sprintf("is %.40q", s), "write 1 to 128 printable ASCII characters without spaces and quotes")
	}
}

// named resolves a reference; an empty one is allowed and resolves to nil.
func (c *compiler) named(where, name string) *Compiled {
	if name == "" {
		return nil
	}
	p, ok := c.set.policies[name]
	if !ok {
		c.found.add(where, fmt.Sprintf("names %.40q, which is not a policy", name), "define it under policies, or name another")
	}
	return p
}

func (c *compiler) rules(configs []Rule) []rule {
	rules := make([]rule, 0, len(configs))
	for i, config := range configs {
		where := fmt.Sprintf("rules[%d]", i)
		if config.Policy == "" {
			c.found.add(where+".policy", "is missing", "name the policy of the requests that match")
		}
		matches := match.Rule{
			Hosts: slices.Clone(config.Hosts), Path: config.Path, PathPrefix: config.PathPrefix,
			Methods: slices.Clone(config.Methods),
		}
		if mistake := matches.Mistake(); mistake != "" {
			c.found.add(where, mistake, "correct the rule")
		}
		rules = append(rules, rule{matches: matches, policy: c.named(where+".policy", config.Policy)})
	}
	return rules
}

func (c *compiler) signIn(config SignIn) Lifetimes {
	life := Lifetimes{
		Idle:     c.seconds("sign_in.idle_seconds", config.IdleSeconds),
		Absolute: c.seconds("sign_in.absolute_seconds", config.AbsoluteSeconds),
	}
	if life.Idle == 0 {
		life.Idle = defaultIdle
	}
	if life.Absolute == 0 {
		life.Absolute = max(defaultAbsolute, life.Idle)
	}
	life.Cap = c.cap("sign_in", config.MaxSessions, config.WhenFull)
	life.Bind = c.bind("sign_in.bind", config.Bind)
	life.Durability.Replicas = c.replicas("sign_in.confirmed_by", config.ConfirmedBy)
	if life.Absolute < life.Idle {
		c.found.add("sign_in.absolute_seconds", "is shorter than idle_seconds", "make it at least as long")
	}
	c.howToSignIn(config)
	life.Note = time.Minute
	for _, p := range c.set.policies {
		if p.Session.MaxIdle > 0 {
			life.Note = max(time.Second, min(life.Note, p.Session.MaxIdle/20))
		}
	}
	return life
}

// page demands a path of this host: a browser reads "//" and "/\\" as another's.
func (c *compiler) page(where, path string) string {
	if path == "" || path == NoPage {
		return ""
	}
	odd := strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("\\?#%;", r) })
	if !strings.HasPrefix(path, "/") || strings.Contains(path, "//") || odd || len(path) > maxName {
		c.found.add(where, fmt.Sprintf("is %.40q", path), "write a path on the same host without a query, such as /auth/sign-in")
		return ""
	}
	return path
}

// Bounds of a list in sign_in, and of a least length of passwords.
const (
	maxSignInList  = 64
	leastMinLength = 8
	mostMinLength  = 64 // nothing of that length may be refused (ASVS 5.0 6.2.9)
)

func (c *compiler) howToSignIn(config SignIn) {
	for i, origin := range config.Origins {
		if !isOrigin(origin) {
			c.found.add(fmt.Sprintf("sign_in.origins[%d]", i), fmt.Sprintf("is no origin: %q", origin),
				"write it as browsers do, such as https://app.example.com, without a path and in lower case")
		}
	}
	if n := config.Password.MinLength; n != 0 && (n < leastMinLength || n > mostMinLength) {
		c.found.add("sign_in.password.min_length", fmt.Sprintf("is %d", n), fmt.Sprintf("write %d to %d", leastMinLength, mostMinLength))
	}
	if d := config.PasskeyDomain; d != "" && (len(config.Origins) == 0 || !withinDomain(config.Origins[0], d)) {
		c.found.add("sign_in.passkey_domain", fmt.Sprintf("is %q", d), "write the host of the first of the origins, or a domain that it is in")
	}
	for where, list := range map[string][]string{"sign_in.origins": config.Origins, "sign_in.password.context_words": config.Password.ContextWords} {
		if len(list) > maxSignInList {
			c.found.add(where, fmt.Sprintf("has %d entries", len(list)), fmt.Sprintf("write at most %d", maxSignInList))
		}
	}
}

// isOrigin says whether text is a serialised origin (RFC 6454 section 6.2) as
// browsers compare it: http only where nothing leaves the machine.
func isOrigin(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme+"://"+u.Host != text || text != strings.ToLower(text) ||
		strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(",;'\"*", r) }) {
		return false
	}
	host := u.Hostname()
	ip := net.ParseIP(host)
	return u.Scheme == "https" || u.Scheme == "http" && (host == "localhost" || ip != nil && ip.IsLoopback())
}

func withinDomain(origin, domain string) bool {
	u, err := url.Parse(origin)
	return err == nil && (u.Hostname() == domain || strings.HasSuffix(u.Hostname(), "."+domain))
}

func (c *compiler) seconds(where string, n int64) time.Duration {
	if n < 0 || n > maxSeconds {
		c.found.add(where, fmt.Sprintf("is %d", n), fmt.Sprintf("write 0 (as granted) to %d seconds", maxSeconds))
		return 0
	}
	return time.Duration(n) * time.Second
}

func (c *compiler) policy(name string, config Policy) *Compiled {
	where := "policies." + name
	c.text(where, name)
	compiled := &Compiled{Name: name, Session: c.session(where+".session", config.Session)}
	compiled.Consent = c.consent(where+".consent", config.Consent)
	compiled.Limits = c.limits(where, config.Limits)
	return compiled
}

func (c *compiler) consent(where string, config Consent) ConsentDemand {
	report, off := c.mode(where+".mode", config.Mode)
	if config.Purpose == "" {
		if config != (Consent{}) {
			c.found.add(where+".purpose", "is missing", "name what the consent must be for")
		}
		return ConsentDemand{}
	}
	c.text(where+".purpose", config.Purpose)
	if off {
		return ConsentDemand{}
	}
	return ConsentDemand{Purpose: config.Purpose, GPC: config.GPC, Report: report}
}

func (c *compiler) session(where string, config Session) SessionDemand {
	report, off := c.mode(where+".mode", config.Mode)
	demand := SessionDemand{
		Require: config.Require, Report: report,
		MaxIdle:     c.seconds(where+".max_idle_seconds", config.MaxIdleSeconds),
		MaxAge:      c.seconds(where+".max_age_seconds", config.MaxAgeSeconds),
		APIKeyScope: config.APIKeyScope,
		Cap:         c.cap(where, config.MaxSessions, config.WhenFull),
		Fresh:       c.fresh(where+".cache", config.Cache),
	}
	if _, err := apikey.Scopes(config.APIKeyScope); err != nil || strings.ContainsAny(config.APIKeyScope, " ,") {
		c.found.add(where+".api_key_scope", fmt.Sprintf("is %.80q", config.APIKeyScope), "write one word without quotes, of at most 64 characters")
	}
	demand.StepUp = c.stepUp(where, config, demand.Require)
	if demand.Audience = config.Audience; demand.Audience != "" {
		c.text(where+".audience", demand.Audience)
	}
	switch config.Require {
	case "":
		demand.Require = SessionNone
	case SessionNone, SessionOptional, SessionRequired:
	default:
		c.found.add(where+".require", fmt.Sprintf("is %.40q", config.Require), "write none, optional or required")
	}
	if off {
		demand.Require = SessionNone
	}
	return demand
}

func (c *compiler) stepUp(where string, config Session, require Require) StepUp {
	s := StepUp{
		MaxAuthAge:   c.seconds(where+".max_auth_age_seconds", config.MaxAuthAgeSeconds),
		SecondFactor: config.SecondFactor, Passkey: Passkey(config.Passkey), Roles: slices.Clone(config.Roles), Scopes: slices.Clone(config.Scopes),
	}
	if s.Passkey != PasskeyNone && s.Passkey != PasskeyAny && s.Passkey != PasskeyDeviceBound {
		c.found.add(where+".passkey", fmt.Sprintf("is %.40q", config.Passkey), "write any or device_bound")
	}
	for name, list := range map[string][]string{"roles": config.Roles, "scopes": config.Scopes} {
		for i, text := range list {
			c.text(fmt.Sprintf("%s.%s[%d]", where, name, i), text)
		}
	}
	if s.Asks() && require != SessionRequired {
		c.found.add(where+".require", "asks for a recent sign-in, a second factor, a passkey, roles or scopes of a session that it does not require",
			"write require: required")
	}
	return s
}

func (c *compiler) mode(where string, mode Mode) (report, off bool) {
	switch mode {
	case "", Enforce:
	case Report:
		report = true
	case Off:
		off = true
	default:
		c.found.add(where, fmt.Sprintf("is %.40q", mode), "write enforce, report or off")
	}
	return report, off
}
