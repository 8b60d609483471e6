package policy

import (
	"fmt"
	"slices"
	"strings"

	"gatehouse/filter/match"
)

func (k *compiler) routes() {
	taken := map[string]int{}
	for i, raw := range k.raw.routes.v {
		r := k.route(i, raw)
		if line, twice := taken[r.Name]; twice {
			k.d.fail(raw.v.name.or(value[string]{at: raw.at}).at, "two routes of one name", r.Name, fmt.Sprintf("the other is in line %d", line))
		}
		taken[r.Name] = raw.at.line
		k.shadowed(r, raw)
		k.out.Routes = append(k.out.Routes, r)
		k.rule(r)
	}
	if len(k.raw.routes.v) == 0 && k.raw.routes.set {
		k.d.warn(k.raw.routes.at, "there are no routes: every request but those to /auth/ gets 404", "", "")
	}
}

func (k *compiler) route(i int, raw value[rawRoute]) Route {
	r := Route{
		Name: fmt.Sprintf("route-%d", i), Path: raw.v.path.v, PathPrefix: raw.v.prefix.v,
		Upstream: raw.v.upstream.v, Policy: raw.v.policy.v, Line: raw.at.line,
	}
	if raw.v.name.set {
		r.Name = raw.v.name.v
		checkName(k.d, raw.v.name.at, "a route", r.Name)
	}
	k.paths(raw)
	r.Hosts = k.hosts(raw.v.hosts)
	r.Methods = k.methods(raw.v.methods)
	k.upstream(raw.v.upstream)
	if raw.v.policy.set && k.policyExists(raw.v.policy) {
		r.Policy = k.routePolicy(r.Name, raw.v)
	}
	return r
}

// routePolicy is the effective policy's name; a route that overrides features
// has one of its own.
func (k *compiler) routePolicy(route string, raw rawRoute) string {
	f := k.family.resolve(raw.policy.v, nil)
	name := raw.policy.v
	k.used["policy "+name] = true
	if raw.overrides() {
		f = inherit(raw.rawFeatures, f)
		name += "@" + route
		k.effective(name, f)
	}
	k.enforced(name, f)
	return name
}

func (f rawFeatures) overrides() bool {
	return f.headers.set || f.cors.set || f.csrf.set || f.session.set || f.limits.set || f.uploads.set
}

func (k *compiler) upstream(ref value[string]) {
	if !ref.set {
		return
	}
	var known []string
	for _, u := range k.raw.upstreams.v {
		known = append(known, u.name)
	}
	if !slices.Contains(known, ref.v) {
		k.d.fail(ref.at, "unknown upstream", ref.v, suggest(ref.v, known, "upstream"))
	}
	k.used["upstream "+ref.v] = true
}

func (k *compiler) paths(raw value[rawRoute]) {
	path, prefix := raw.v.path, raw.v.prefix
	switch {
	case path.set && prefix.set:
		k.d.fail(prefix.at, "path and path_prefix are both set", prefix.v, "keep path for one path, path_prefix for all below it")
	case !path.set && !prefix.set:
		k.d.fail(raw.at, "the route has no path", "", `write path_prefix: / for all paths`)
	}
	for _, p := range []value[string]{path, prefix} {
		if p.set {
			k.path(p)
		}
	}
}

// path refuses what can never match: Envoy normalises paths before it routes.
func (k *compiler) path(p value[string]) {
	lower := strings.ToLower(p.v)
	switch {
	case !strings.HasPrefix(p.v, "/"):
		k.d.fail(p.at, "a path begins with /", p.v, "write /"+p.v)
	case strings.ContainsAny(p.v, "?#"):
		k.d.fail(p.at, "a path has no query and no fragment", p.v, "leave them out")
	case strings.Contains(p.v, "//"):
		k.d.fail(p.at, "never matches: slashes are merged before routing", p.v, "write a single /")
	case slices.ContainsFunc(strings.Split(p.v, "/"), func(s string) bool { return s == "." || s == ".." }):
		k.d.fail(p.at, "never matches: . and .. are resolved before routing", p.v, "write the path without them")
	case strings.Contains(lower, "%2f") || strings.Contains(lower, "%5c") || strings.Contains(p.v, `\`):
		k.d.fail(p.at, "never matches: escaped slashes and backslashes are refused before routing", p.v, "leave them out")
	case strings.ContainsFunc(p.v, func(c rune) bool { return c <= ' ' || c >= 0x7f }):
		k.d.fail(p.at, "never matches: not a character of a path", p.v, "write it percent-encoded (RFC 3986 section 2.1)")
	case strings.ContainsAny(p.v, "*{}[]()^$"):
		k.d.warn(p.at, "these characters are taken as they are: paths have no patterns", p.v, "use path_prefix")
	}
}

func (k *compiler) hosts(list value[[]value[string]]) []string {
	var out []string
	if list.set && len(list.v) == 0 {
		k.d.fail(list.at, "an empty list of hosts matches nothing", "", "name hosts, or leave hosts out to match all")
	}
	for _, h := range list.v {
		switch mistake := (&match.Rule{Hosts: []string{h.v}}).Mistake(); {
		case h.v != strings.ToLower(h.v):
			k.d.fail(h.at, "host names are compared in lower case", h.v, "write "+strings.ToLower(h.v))
		case strings.Contains(h.v, "://"):
			k.d.fail(h.at, "a host has no scheme", h.v, "leave it out")
		case mistake != "":
			k.d.fail(h.at, mistake, h.v, "write app.example.com or *.example.com")
		}
		out = append(out, h.v)
	}
	return out
}

func (k *compiler) methods(list value[[]value[string]]) []string {
	var out []string
	if list.set && len(list.v) == 0 {
		k.d.fail(list.at, "an empty list of methods matches nothing", "", "name methods, or leave methods out to match all")
	}
	for _, m := range list.v {
		upper := strings.ToUpper(m.v)
		switch {
		case upper == "CONNECT" || upper == "TRACE":
			k.d.fail(m.at, "is never routed", m.v, "leave it out")
		case m.v == "" || strings.ContainsFunc(m.v, func(c rune) bool { return (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' }):
			k.d.fail(m.at, "not an HTTP method", m.v, "write one like GET")
		case m.v != upper:
			k.d.fail(m.at, "methods are case-sensitive (RFC 9110 section 9.1)", m.v, "write "+upper)
		case slices.Contains(out, m.v):
			k.d.fail(m.at, "the method stands twice", m.v, "leave one")
		}
		out = append(out, m.v)
	}
	return out
}

// shadowed warns of a route that no request reaches.
func (k *compiler) shadowed(r Route, raw value[rawRoute]) {
	if r.Path+r.PathPrefix == "" {
		return
	}
	if coversPath(Route{PathPrefix: AuthPrefix}, r) {
		k.d.warn(raw.at, "no request reaches this route: Gatehouse serves "+AuthPrefix+" itself", r.Path+r.PathPrefix, "choose another path")
		return
	}
	for _, earlier := range k.out.Routes {
		if coversPath(earlier, r) && coversHosts(earlier.Hosts, r.Hosts) && coversMethods(earlier.Methods, r.Methods) {
			k.d.warn(raw.at, fmt.Sprintf("no request reaches this route: %s in line %d matches first", earlier.Name, earlier.Line),
				r.Path+r.PathPrefix, "put it before that one")
			return
		}
	}
}

func coversPath(earlier, later Route) bool {
	if earlier.PathPrefix == "" {
		return earlier.Path == later.Path && later.PathPrefix == ""
	}
	return match.HasPathPrefix(later.Path+later.PathPrefix, earlier.PathPrefix)
}

func coversHosts(earlier, later []string) bool {
	if len(earlier) == 0 || slices.Contains(earlier, "*") {
		return true
	}
	covered := func(h string) bool {
		return slices.ContainsFunc(earlier, func(e string) bool { return e == h || match.HostMatches(e, h) })
	}
	return len(later) > 0 && !slices.ContainsFunc(later, func(h string) bool { return !covered(h) })
}

func coversMethods(earlier, later []string) bool {
	if len(earlier) == 0 {
		return true
	}
	return len(later) > 0 && !slices.ContainsFunc(later, func(m string) bool { return !slices.Contains(earlier, m) })
}
