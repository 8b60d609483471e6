package policy

import (
	"net/url"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"

	"gatehouse/filter/cors"
	filterpolicy "gatehouse/filter/policy"
)

func (k *compiler) cors(raw value[rawCORS], t trace) *filterpolicy.CORS {
	if !raw.set {
		return nil
	}
	t["cors"] = raw.at
	c := &filterpolicy.CORS{
		Mode:                filterpolicy.Mode(put(t, "cors.mode", raw.v.mode)),
		AllowOrigins:        putList(t, "cors.allow_origins", raw.v.origins),
		AllowCredentials:    put(t, "cors.allow_credentials", raw.v.credentials),
		AllowMethods:        putList(t, "cors.allow_methods", raw.v.methods),
		AllowHeaders:        putList(t, "cors.allow_headers", raw.v.allow),
		ExposeHeaders:       putList(t, "cors.expose_headers", raw.v.expose),
		AllowPrivateNetwork: put(t, "cors.allow_private_network", raw.v.privateNetwork),
		Debug:               put(t, "cors.debug", raw.v.debug),
	}
	if raw.v.maxAge.set {
		age := put(t, "cors.max_age", raw.v.maxAge)
		c.MaxAge = &age
	}
	if c.Mode == filterpolicy.Off {
		return c
	}
	_, err := cors.Compile(cors.Config{
		AllowOrigins: c.AllowOrigins, AllowCredentials: c.AllowCredentials, AllowMethods: c.AllowMethods,
		AllowHeaders: c.AllowHeaders, ExposeHeaders: c.ExposeHeaders, MaxAge: c.MaxAge, AllowPrivateNetwork: c.AllowPrivateNetwork,
		Debug: c.Debug,
	})
	k.judge(err, "cors", t)
	for _, o := range raw.v.origins.v {
		k.publicSuffix(o)
		k.punycode(o)
	}
	if c.Debug {
		k.d.warn(raw.v.debug.at, "refused preflights tell everybody what is allowed", "", "leave it out in production")
	}
	return c
}

// publicSuffix refuses wildcards under a domain whose names belong to anybody:
// https://*.github.io (https://publicsuffix.org).
func (k *compiler) publicSuffix(origin value[string]) {
	_, base, ok := strings.Cut(origin.v, "://*.")
	if !ok {
		return
	}
	base, _, _ = strings.Cut(strings.TrimSuffix(base, ":*"), ":")
	if suffix, _ := publicsuffix.PublicSuffix(base); suffix == base && !k.d.blamed(origin.at.path) {
		k.d.fail(origin.at, "allows everybody who registers a name under "+base, origin.v, "name your own domain: https://*.example."+base)
	}
}

// punycode refuses a label that begins with xn-- and says nothing: no browser
// sends it (URL standard, section 3.3 "domain to ASCII").
func (k *compiler) punycode(origin value[string]) {
	if !strings.Contains(origin.v, "xn--") || k.d.blamed(origin.at.path) {
		return
	}
	host := strings.TrimPrefix(hostOf(origin.v), "*.")
	if text, err := idna.Lookup.ToUnicode(host); err != nil || isASCII(text) {
		k.d.fail(origin.at, "is no punycode that a browser makes of a name", origin.v, "write the name itself, the message will say its punycode")
	}
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}

// hostOf is the host of scheme://host[:port], whatever else is wrong with it.
func hostOf(origin string) string {
	_, rest, _ := strings.Cut(origin, "://")
	rest, _, _ = strings.Cut(rest, "/")
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, ']') {
		rest = rest[:i]
	}
	return rest
}

// suggestionFor is what was probably meant by a refused origin.
func suggestionFor(key, offending string) string {
	if key != "allow_origins" && key != "trust_origins" || offending == "" || offending == "*" || offending == "null" {
		return ""
	}
	meant := meantOrigin(offending)
	if meant == "" || meant == offending {
		return ""
	}
	if _, mistakes := cors.ParseOrigins([]string{meant}); len(mistakes) > 0 {
		return ""
	}
	return "write " + meant
}

// meantOrigin is the origin of a URL, as a browser would write it; empty if
// there is none.
func meantOrigin(s string) string {
	s = strings.TrimSpace(s)
	if !strings.Contains(s, "://") {
		s = "https://" + s
	}
	scheme, _, _ := strings.Cut(s, "://")
	anyPort, wildcard := strings.HasSuffix(s, ":*"), strings.Contains(s, "://*.")
	u, err := url.Parse(strings.Replace(strings.TrimSuffix(s, ":*"), "://*.", "://", 1))
	if err != nil || u.Hostname() == "" {
		return ""
	}
	host, err := idna.Lookup.ToASCII(strings.TrimSuffix(u.Hostname(), "."))
	if strings.Contains(u.Hostname(), ":") {
		host, err = "["+u.Hostname()+"]", nil
	}
	if err != nil {
		return ""
	}
	port := u.Port()
	if u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		port = ""
	}
	out := strings.ToLower(scheme) + "://"
	if wildcard {
		out += "*."
	}
	out += strings.ToLower(host)
	switch {
	case anyPort:
		out += ":*"
	case port != "" && !wildcard:
		out += ":" + port
	}
	return out
}
