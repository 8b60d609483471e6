package headers

import (
	"slices"
	"strings"
)

// Cookies hardens what the upstream sets (RFC 6265bis section 4.1.2). A nil
// field leaves the preset's.
type Cookies struct {
	// Secure and HTTPOnly add the attribute to every cookie without it.
	Secure, HTTPOnly *bool
	// SameSite is added where the upstream says nothing: Lax, Strict, or keep to
	// add none.
	SameSite string
	// ScriptReadable names cookies that get no HttpOnly, Except those that stay
	// as they are.
	ScriptReadable, Except []string
}

// keepSameSite leaves the choice to the browser.
const keepSameSite = "keep"

// cookieRules are compiled Cookies; the zero value changes nothing.
type cookieRules struct {
	secure, httpOnly bool
	sameSite         string // "; SameSite=Lax", or empty
	readable, except []string
}

func (r *cookieRules) active() bool { return r.secure || r.httpOnly || r.sameSite != "" }

func (r cookieRules) String() string {
	var parts []string
	if r.secure {
		parts = append(parts, "Secure over TLS")
	}
	if r.httpOnly {
		parts = append(parts, "HttpOnly")
	}
	if r.sameSite != "" {
		parts = append(parts, strings.TrimPrefix(r.sameSite, "; "))
	}
	out := strings.Join(parts, ", ")
	if len(r.readable) > 0 {
		out += "; without HttpOnly: " + strings.Join(r.readable, ", ")
	}
	if len(r.except) > 0 {
		out += "; untouched: " + strings.Join(r.except, ", ")
	}
	return out
}

func (k *compiler) cookies(base *Cookies, own *Cookies) {
	for _, c := range []*Cookies{base, own} {
		if c == nil {
			continue
		}
		if c.Secure != nil {
			k.rules.secure = *c.Secure
		}
		if c.HTTPOnly != nil {
			k.rules.httpOnly = *c.HTTPOnly
		}
		k.sameSite(c.SameSite)
		k.rules.readable = k.cookieNames("cookies.script_readable", c.ScriptReadable, k.rules.readable)
		k.rules.except = k.cookieNames("cookies.except", c.Except, k.rules.except)
	}
	for _, name := range k.rules.readable {
		if slices.Contains(k.rules.except, name) {
			k.fail("cookies.except", name, "stands under script_readable too: leave it out of one")
		}
	}
	if len(k.rules.readable)+len(k.rules.except) > 0 && !k.rules.active() {
		k.warn("cookies", "", "has exceptions and no rule: set secure, http_only or same_site")
	}
}

func (k *compiler) sameSite(value string) {
	switch value {
	case "":
	case "Lax", "Strict":
		k.rules.sameSite = "; SameSite=" + value
	case keepSameSite:
		k.rules.sameSite = ""
	default:
		k.fail("cookies.same_site", value, "is not Lax, Strict or keep: None is what a cookie must ask for itself")
	}
}

func (k *compiler) cookieNames(key string, names, inherited []string) []string {
	if names == nil {
		return inherited
	}
	for i, name := range names {
		switch {
		case !isCookieName(name):
			k.fail(key, name, "is no cookie's name (RFC 6265bis section 5.6)")
		case slices.Contains(names[:i], name):
			k.fail(key, name, "stands twice")
		}
	}
	return names
}

// isCookieName tells what browsers take for a name. It need not be a token, as
// servers should write it (RFC 6265bis section 4.1.1): "cart[1]" is in use, and
// exceptions are for what is old.
func isCookieName(s string) bool {
	return s != "" && s == strings.Trim(s, " \t") && !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' || r == 0x7f || r == ';' || r == '='
	})
}

// hardenAll changes the Set-Cookie lines of a response; ok is false if none
// needs it.
func (r *cookieRules) hardenAll(lines []string, tls bool) (out []string, ok bool) {
	for i, line := range lines {
		hardened := r.harden(line, tls)
		if hardened != line && !ok {
			ok, out = true, slices.Clone(lines)
		}
		if ok {
			out[i] = hardened
		}
	}
	return out, ok
}

// harden returns one Set-Cookie line as it should leave. Secure is added over
// TLS only: without TLS the browser would refuse the cookie (RFC 6265bis section
// 5.7). A name with a prefix, SameSite=None or Partitioned gets what it promises,
// because browsers drop the cookie without (sections 4.1.3 and 5.7; CHIPS, section
// 3.1).
func (r *cookieRules) harden(line string, tls bool) string {
	pair, rest, _ := strings.Cut(line, ";")
	name, _, found := strings.Cut(pair, "=")
	if name = strings.Trim(name, " \t"); !found {
		name = "" // a nameless cookie (section 5.6, step 4)
	}
	if slices.Contains(r.except, name) {
		return line
	}
	p, has := prefixOf(name), attributesOf(rest)
	out := line
	if p.host && (has.domain || !has.root) {
		out = pair + withoutScope(rest) + "; Path=/"
	}
	if !has.secure && (r.secure && tls || p.secure || has.partitioned || has.sameSite == "none") {
		out += "; Secure"
	}
	if !has.httpOnly && (p.http || r.httpOnly && !slices.Contains(r.readable, name)) {
		out += "; HttpOnly"
	}
	if has.sameSite == "" {
		out += r.sameSite
	}
	return out
}

// prefix is what a cookie's name promises (RFC 6265bis section 4.1.3, compared
// without regard to case: section 5.7).
type prefix struct{ secure, host, http bool }

func prefixOf(name string) prefix {
	if len(name) < len("__http-") || name[0] != '_' || name[1] != '_' {
		return prefix{}
	}
	switch lower := strings.ToLower(name); {
	case strings.HasPrefix(lower, "__host-http-"):
		return prefix{secure: true, host: true, http: true}
	case strings.HasPrefix(lower, "__host-"):
		return prefix{secure: true, host: true}
	case strings.HasPrefix(lower, "__http-"):
		return prefix{secure: true, http: true}
	case strings.HasPrefix(lower, "__secure-"):
		return prefix{secure: true}
	}
	return prefix{}
}

type attributes struct {
	secure, httpOnly, domain, root, partitioned bool
	sameSite                                    string // strict, lax, none; else empty
}

// maxAttribute is how many bytes the value of an attribute may have: browsers take
// no notice of an attribute with more (RFC 6265bis section 5.6, step 6).
const maxAttribute = 1024

// attributesOf reads what follows the first semicolon; of an attribute that
// stands twice, the last counts (RFC 6265bis section 5.7).
func attributesOf(rest string) attributes {
	var has attributes
	for part := range strings.SplitSeq(rest, ";") {
		name, value, _ := strings.Cut(part, "=")
		name, value = strings.Trim(name, " \t"), strings.Trim(value, " \t")
		switch {
		case len(value) > maxAttribute:
		case strings.EqualFold(name, "secure"):
			has.secure = true
		case strings.EqualFold(name, "httponly"):
			has.httpOnly = true
		case strings.EqualFold(name, "partitioned"):
			has.partitioned = true
		case strings.EqualFold(name, "domain"):
			has.domain = value != ""
		case strings.EqualFold(name, "path"):
			has.root = value == "/"
		case strings.EqualFold(name, "samesite"):
			has.sameSite = ""
			for _, known := range []string{"strict", "lax", "none"} {
				if strings.EqualFold(value, known) {
					has.sameSite = known
				}
			}
		}
	}
	return has
}

// withoutScope leaves out Domain and Path.
func withoutScope(rest string) string {
	var out strings.Builder
	for part := range strings.SplitSeq(rest, ";") {
		name, _, _ := strings.Cut(part, "=")
		name = strings.Trim(name, " \t")
		if name != "" && !strings.EqualFold(name, "domain") && !strings.EqualFold(name, "path") {
			out.WriteString(";" + part)
		}
	}
	return out.String()
}
