package policy

import (
	"net/http"
	"slices"
	"strings"

	"gatehouse/filter/headers"
	filterpolicy "gatehouse/filter/policy"
)

type rawHeaders struct {
	mode, preset             value[string]
	set, endpoints, existing value[[]named[string]]
	remove, clear            value[[]value[string]]
	csp, cspOnly             value[[]named[sourceList]]
	cookies                  value[rawCookies]
}

// sourceList are the values of one directive, each with its place.
type sourceList []value[string]

type rawCookies struct {
	secure, httpOnly value[bool]
	sameSite         value[string]
	readable, except value[[]value[string]]
}

func headersKind() kind[rawHeaders] {
	const cspDoc = `Content-Security-Policy by directive: {script-src: ["'self'", "'nonce'"], upgrade-insecure-requests: []}`
	return object(
		key("mode", modeDoc, mode(), func(h *rawHeaders) *value[string] { return &h.mode }),
		key("preset", "a set of headers to begin with", word(headers.Presets()...), func(h *rawHeaders) *value[string] { return &h.preset }),
		key("set", `single headers by name; "" takes one of the preset away`, dictionary(anyText()), func(h *rawHeaders) *value[[]named[string]] { return &h.set }),
		key("remove", "response headers of the upstream that must not leave", list(text()), func(h *rawHeaders) *value[[]value[string]] { return &h.remove }),
		key("csp", cspDoc+`; over the preset's; "" takes a directive away`, dictionary(sourcesKind()), func(h *rawHeaders) *value[[]named[sourceList]] { return &h.csp }),
		key("csp_report_only", "a policy that only reports, beside the enforced one", dictionary(sourcesKind()),
			func(h *rawHeaders) *value[[]named[sourceList]] { return &h.cspOnly }),
		key("reporting_endpoints", "where browsers send reports, by the name in report-to: an https URL, or a path", dictionary(text()),
			func(h *rawHeaders) *value[[]named[string]] { return &h.endpoints }),
		key("existing", "what becomes of a header that the upstream sets itself: replace (unless told), keep or merge", dictionary(word("replace", "keep", "merge")),
			func(h *rawHeaders) *value[[]named[string]] { return &h.existing }),
		key("cookies", "how the upstream's cookies are hardened", cookiesKind(), func(h *rawHeaders) *value[rawCookies] { return &h.cookies }),
		key("clear_site_data", "what browsers forget when a response succeeds, for sign-out: [cache, cookies, storage]", list(text()),
			func(h *rawHeaders) *value[[]value[string]] { return &h.clear }),
	)
}

func cookiesKind() kind[rawCookies] {
	return object(
		key("secure", "add Secure over TLS", boolean(), func(c *rawCookies) *value[bool] { return &c.secure }),
		key("http_only", "add HttpOnly", boolean(), func(c *rawCookies) *value[bool] { return &c.httpOnly }),
		key("same_site", "add SameSite where the upstream says nothing: Lax, Strict, or keep to add none", word("Lax", "Strict", "keep"),
			func(c *rawCookies) *value[string] { return &c.sameSite }),
		key("script_readable", "names of cookies that scripts read: no HttpOnly", list(text()), func(c *rawCookies) *value[[]value[string]] { return &c.readable }),
		key("except", "names of cookies that stay as they are", list(text()), func(c *rawCookies) *value[[]value[string]] { return &c.except }),
	)
}

// sourcesKind takes a list, or a text with white space between the values.
func sourcesKind() kind[sourceList] {
	items := list(text())
	return kind[sourceList]{
		schema: schema{"oneOf": []schema{items.schema, {"type": "string"}}},
		read: func(d *decoder, n *node) (sourceList, bool) {
			if n.kind != stringNode {
				read, ok := items.read(d, n)
				return read, ok
			}
			if n.text == "" {
				return sourceList{{v: "", at: n.at, set: true}}, true
			}
			var out sourceList
			for source := range strings.FieldsSeq(n.text) {
				out = append(out, value[string]{v: source, at: n.at, set: true})
			}
			return out, true
		},
	}
}

func inheritHeaders(own, parent value[rawHeaders]) value[rawHeaders] {
	if !own.set || !parent.set {
		return own.or(parent)
	}
	h, p := &own.v, parent.v
	h.mode, h.preset, h.remove, h.clear = h.mode.or(p.mode), h.preset.or(p.preset), h.remove.or(p.remove), h.clear.or(p.clear)
	h.set, h.existing, h.endpoints = byName(h.set, p.set), byName(h.existing, p.existing), byName(h.endpoints, p.endpoints)
	h.csp, h.cspOnly = byName(h.csp, p.csp), byName(h.cspOnly, p.cspOnly)
	if !h.cookies.set || !p.cookies.set {
		h.cookies = h.cookies.or(p.cookies)
		return own
	}
	c, inherited := &h.cookies.v, p.cookies.v
	c.secure, c.httpOnly, c.sameSite = c.secure.or(inherited.secure), c.httpOnly.or(inherited.httpOnly), c.sameSite.or(inherited.sameSite)
	c.readable, c.except = c.readable.or(inherited.readable), c.except.or(inherited.except)
	return own
}

// byName fills in the entries that own does not have.
func byName[V any](own, parent value[[]named[V]]) value[[]named[V]] {
	if !own.set || !parent.set {
		return own.or(parent)
	}
	merged := slices.Clone(own.v)
	for _, inherited := range parent.v {
		if !slices.ContainsFunc(own.v, func(o named[V]) bool { return strings.EqualFold(o.name, inherited.name) }) {
			merged = append(merged, inherited)
		}
	}
	own.v = merged
	return own
}

func (k *compiler) headers(raw value[rawHeaders], t trace) *filterpolicy.Headers {
	if !raw.set {
		return nil
	}
	t["headers"] = raw.at
	h := &filterpolicy.Headers{
		Mode:               filterpolicy.Mode(put(t, "headers.mode", raw.v.mode)),
		Preset:             put(t, "headers.preset", raw.v.preset),
		Remove:             putList(t, "headers.remove", raw.v.remove),
		Set:                k.headerNames(t, "headers.set", raw.v.set),
		Existing:           k.headerNames(t, "headers.existing", raw.v.existing),
		CSP:                putDirectives(t, "headers.csp", raw.v.csp),
		CSPReportOnly:      putDirectives(t, "headers.csp_report_only", raw.v.cspOnly),
		ReportingEndpoints: putTexts(t, "headers.reporting_endpoints", raw.v.endpoints),
		Cookies:            putCookies(t, raw.v.cookies),
		ClearSiteData:      putList(t, "headers.clear_site_data", raw.v.clear),
	}
	if h.Mode == filterpolicy.Off {
		return h
	}
	compiled, err := h.Compile()
	k.judge(err, "headers", t)
	if err == nil {
		for _, w := range compiled.Warnings() {
			f := t.find(w, "headers")
			k.d.warn(f.at, f.reason, f.offending, "")
		}
	}
	return h
}

// headerNames reads values by header name, in one spelling.
func (k *compiler) headerNames(t trace, path string, raw value[[]named[string]]) map[string]string {
	if !raw.set {
		return nil
	}
	t[path] = raw.at
	out := make(map[string]string, len(raw.v))
	for _, single := range raw.v {
		name := http.CanonicalHeaderKey(single.name)
		if _, twice := out[name]; twice {
			k.d.fail(single.keyAt, "the header stands twice: letter case makes no difference", single.name, "leave one")
		}
		out[name] = single.v
		t[path+"."+name], t[path+"="+name] = single.keyAt, single.keyAt
	}
	return out
}

func putTexts(t trace, path string, raw value[[]named[string]]) map[string]string {
	if !raw.set {
		return nil
	}
	t[path] = raw.at
	out := make(map[string]string, len(raw.v))
	for _, single := range raw.v {
		out[single.name] = single.v
		t[path+"."+single.name] = single.keyAt
	}
	return out
}

func putDirectives(t trace, path string, raw value[[]named[sourceList]]) map[string][]string {
	if !raw.set {
		return nil
	}
	t[path] = raw.at
	out := make(map[string][]string, len(raw.v))
	for _, d := range raw.v {
		at := path + "." + d.name
		out[d.name] = append([]string{}, putList(t, at, value[[]value[string]]{v: d.v, at: d.keyAt, set: true})...)
	}
	return out
}

func putCookies(t trace, raw value[rawCookies]) *filterpolicy.Cookies {
	if !raw.set {
		return nil
	}
	t["headers.cookies"] = raw.at
	c := &filterpolicy.Cookies{
		SameSite:       put(t, "headers.cookies.same_site", raw.v.sameSite),
		ScriptReadable: putList(t, "headers.cookies.script_readable", raw.v.readable),
		Except:         putList(t, "headers.cookies.except", raw.v.except),
	}
	if raw.v.secure.set {
		secure := put(t, "headers.cookies.secure", raw.v.secure)
		c.Secure = &secure
	}
	if raw.v.httpOnly.set {
		httpOnly := put(t, "headers.cookies.http_only", raw.v.httpOnly)
		c.HTTPOnly = &httpOnly
	}
	return c
}
