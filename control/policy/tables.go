package policy

import (
	"time"

	authzsession "gatehouse/authz/session"
	"gatehouse/filter/upload"
)

// The tables of keys. One table gives the strict reading, the advice after a
// misspelling and the JSON Schema, so that the three cannot disagree.

func fileKind() kind[rawFile] {
	return object(
		required(key("version", "version: 1", integer(1, 1), func(f *rawFile) *value[int64] { return &f.version })),
		required(key("envoy", "where Envoy listens: envoy: {listen: 127.0.0.1:8080}", envoyKind(), func(f *rawFile) *value[rawEnvoy] { return &f.envoy })),
		required(key("upstreams", "the applications by name: app: {url: http://127.0.0.1:9000}", dictionary(upstreamKind()),
			func(f *rawFile) *value[[]named[rawUpstream]] { return &f.upstreams })),
		key("redis", "where sessions, limits and events are kept", redisKind(), func(f *rawFile) *value[rawRedis] { return &f.redis }),
		key("sign_in", "how people sign in, and how long a new session lives", signInKind(), func(f *rawFile) *value[rawSignIn] { return &f.signIn }),
		key("auth", "the sign-in endpoints under /auth/", authKind(), func(f *rawFile) *value[rawAuth] { return &f.auth }),
		key("control", "control itself: its API and console", controlKind(), func(f *rawFile) *value[rawControl] { return &f.control }),
		required(key("policies", "the policies by name", dictionary(policyKind()), func(f *rawFile) *value[[]named[rawPolicy]] { return &f.policies })),
		required(key("routes", "which request goes where under which policy; the first match wins", list(routeKind()),
			func(f *rawFile) *value[[]value[rawRoute]] { return &f.routes })),
		key("alerts", "what is told to whom when events add up", alertsKind(), func(f *rawFile) *value[rawAlerts] { return &f.alerts }),
		key("privacy", "the data map: what is held about people, where and why (GDPR)", privacyKind(), func(f *rawFile) *value[rawPrivacy] { return &f.privacy }),
	)
}

func envoyKind() kind[rawEnvoy] {
	return object(
		required(key("listen", "IP address and port of the plain listener: 127.0.0.1:8080", text(), func(e *rawEnvoy) *value[string] { return &e.listen })),
		key("tls", "the TLS listener", object(
			required(key("listen", "IP address and port: 127.0.0.1:8443", text(), func(t *rawTLS) *value[string] { return &t.listen })),
			required(key("cert_file", "file with the certificate chain (PEM)", text(), func(t *rawTLS) *value[string] { return &t.cert })),
			required(key("key_file", "file with the private key (PEM)", text(), func(t *rawTLS) *value[string] { return &t.key })),
			key("client_ca_file", "file with the authorities (PEM) of clients' certificates: Envoy asks each client for one and verifies it", text(),
				func(t *rawTLS) *value[string] { return &t.clientCA }),
			key("client_certificate", "optional (unless told) serves clients without one, too, required refuses their connection; needs client_ca_file",
				word("optional", "required"), func(t *rawTLS) *value[string] { return &t.clientCert }),
			key("redirect_http", "answer requests without TLS with 308 to https", boolean(), func(t *rawTLS) *value[bool] { return &t.redirect }),
			key("redirect_port", "the port that clients reach TLS at, if it is not that of listen (443 behind trusted_hops)", integer(1, 65535),
				func(t *rawTLS) *value[int64] { return &t.redirectPort }),
		), func(e *rawEnvoy) *value[rawTLS] { return &e.tls }),
		key("trusted_hops", "proxies in front of Envoy whose X-Forwarded-For is believed", integer(0, 16),
			func(e *rawEnvoy) *value[int64] { return &e.hops }),
	)
}

func upstreamKind() kind[rawUpstream] {
	return object(required(key("url", "http:// or https://, host and port", text(), func(u *rawUpstream) *value[string] { return &u.url })))
}

func redisKind() kind[rawRedis] {
	return object(
		key("url", "redis://host:port/db, unix:///path, redis-cluster:// or redis-sentinel://, without a password", text(), func(r *rawRedis) *value[string] { return &r.url }),
		key("url_file", "file that holds the URL", text(), func(r *rawRedis) *value[string] { return &r.urlFile }),
		key("password_file", "file that holds the password", text(), func(r *rawRedis) *value[string] { return &r.passwordFile }),
		key("pool_size", "connections, 20 unless told", integer(1, 10_000), func(r *rawRedis) *value[int64] { return &r.poolSize }),
	)
}

func authKind() kind[rawAuth] {
	return object(key("policy", "the policy of /auth/ in place of the built-in one", text(), func(a *rawAuth) *value[string] { return &a.policy }))
}

func policyKind() kind[rawPolicy] {
	fields := featureFields(func(p *rawPolicy) *rawFeatures { return &p.rawFeatures })
	return object(append(fields,
		key("extends", "the policy whose settings hold where this one is silent", text(), func(p *rawPolicy) *value[string] { return &p.extends }))...)
}

func routeKind() kind[rawRoute] {
	fields := []field[rawRoute]{
		key("name", "the route's name in events and statistics; route-N unless told", text(), func(r *rawRoute) *value[string] { return &r.name }),
		key("hosts", "host names, or *.example.com; all unless told", list(text()), func(r *rawRoute) *value[[]value[string]] { return &r.hosts }),
		key("path", "one path, exactly", text(), func(r *rawRoute) *value[string] { return &r.path }),
		key("path_prefix", "a path and all below it: /a matches /a and /a/b, not /ab", text(), func(r *rawRoute) *value[string] { return &r.prefix }),
		key("methods", "HTTP methods in upper case; all unless told", list(text()), func(r *rawRoute) *value[[]value[string]] { return &r.methods }),
		required(key("upstream", "upstream: NAME, one of upstreams", text(), func(r *rawRoute) *value[string] { return &r.upstream })),
		required(key("policy", "policy: NAME, one of policies", text(), func(r *rawRoute) *value[string] { return &r.policy })),
	}
	return object(append(fields, featureFields(func(r *rawRoute) *rawFeatures { return &r.rawFeatures })...)...)
}

func featureFields[T any](in func(*T) *rawFeatures) []field[T] {
	return []field[T]{
		key("headers", "security headers of responses", headersKind(), func(t *T) *value[rawHeaders] { return &in(t).headers }),
		key("cors", "which other sites' pages may read responses (Fetch standard)", corsKind(), func(t *T) *value[rawCORS] { return &in(t).cors }),
		key("csrf", "what other sites' pages make browsers send is refused: enforce, report or off, or a mapping", csrfKind(),
			func(t *T) *value[rawCSRF] { return &in(t).csrf }),
		key("session", "none, optional or required, or a mapping", sessionKind(), func(t *T) *value[rawSession] { return &in(t).session }),
		key("require_consent", "the purpose that the user must have consented to: require_consent: newsletter, or a mapping", consentKind(),
			func(t *T) *value[rawConsent] { return &in(t).consent }),
		key("limits", "how many requests in which time", list(limitKind()), func(t *T) *value[[]value[rawLimit]] { return &in(t).limits }),
		key("uploads", "which files may be sent", uploadsKind(), func(t *T) *value[rawUploads] { return &in(t).uploads }),
	}
}

const modeDoc = "enforce (unless told), report (decide, record, let through) or off"

// corsKind takes "cors: off" for "cors: {mode: off}".
func corsKind() kind[rawCORS] {
	full := object(
		key("mode", modeDoc, mode(), func(c *rawCORS) *value[string] { return &c.mode }),
		key("allow_origins", "https://app.example.com, https://*.example.com, http://localhost:*, or *", list(text()),
			func(c *rawCORS) *value[[]value[string]] { return &c.origins }),
		key("allow_credentials", "whether cookies may go along", boolean(), func(c *rawCORS) *value[bool] { return &c.credentials }),
		key("allow_methods", "methods beyond GET, HEAD and POST, or *", list(text()), func(c *rawCORS) *value[[]value[string]] { return &c.methods }),
		key("allow_headers", "request headers beyond the safelisted ones, or *", list(text()), func(c *rawCORS) *value[[]value[string]] { return &c.allow }),
		key("expose_headers", "response headers that the page may read", list(text()), func(c *rawCORS) *value[[]value[string]] { return &c.expose }),
		key("max_age", "how long a browser keeps a preflight's answer: seconds or 10m", ageSeconds(), func(c *rawCORS) *value[int] { return &c.maxAge }),
		key("allow_private_network", "whether public sites may reach this private one", boolean(), func(c *rawCORS) *value[bool] { return &c.privateNetwork }),
		key("debug", "tell the sender of a refused preflight why; not for production", boolean(), func(c *rawCORS) *value[bool] { return &c.debug }),
	)
	return orMode(full, func(c *rawCORS) *value[string] { return &c.mode })
}

// orMode takes the mode alone for an object that says nothing else.
func orMode[T any](full kind[T], field func(*T) *value[string]) kind[T] {
	return kind[T]{
		schema: schema{"oneOf": []schema{mode().schema, full.schema}},
		read: func(d *decoder, n *node) (T, bool) {
			if n.kind == mappingNode {
				return full.read(d, n)
			}
			var out T
			v, ok := mode().read(d, n)
			*field(&out) = value[string]{v: v, at: n.at, set: ok}
			return out, ok
		},
	}
}

// csrfKind takes "csrf: enforce" for "csrf: {mode: enforce}".
func csrfKind() kind[rawCSRF] {
	full := object(
		key("mode", modeDoc, mode(), func(c *rawCSRF) *value[string] { return &c.mode }),
		key("trust_origins", "origins whose pages may send all the same: https://pay.example.com", list(text()),
			func(c *rawCSRF) *value[[]value[string]] { return &c.trust }),
	)
	return orMode(full, func(c *rawCSRF) *value[string] { return &c.mode })
}

const whenFullDoc = "beyond max_sessions: oldest-out (unless told) or refuse"

func whenFull() kind[string] {
	return word(string(authzsession.OldestOut), string(authzsession.Refuse))
}

// sessionKind takes "session: required" for "session: {require: required}".
func sessionKind() kind[rawSession] {
	require := word("none", "optional", "required")
	full := object(
		key("mode", modeDoc, mode(), func(s *rawSession) *value[string] { return &s.mode }),
		key("require", "none, optional or required", require, func(s *rawSession) *value[string] { return &s.require }),
		key("max_idle", "at most this long since the last request: 30m", seconds(), func(s *rawSession) *value[time.Duration] { return &s.maxIdle }),
		key("max_age", "at most this long since sign-in: 8h", seconds(), func(s *rawSession) *value[time.Duration] { return &s.maxAge }),
		key("max_auth_age", "the person must have proved who they are at most this long ago: 5m", seconds(), func(s *rawSession) *value[time.Duration] { return &s.maxAuthAge }),
		key("passkey", "asks for a session that was begun with a passkey, which no phishing gets: any, or device_bound",
			word("any", "device_bound"), func(s *rawSession) *value[string] { return &s.passkey }),
		key("second_factor", "true asks for a session that was begun with two factors", boolean(), func(s *rawSession) *value[bool] { return &s.secondFactor }),
		key("roles", "the person must have one of these roles", list(text()), func(s *rawSession) *value[[]value[string]] { return &s.roles }),
		key("scopes", "the session or API key must have all of these scopes", list(text()), func(s *rawSession) *value[[]value[string]] { return &s.scopes }),
		key("audience", "whom x-gatehouse-assertion is for; the upstream's name unless told", text(), func(s *rawSession) *value[string] { return &s.audience }),
		key("api_key_scope", "API keys with this scope stand for a session; without it none does", text(), func(s *rawSession) *value[string] { return &s.apiKeyScope }),
		key("max_sessions", "how many of the user's sessions get in here", integer(1, authzsession.MaxCap), func(s *rawSession) *value[int64] { return &s.maxSessions }),
		key("when_full", whenFullDoc, whenFull(), func(s *rawSession) *value[string] { return &s.whenFull }),
		key("cache", "off asks Redis about every request; on (unless told) may know for up to a second what no revocation has touched", word("on", "off"),
			func(s *rawSession) *value[string] { return &s.cache }),
	)
	return kind[rawSession]{
		schema: schema{"oneOf": []schema{require.schema, full.schema}},
		read: func(d *decoder, n *node) (rawSession, bool) {
			if n.kind == mappingNode {
				return full.read(d, n)
			}
			v, ok := require.read(d, n)
			return rawSession{require: value[string]{v: v, at: n.at, set: ok}}, ok
		},
	}
}

func limitKind() kind[rawLimit] {
	return object(
		required(key("name", "name: api_calls", text(), func(l *rawLimit) *value[string] { return &l.name })),
		key("mode", modeDoc, mode(), func(l *rawLimit) *value[string] { return &l.mode }),
		required(key("by", "by: [ip], [user] or both", list(word("ip", "user")), func(l *rawLimit) *value[[]value[string]] { return &l.by })),
		required(key("rate", "rate: 100/60s", rates(), func(l *rawLimit) *value[rate] { return &l.rate })),
		key("algorithm", "how requests are counted; quota takes a rate like 1000/day or 20000/month, concurrency one like 5/10m: five at once, each for ten minutes at most", word("sliding_window", "fixed_window", "gcra", "two_bucket", "quota", "concurrency"), func(l *rawLimit) *value[string] { return &l.algorithm }),
		key("time_zone", "quota: whose calendar, such as Europe/Berlin; UTC unless told", text(), func(l *rawLimit) *value[string] { return &l.timeZone }),
		key("burst", "gcra: how many may come at once", integer(1, 1_000_000_000), func(l *rawLimit) *value[int64] { return &l.burst }),
		key("lease", "how many requests of a hot key each replica counts ahead, to ask Redis less often: as many as it needs, a sixteenth of what is left at most, unless told; 0 asks Redis about every request", integer(0, 250_000_000),
			func(l *rawLimit) *value[int64] { return &l.lease }),
		key("on_redis_error", "deny (503), allow, or local: count in each replica alone", word("deny", "allow", "local"),
			func(l *rawLimit) *value[string] { return &l.onRedisError }),
	)
}

func uploadsKind() kind[rawUploads] {
	return object(
		key("mode", modeDoc, mode(), func(u *rawUploads) *value[string] { return &u.mode }),
		key("allow", "types (pdf) and groups of types (image)", list(text()), func(u *rawUploads) *value[[]value[string]] { return &u.allow }),
		key("max_file_size", "of one file: 20MiB", size(), func(u *rawUploads) *value[int64] { return &u.maxFile }),
		key("max_request_size", "of the whole body: 25MiB", size(), func(u *rawUploads) *value[int64] { return &u.maxRequest }),
		key("max_files", "files in one request", integer(1, 10_000), func(u *rawUploads) *value[int64] { return &u.maxFiles }),
		key("max_unpacked_size", "of what one file holds, unpacked: 512MiB", size(), func(u *rawUploads) *value[int64] { return &u.maxUnpacked }),
		key("max_pixels", "width times height of an image", integer(1, 1<<40), func(u *rawUploads) *value[int64] { return &u.maxPixels }),
		key("on_uncertain", "files that nobody can see into, as encrypted ones", word("accept", "reject", "scan"), func(u *rawUploads) *value[string] { return &u.onUncertain }),
		key("pdf", "actions that lead out of a PDF", uploadPDFKind(), func(u *rawUploads) *value[rawUploadPDF] { return &u.pdf }),
		key("scan", "how files are handed to control.scanner", uploadScanKind(), func(u *rawUploads) *value[rawScan] { return &u.scan }),
		key("fields", "what some fields of a form may hold instead", list(uploadFieldKind()), func(u *rawUploads) *value[[]value[rawUploadField]] { return &u.fields }),
		key("json_fields", "places in JSON bodies that hold files in base64", list(jsonFieldKind()), func(u *rawUploads) *value[[]value[rawJSONField]] { return &u.jsonFields }),
		key("names", "file names that could do harm", word("refuse", "rewrite"), func(u *rawUploads) *value[string] { return &u.names }),
		key("media", "type: of images, sounds and films look at the type alone", word("content", "type"), func(u *rawUploads) *value[string] { return &u.media }),
	)
}

func jsonFieldKind() kind[rawJSONField] {
	return object(
		required(key("path", "$.document.content, or $.files[*].data", text(), func(f *rawJSONField) *value[string] { return &f.path })),
		key("allow", "types and groups of types, instead of the policy's", list(text()), func(f *rawJSONField) *value[[]value[string]] { return &f.allow }),
		key("max_file_size", "of one file, instead of the policy's", size(), func(f *rawJSONField) *value[int64] { return &f.maxFile }),
		key("encoding", "base64url: the alphabet for URLs", word("base64", "base64url"), func(f *rawJSONField) *value[string] { return &f.encoding }),
	)
}

func uploadPDFKind() kind[rawUploadPDF] {
	leads := word(upload.LeadAllow, upload.LeadClick, upload.LeadReject)
	return object(
		key("uri", "addresses: click refuses those that are opened without one", leads, func(p *rawUploadPDF) *value[string] { return &p.uri }),
		key("goto_remote", "other files, as on a share: click refuses those that are opened without one", leads,
			func(p *rawUploadPDF) *value[string] { return &p.gotoRemote }),
	)
}

func uploadScanKind() kind[rawScan] {
	return object(
		key("when", "uncertain (unless told: files that nobody can see into, with on_uncertain: scan) or always", word("uncertain", "always"),
			func(s *rawScan) *value[string] { return &s.when }),
		key("hold", "none (unless told: bytes pass, the end of a file waits) or body: nothing passes before the verdict", word("none", "body"),
			func(s *rawScan) *value[string] { return &s.hold }),
		key("max_hold", "of a body that is held: 8MiB", size(), func(s *rawScan) *value[int64] { return &s.maxHold }),
		key("timeout", "how long the scanner may be silent while it is waited for: 10s", seconds(), func(s *rawScan) *value[time.Duration] { return &s.timeout }),
		key("on_timeout", "reject (unless told: 503) or accept", word("reject", "accept"), func(s *rawScan) *value[string] { return &s.onTimeout }),
		key("on_error", "reject (unless told: 503) or accept: no scanner, no control, or too large a file for it", word("reject", "accept"),
			func(s *rawScan) *value[string] { return &s.onError }),
	)
}

func uploadFieldKind() kind[rawUploadField] {
	return object(
		required(key("name", "of the form's field", text(), func(f *rawUploadField) *value[string] { return &f.name })),
		key("allow", "types and groups of types, instead of the policy's", list(text()), func(f *rawUploadField) *value[[]value[string]] { return &f.allow }),
		key("max_file_size", "of one file, instead of the policy's", size(), func(f *rawUploadField) *value[int64] { return &f.maxFile }),
	)
}
