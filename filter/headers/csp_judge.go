package headers

import (
	"slices"
	"strings"
)

var keywords = []string{
	"'self'", "'none'", "'unsafe-inline'", "'unsafe-eval'", "'unsafe-hashes'", "'strict-dynamic'", "'report-sample'",
	"'wasm-unsafe-eval'", "'inline-speculation-rules'", "'trusted-types-eval'", "'report-sha256'", "'report-sha384'", "'report-sha512'",
	"'unsafe-webtransport-hashes'", NonceSource,
}

// sandboxTokens: HTML section 7.1.5; the two of storage are the Storage Access
// API's and Chromium's.
var sandboxTokens = []string{
	"allow-downloads", "allow-forms", "allow-modals", "allow-orientation-lock", "allow-pointer-lock", "allow-popups",
	"allow-popups-to-escape-sandbox", "allow-presentation", "allow-same-origin", "allow-scripts", "allow-top-navigation",
	"allow-top-navigation-by-user-activation", "allow-top-navigation-to-custom-protocols",
	"allow-storage-access-by-user-activation", "allow-same-site-none-cookies",
}

// judgeCSP reports mistakes in policy c. own holds the directives that the
// policy itself writes: what is wrong elsewhere was written under set.
func (k *compiler) judgeCSP(key string, c, own CSP, config Config) {
	for _, name := range c.Names() {
		j := &directiveJudge{k: k, key: key + "." + name, name: name, values: c[name]}
		if _, written := own[name]; !written {
			if written, value := config.setting(headerOf(key)); value != "" {
				j.key, j.written = "set", written
			}
		}
		j.judge(config)
	}
	if len(c) > 0 && key == "csp" {
		k.weak(c)
	}
}

func headerOf(key string) string {
	if key == "csp" {
		return cspHeader
	}
	return cspOnlyHeader
}

func (k *compiler) judgeReportOnly(config Config) {
	k.judgeCSP("csp_report_only", k.only, config.CSPReportOnly, config)
	for _, name := range []string{"sandbox", "upgrade-insecure-requests"} {
		if _, ok := k.only[name]; ok {
			k.fail("csp_report_only."+name, name, "is ignored in a policy that only reports (CSP Level 3, section 6.3)")
		}
	}
	_, to := k.only["report-to"]
	if _, uri := k.only["report-uri"]; len(k.only) > 0 && !to && !uri {
		k.warn("csp_report_only", "report-to", "is missing: nobody hears what this policy would block")
	}
}

// directiveJudge looks at the values of one directive.
type directiveJudge struct {
	k                  *compiler
	key, name, written string
	values             []string
}

func (j *directiveJudge) fail(value, reason string) {
	if j.written != "" { // the whole policy stands under set
		j.k.fail(j.key, j.written, j.name+": "+value+" "+reason)
		return
	}
	j.k.fail(j.key, value, reason)
}

func (j *directiveJudge) judge(config Config) {
	kind, ok := directives[j.name]
	if !ok {
		j.unknown()
		return
	}
	for i, v := range j.values {
		switch {
		case strings.ContainsAny(v, ";, \t\r\n") || !printable(v):
			j.fail(v, "has a character that would end the value: one source each (CSP Level 3, section 2.3)")
			return
		case slices.Contains(j.values[:i], v):
			j.fail(v, "stands twice")
			return
		}
	}
	switch kind {
	case sources, ancestors:
		j.sources(kind)
	case nothing:
		if len(j.values) > 0 {
			j.fail(j.values[0], "is a value, and "+j.name+" takes none: write []")
		}
	case endpointName:
		j.endpoint(config)
	default:
		j.words(kind)
	}
}

func (j *directiveJudge) unknown() {
	if slices.Contains(gone, j.name) {
		j.fail(j.name, "is no longer part of the standard: browsers ignore it")
		return
	}
	j.fail(j.name, "is no directive (CSP Level 3, section 6): "+nearest(j.name))
}

// nearest proposes the directive that was probably meant.
func nearest(name string) string {
	plain := func(s string) string {
		return strings.NewReplacer("_", "", "-", "", "s", "").Replace(strings.ToLower(s))
	}
	for _, directive := range Directives() {
		if plain(directive) == plain(name) || directive == strings.ToLower(name)+"-src" {
			return "write " + directive
		}
	}
	return "the directives are " + strings.Join(Directives(), ", ")
}

// words judges directives whose values are of a fixed list.
func (j *directiveJudge) words(kind valueKind) {
	for _, v := range j.values {
		switch {
		case kind == sandboxFlags && !slices.Contains(sandboxTokens, v):
			j.fail(v, "is no sandbox flag: the flags are "+strings.Join(sandboxTokens, ", "))
		case kind == sinks && v != "'script'":
			j.fail(v, "is no group of sinks: the only one is 'script' (Trusted Types section 4.3.1)")
		case kind == switches && v != "'allow'" && v != "'block'":
			j.fail(v, "is neither 'allow' nor 'block' (CSP Level 3, section 6.2.1)")
		case kind == typePolicies && strings.HasPrefix(v, "'") && v != "'none'" && v != "'allow-duplicates'":
			j.fail(v, "is no keyword of trusted-types: 'none' and 'allow-duplicates' are")
		case kind == addresses && !strings.HasPrefix(v, "https://") && !strings.HasPrefix(v, "/"):
			j.fail(v, "takes reports without TLS, or is no address: write https://host/path or /path")
		}
	}
	switch {
	case len(j.values) > 0 || kind == sandboxFlags || kind == typePolicies:
	default:
		j.fail("", "has no value")
	}
}

func (j *directiveJudge) endpoint(config Config) {
	if len(j.values) != 1 {
		j.fail(strings.Join(j.values, " "), "is not the name of one endpoint (CSP Level 3, section 6.5.2)")
		return
	}
	if _, ok := config.ReportingEndpoints[j.values[0]]; !ok {
		j.fail(j.values[0], "is no endpoint: name it under reporting_endpoints")
	}
}

func (j *directiveJudge) sources(kind valueKind) {
	if len(j.values) == 0 {
		j.fail("", "has no sources: write 'none' to allow nothing")
	}
	for _, v := range j.values {
		if reason := j.source(kind, v); reason != "" {
			j.fail(v, reason)
		}
	}
}

// source says what is wrong with one source expression (CSP Level 3, section
// 2.3.1).
func (j *directiveJudge) source(kind valueKind, v string) string {
	lower := strings.ToLower(v)
	quoted := "'" + strings.Trim(lower, `"`) + "'"
	switch {
	case lower == "'none'" && len(j.values) > 1:
		return "stands beside other sources and then means nothing: leave one of them out"
	case strings.ContainsAny(v, `"`) || slices.Contains(keywords, quoted) || lower == "nonce" || isHash(quoted) || strings.HasPrefix(lower, "nonce-"):
		return "is a keyword and needs single quotes: '" + strings.Trim(v, `"`) + "'"
	case strings.HasPrefix(lower, "'nonce-"):
		return "would be the same in every response and so no secret: write " + NonceSource
	case isHash(lower):
		return j.hash(v)
	case strings.HasPrefix(v, "'") || strings.HasSuffix(v, "'"):
		return j.keyword(kind, lower)
	}
	return hostSource(v)
}

func (j *directiveJudge) keyword(kind valueKind, lower string) string {
	switch {
	case !slices.Contains(keywords, lower):
		return "is no keyword (CSP Level 3, section 2.3.1): the keywords are " + strings.Join(keywords, ", ")
	case kind == ancestors && lower != "'self'" && lower != "'none'":
		return "has no meaning for frame-ancestors: 'self', 'none' or hosts (CSP Level 3, section 6.4.2)"
	case lower == NonceSource && !takesNonce(j.name):
		return "has no meaning here: nonces are for elements of script and style (CSP Level 3, section 7.1)"
	case lower == "'strict-dynamic'" && !isScript(j.name):
		return "has no meaning here: it is for script-src (CSP Level 3, section 8.2)"
	case lower == "'strict-dynamic'" && !guarded(j.values):
		return "needs a nonce (" + NonceSource + ") or a hash beside it: no script would run (CSP Level 3, section 8.2)"
	case lower == "'unsafe-hashes'" && !slices.ContainsFunc(j.values, func(s string) bool { return isHash(strings.ToLower(s)) }):
		return "needs a hash beside it (CSP Level 3, section 8.3)"
	}
	return ""
}

func takesNonce(name string) bool {
	return slices.Contains([]string{"default-src", "script-src", "script-src-elem", "style-src", "style-src-elem"}, name)
}

func isScript(name string) bool {
	return name == "default-src" || strings.HasPrefix(name, "script-src")
}

func isHash(lower string) bool {
	return strings.HasPrefix(lower, "'sha256-") || strings.HasPrefix(lower, "'sha384-") || strings.HasPrefix(lower, "'sha512-")
}

// hash checks the length of the base64 text: a hash that is cut off allows
// nothing.
func (j *directiveJudge) hash(v string) string {
	size := map[string]int{"256": 44, "384": 64, "512": 88}[v[4:7]]
	digest := strings.TrimSuffix(v[len("'sha256-"):], "'")
	if len(digest) != size || !strings.HasSuffix(v, "'") || !isBase64(digest) {
		return "is no hash of its kind in base64 (CSP Level 3, section 2.3.1)"
	}
	return ""
}

func isBase64(s string) bool {
	s = strings.TrimRight(s, "=")
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("+/-_", r)
	})
}

func guarded(values []string) bool {
	return slices.ContainsFunc(values, func(v string) bool {
		return strings.EqualFold(v, NonceSource) || isHash(strings.ToLower(v))
	})
}

// weak tells of what makes the policy no defence against injected script.
func (k *compiler) weak(c CSP) {
	name := "script-src"
	list, ok := c[name]
	if !ok {
		name = "default-src"
		if list, ok = c[name]; !ok {
			k.warn("csp", "script-src", "is missing, and so is default-src: every script runs")
			return
		}
	}
	k.weakScripts(name, list)
	for _, special := range []string{"script-src-attr", "script-src-elem"} { // they go before script-src
		k.weakScripts(special, c[special])
	}
	if _, ok := c["object-src"]; !ok && !has(c["default-src"], "'none'") {
		k.warn("csp", "object-src", "is missing: plug-ins fall back to default-src; write object-src: [\"'none'\"]")
	}
	if _, ok := c["base-uri"]; !ok {
		k.warn("csp", "base-uri", "is missing: an injected base element redirects relative scripts; write base-uri: [\"'none'\"]")
	}
}

// weakScripts looks at one list of sources of scripts.
func (k *compiler) weakScripts(name string, list []string) {
	warn := func(value, reason string) { k.warn("csp."+name, value, reason) }
	dynamic := has(list, "'strict-dynamic'") // hosts and schemes count for nothing then
	for _, v := range list {
		switch lower := strings.ToLower(v); {
		case lower == "'unsafe-inline'" && !guarded(list):
			warn(v, "lets injected script run: use a nonce ("+NonceSource+") or hashes")
		case everySite(lower) && !dynamic:
			warn(v, "lets every site's scripts run: name the hosts, or use a nonce ("+NonceSource+")")
		case (lower == "data:" || lower == "blob:" || lower == "filesystem:") && !dynamic:
			warn(v, "lets injected script run from a URL of its own making: leave it out")
		case lower == "'unsafe-eval'":
			warn(v, "lets text become script")
		}
	}
}

// everySite tells what anybody's host matches: a scheme, *, https://*, *:443, and
// *.com (CSP Level 3, section 6.7.2.8).
func everySite(source string) bool {
	if source == "http:" || source == "https:" {
		return true
	}
	if _, rest, ok := strings.Cut(source, "://"); ok {
		source = rest
	}
	host, _, _ := strings.Cut(source, "/")
	host, _, _ = strings.Cut(host, ":")
	top, wild := strings.CutPrefix(host, "*")
	return wild && strings.LastIndexByte(top, '.') <= 0
}

func has(list []string, keyword string) bool {
	return slices.ContainsFunc(list, func(v string) bool { return strings.EqualFold(v, keyword) })
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= 0x20 || s[i] >= 0x7f {
			return false
		}
	}
	return s != ""
}
