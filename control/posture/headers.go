package posture

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// leastTransportSecurity is 180 days in seconds: below it, browsers forget
// between two visits.
const leastTransportSecurity = 180 * 24 * 60 * 60

// pages asks for the page over each listener that there is.
func (p *probe) pages(ctx context.Context, t *trial, see func(base string, a answered)) {
	if !p.target.Routes.Page.Known() {
		t.unknown("no page without a session is known: pass --page")
		return
	}
	for _, base := range []string{p.target.HTTP, p.target.HTTPS} {
		if base == "" {
			continue
		}
		if a, ok := p.ask(ctx, t, request{base: base, route: p.target.Routes.Page}); ok {
			see(base, a)
		}
	}
}

// field notes one header field and returns its value.
func (t *trial) field(base string, r Route, a answered, name string) string {
	values := a.header.Values(name)
	came := strings.Join(values, " | ")
	if len(values) == 0 {
		came = "no such field"
	}
	t.saw("GET "+base+r.Path, name+": "+came, "response header")
	if len(values) > 1 {
		t.fail("%s%s sends %s %d times", base, r.Path, name, len(values))
	}
	return a.header.Get(name)
}

func header(name, want string) func(context.Context, *probe, *trial) {
	return func(ctx context.Context, p *probe, t *trial) {
		p.pages(ctx, t, func(base string, a answered) {
			got := t.field(base, p.target.Routes.Page, a, name)
			t.want(strings.EqualFold(got, want), "%s sends %s %q, want %s", base, name, got, want)
		})
	}
}

func contentSecurityPolicy(ctx context.Context, p *probe, t *trial) {
	p.pages(ctx, t, func(base string, a answered) {
		got := t.field(base, p.target.Routes.Page, a, "Content-Security-Policy")
		directives := directivesOf(got)
		scripts, set := directives["script-src"]
		if !set {
			scripts, set = directives["default-src"]
		}
		t.want(set, "%s: neither script-src nor default-src is set", base)
		// A nonce or a hash makes browsers ignore 'unsafe-inline' (CSP 3, section 6.7.3.2).
		strict := slices.ContainsFunc(scripts, func(s string) bool { return strings.HasPrefix(s, "'nonce-") || strings.HasPrefix(s, "'sha") })
		t.want(strict || !slices.Contains(scripts, "'unsafe-inline'"), "%s: scripts may be inline", base)
	})
}

// directivesOf takes a policy apart (CSP 3, section 2.2.1); the first of a name counts.
func directivesOf(policy string) map[string][]string {
	all := map[string][]string{}
	for _, directive := range strings.Split(policy, ";") {
		words := strings.Fields(directive)
		if len(words) == 0 {
			continue
		}
		if name := strings.ToLower(words[0]); all[name] == nil {
			all[name] = append([]string{}, words[1:]...)
		}
	}
	return all
}

func transportSecurity(ctx context.Context, p *probe, t *trial) {
	const name = "Strict-Transport-Security"
	p.pages(ctx, t, func(base string, a answered) {
		got := t.field(base, p.target.Routes.Page, a, name)
		if base == p.target.HTTPS {
			t.want(maxAge(got) >= leastTransportSecurity, "%s sends %q, want a max-age of %d or more", base, got, leastTransportSecurity)
			return
		}
		// RFC 6797 section 7.2: not over insecure transport.
		t.want(got == "", "%s sends it without TLS", base)
	})
	if p.target.HTTPS == "" {
		t.absent("Envoy has no TLS listener here: where TLS ends before it, ask there")
	}
}

func maxAge(field string) int {
	for _, directive := range strings.Split(field, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if n, err := strconv.Atoi(strings.Trim(value, `"`)); err == nil && strings.EqualFold(name, "max-age") {
			return n
		}
	}
	return -1
}

// keepsAddresses are the values that show other sites an origin at most.
var keepsAddresses = []string{"no-referrer", "same-origin", "strict-origin", "origin", "strict-origin-when-cross-origin", "origin-when-cross-origin"}

func referrerPolicy(ctx context.Context, p *probe, t *trial) {
	p.pages(ctx, t, func(base string, a answered) {
		got := t.field(base, p.target.Routes.Page, a, "Referrer-Policy")
		// Of a list, browsers take the last that they know (Referrer Policy, section 8.1).
		words := strings.Split(got, ",")
		t.want(slices.Contains(keepsAddresses, strings.TrimSpace(words[len(words)-1])), "%s sends %q", base, got)
	})
}

// foreign is an origin that nobody can have (RFC 6761 section 6.4).
const foreign = "https://posture.invalid"

func foreignOrigin(ctx context.Context, p *probe, t *trial) {
	asked := false
	for _, route := range []Route{p.target.Routes.CORS, p.target.Routes.Page} {
		if !route.Known() || p.open() == "" {
			continue
		}
		asked = true
		// A limited answer would do, too.
		a, err := p.send(ctx, request{base: p.open(), route: route, header: map[string]string{"Origin": foreign}})
		if err != nil {
			t.unknown("%s%s: %v", p.open(), route.Path, err)
			continue
		}
		got := t.field(p.open()+" with Origin "+foreign+" ", route, a, "Access-Control-Allow-Origin")
		credentials := strings.EqualFold(a.header.Get("Access-Control-Allow-Credentials"), "true")
		t.want(got != foreign && got != "null", "%s allows %s", route.Path, got)
		t.want(got != "*" || !credentials, "%s allows every origin, with credentials", route.Path)
	}
	if !asked {
		t.unknown("no page without a session is known: pass --page")
	}
}

// isProblem tells a problem document (RFC 9457).
func isProblem(a answered) bool {
	return strings.HasPrefix(a.header.Get("Content-Type"), "application/problem+json") && a.status >= http.StatusBadRequest
}
