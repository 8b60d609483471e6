package policy

import (
	"reflect"
	"testing"
	"time"

	authzpolicy "gatehouse/authz/policy"
	"gatehouse/control/alert"
	filterpolicy "gatehouse/filter/policy"
)

func TestAllKeysReachTheirPlace(t *testing.T) {
	t.Parallel()
	c, err := Load("/etc/gatehouse/gatehouse.yaml", read(t, "testdata/good/all_keys.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	wantEnvoy := EnvoySettings{Listen: "[::]:8080", TrustedHops: 1, TLS: &TLSSettings{
		Listen: "0.0.0.0:8443", CertFile: "/etc/gatehouse/tls/cert.pem", KeyFile: "/etc/gatehouse/tls/key.pem", ClientCAFile: "/etc/gatehouse/tls/clients.pem", RequireClientCertificate: true, RedirectHTTP: true, RedirectPort: 9443,
	}}
	age, yes := 600, true
	want := filterpolicy.Policy{
		Headers: &filterpolicy.Headers{
			Mode: "report", Preset: "strict", Remove: []string{"X-Runtime"},
			Set: map[string]string{"X-Frame-Options": "SAMEORIGIN", "X-Xss-Protection": "0", "Permissions-Policy": "camera=()", "X-Dns-Prefetch-Control": ""},
			CSP: map[string][]string{
				"script-src": {"'nonce'", "'strict-dynamic'"}, "style-src": {"'self'", "'nonce'"}, "font-src": {""},
				"upgrade-insecure-requests": {}, "report-to": {"csp"},
			},
			CSPReportOnly:      map[string][]string{"require-trusted-types-for": {"'script'"}, "report-to": {"csp"}},
			ReportingEndpoints: map[string]string{"csp": "/csp-reports/base", "default": "https://reports.example.com/default"},
			Existing:           map[string]string{"Content-Security-Policy": "merge", "Referrer-Policy": "replace", "Permissions-Policy": "keep"},
			Cookies:            &filterpolicy.Cookies{Secure: &yes, HTTPOnly: &yes, SameSite: "Strict", ScriptReadable: []string{"XSRF-TOKEN"}, Except: []string{"legacy"}},
			ClearSiteData:      []string{"cache", "cookies", "storage"},
		},
		CORS: &filterpolicy.CORS{
			Mode: "enforce", AllowOrigins: []string{"https://*.example.com", "http://localhost:*"},
			AllowMethods: []string{"PUT", "DELETE"}, AllowHeaders: []string{"X-Request-Id"}, ExposeHeaders: []string{"X-Total"},
			MaxAge: &age, AllowPrivateNetwork: true,
		},
		CSRF: &filterpolicy.CSRF{Mode: "report", TrustOrigins: []string{"https://pay.example.com"}},
		Uploads: &filterpolicy.Uploads{
			Mode: "report", Allow: []string{"pdf", "png"}, MaxFileSize: 1_000_000, MaxRequestSize: 2 << 20, MaxFiles: 3,
			MaxUnpackedSize: 64 << 20, MaxPixels: 40_000_000, OnUncertain: "reject", PDF: &filterpolicy.UploadPDF{URI: "click", GoToRemote: "reject"},
			Scan:       &filterpolicy.Scan{When: "always", Hold: "body", MaxHold: 3 << 20, TimeoutMillis: 20_000, OnTimeout: "accept", OnError: "reject"},
			Fields:     []filterpolicy.UploadField{{Name: "avatar", Allow: []string{"image"}, MaxFileSize: 500_000}},
			JSONFields: []filterpolicy.JSONField{{Path: "$.document.content", Allow: []string{"pdf"}, MaxFileSize: 500_000, Encoding: "base64url"}},
			Names:      "rewrite",
			Media:      "type",
		},
	}
	wantAuthz := authzpolicy.Policy{
		Session: authzpolicy.Session{
			Mode: "enforce", Require: "required", MaxIdleSeconds: 600, MaxAgeSeconds: 28800, MaxAuthAgeSeconds: 300,
			SecondFactor: true, Passkey: "device_bound", Roles: []string{"admin", "clerk"}, Scopes: []string{"orders.read"}, Audience: "https://orders.example.com",
			APIKeyScope: "read", MaxSessions: 2, WhenFull: "oldest-out", Cache: "off",
		},
		Consent: authzpolicy.Consent{Mode: "report", Purpose: "analytics", GPC: true},
		Limits: []authzpolicy.Limit{{
			Name: "burst", Mode: "report", By: []string{"ip", "user"}, Requests: 10, WindowMillis: 1000,
			Algorithm: "gcra", Burst: 20, OnRedisError: "local",
		}, {
			Name: "hot", By: []string{"user"}, Requests: 1000, WindowMillis: 60_000, Algorithm: "fixed_window", Lease: new(int64(50)),
		}, {
			Name: "monthly", By: []string{"user"}, Requests: 20000, Period: "month", TimeZone: "Europe/Berlin", Algorithm: "quota",
		}, {
			Name: "at_once", By: []string{"ip"}, Requests: 20, WindowMillis: 600_000, Algorithm: "concurrency",
		}},
	}
	wantSignIn := authzpolicy.SignIn{
		IdleSeconds: 900, AbsoluteSeconds: 86400, Page: "/auth/sign-in", Site: "Example",
		Origins: []string{"https://app.example.com", "https://www.example.com"}, PasskeyDomain: "example.com", SignUp: true,
		ThemeFile: "/etc/gatehouse/theme.css", MaxSessions: 20, WhenFull: "refuse", Bind: "fingerprint", ConfirmedBy: 1,
		Password: authzpolicy.Password{MinLength: 15, ContextWords: []string{"example"}, CompromisedList: "/var/lib/gatehouse/passwords.txt"},
		Providers: []authzpolicy.Provider{{
			Name: "corporate", Title: "Example Ltd", Issuer: "https://idp.example.com", ClientID: "gatehouse", Public: true,
			Scopes: []string{"profile", "offline_access"}, RoleClaim: "groups", NewUsers: true, RefreshSeconds: 600, MaxStaleSeconds: 3600,
		}},
	}
	wantRoute := Route{
		Name: "api", Hosts: []string{"app.example.com", "*.api.example.com"}, PathPrefix: "/api",
		Methods: []string{"GET", "PUT"}, Upstream: "app", Policy: "child", Line: c.Routes[0].Line,
	}
	for what, pair := range map[string][2]any{
		"envoy":           {c.Envoy, wantEnvoy},
		"filter policy":   {c.Filter.Policies["base"], want},
		"authz policy":    {c.Authz.Policies["base"], wantAuthz},
		"route":           {c.Routes[0], wantRoute},
		"sign-in":         {c.Authz.SignIn, wantSignIn},
		"policy of auth":  {c.AuthPolicy, "sign-in"},
		"default policy":  {c.Filter.DefaultPolicy, DefaultPolicy},
		"verdicts":        {c.Filter.Verdicts, filterpolicy.VerdictsDecisions},
		"second upstream": {c.Upstreams[1], Upstream{Name: "away", URL: "https://away.example.com:443", Host: "away.example.com", Port: 443, TLS: true}},
		"alerts": {c.Alerts, AlertSettings{
			Rules: []alert.Rule{{
				Name: "floods", When: `event.type == "rate_limit_exceeded" && event.status == 429`, MoreThan: 10, Window: time.Minute,
				GroupBy: []string{"client"}, Severity: alert.Critical, Summary: "too many", Quiet: 10 * time.Minute,
			}},
			Sinks: []AlertSink{
				{Name: "hook", Kind: "webhook", URL: "https://hooks.example.com/g", SecretFile: "/etc/gatehouse/secrets/webhook"},
				{Name: "am", Kind: "alertmanager", URL: "http://am:9093"},
				{Name: "mail", Kind: "smtp", PasswordFile: "/etc/gatehouse/secrets/mail", Mail: &alert.MailSettings{
					Host: "mail.example.com", Port: 2525, TLS: "implicit", Username: "gatehouse", From: "Gatehouse <gatehouse@example.com>",
					To: []string{"on-call@example.com", "other@example.com"}, CAFile: "/etc/gatehouse/secrets/ca.pem",
				}},
				{Name: "local", Kind: "smtp", Mail: &alert.MailSettings{
					Host: "localhost", Port: 25, TLS: "none", From: "g@example.com", To: []string{"o@example.com"},
				}},
			},
		}},
		"redis": {c.Redis, RedisSettings{
			URL: "redis://127.0.0.1:6379/0", PasswordFile: "/etc/gatehouse/secrets/redis", PoolSize: 40,
		}},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s: got %+v, want %+v", what, pair[0], pair[1])
		}
	}
}

func TestExtendsMergesByFieldAndReplacesLists(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, preamble+`
policies:
  base:
    headers: {preset: strict, set: {X-One: a, X-Two: b}, remove: [Via]}
    cors: {allow_origins: ["https://a.example.com", "https://b.example.com"], allow_credentials: true}
    session: {require: required, max_idle: 10m, roles: [admin]}
    limits: [{name: one, by: [ip], rate: 1/s}, {name: two, by: [ip], rate: 2/s}]
    uploads: {allow: [pdf], max_files: 2}
  child:
    extends: base
    headers: {set: {x-two: B, X-Three: c}}
    cors: {allow_origins: ["https://c.example.com"]}
    session: optional
    limits: [{name: three, by: [ip], rate: 3/s}]
    uploads: {max_files: 1}
routes:
  - {name: r, path_prefix: /, upstream: app, policy: child, session: {max_age: 1h}, headers: {mode: report}}
`)
	child := c.Filter.Policies["child"]
	checks := map[string][2]any{
		"single headers merge by name": {child.Headers.Set, map[string]string{"X-One": "a", "X-Two": "B", "X-Three": "c"}},
		"the preset is inherited":      {child.Headers.Preset, "strict"},
		"lists are inherited whole":    {child.Headers.Remove, []string{"Via"}},
		"lists replace":                {child.CORS.AllowOrigins, []string{"https://c.example.com"}},
		"other fields stay":            {child.CORS.AllowCredentials, true},
		"uploads merge":                {*child.Uploads, filterpolicy.Uploads{Allow: []string{"pdf"}, MaxFiles: 1}},
		"a session's word replaces its requirement only": {
			c.Authz.Policies["child"].Session, authzpolicy.Session{Require: "optional", MaxIdleSeconds: 600},
		},
		"limits replace":                  {len(c.Authz.Policies["child"].Limits), 1},
		"the parent is not touched":       {c.Filter.Policies["base"].Headers.Set, map[string]string{"X-One": "a", "X-Two": "b"}},
		"a route has a policy of its own": {c.Routes[0].Policy, "child@r"},
		"a route overrides by field as well": {
			c.Authz.Policies["child@r"].Session, authzpolicy.Session{Require: "optional", MaxIdleSeconds: 600, MaxAgeSeconds: 3600},
		},
		"also in the filter": {c.Filter.Policies["child@r"].Headers.Mode, filterpolicy.Report},
	}
	for what, pair := range checks {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s: got %v, want %v", what, pair[0], pair[1])
		}
	}
}

func TestEveryValueKnowsWhereItWasWritten(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, preamble+`policies:
  base:
    headers: {preset: strict}
    session: required
  child:
    extends: base
    limits: [{name: x, by: [ip], rate: 1/s}]
routes:
  - {name: r, path_prefix: /, upstream: app, policy: child, session: none}
`)
	for _, tc := range []struct {
		policy, path string
		want         Place
		ok           bool
	}{
		{"child", "headers.preset", Place{"policies.base.headers.preset", 6}, true},
		{"child", "limits[0].rate", Place{"policies.child.limits[0].rate", 10}, true},
		{"child", "limits[0].burst", Place{"policies.child.limits[0]", 10}, true},
		{"child@r", "session.require", Place{"routes[0].session", 12}, true},
		{"child@r", "uploads", Place{}, false},
		{AuthPolicy, "headers.preset", Place{}, false},
		{"no such policy", "headers", Place{}, false},
	} {
		if got, ok := c.Origin(tc.policy, tc.path); ok != tc.ok || got != tc.want {
			t.Errorf("%s of %s: %+v %v", tc.path, tc.policy, got, ok)
		}
	}
}

func TestARouteMayDropTheSessionOfAPolicyThatLimitsByUser(t *testing.T) {
	t.Parallel()
	mustLoad(t, preamble+`
policies:
  base: {session: required, limits: [{name: x, by: [user], rate: 1/s}]}
  open: {extends: base, session: none}
routes:
  - {path: /a, upstream: app, policy: base, session: none}
  - {path: /b, upstream: app, policy: open}
`)
}

func TestTheBuiltInPolicyOfSignInIsLimited(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, preamble+"policies: {}\nroutes: []\n")
	limits := c.Authz.Policies[AuthPolicy].Limits
	if len(limits) != 1 || limits[0].Requests != 60 || limits[0].WindowMillis != 60_000 || limits[0].By[0] != "ip" {
		t.Errorf("limits %+v", limits)
	}
	if rule := c.Authz.Rules[0]; rule.PathPrefix != "/auth/" || rule.Policy != AuthPolicy {
		t.Errorf("the first rule is %+v", rule)
	}
}
