package cors

import (
	"strconv"
	"strings"
	"testing"
)

func compile(t testing.TB, c Config) *Policy {
	t.Helper()
	p, err := Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func lines(h []Header) string {
	var b strings.Builder
	for _, e := range h {
		b.WriteString(e.Name + "=" + e.Value + "\n")
	}
	return b.String()
}

func TestPreflight(t *testing.T) {
	age := func(n int) *int { return &n }
	const vary = "vary=Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network\n"
	base := Config{
		AllowOrigins: []string{"https://a.example"}, AllowMethods: []string{"PUT", "DELETE"},
		AllowHeaders: []string{"X-Token", "Content-Type"}, AllowCredentials: true, MaxAge: age(600),
	}
	open := Config{AllowOrigins: []string{"*"}, AllowMethods: []string{"*"}, AllowHeaders: []string{"*"}}
	const origin = "access-control-allow-origin=https://a.example\naccess-control-allow-credentials=true\n"
	tests := []struct {
		name string
		c    Config
		r    Request
		rule string
		want string
	}{
		{"a listed method", base, Request{RequestMethod: []string{"PUT"}}, "",
			vary + origin + "access-control-allow-methods=PUT, DELETE\naccess-control-max-age=600\n"},
		{"a safelisted method needs no permission", base, Request{RequestMethod: []string{"POST"}}, "",
			vary + origin + "access-control-max-age=600\n"},
		{"listed headers in any case", base, Request{RequestMethod: []string{"GET"}, RequestHeaders: []string{"content-type,X-TOKEN"}}, "",
			vary + origin + "access-control-allow-headers=x-token, content-type\naccess-control-max-age=600\n"},
		{"empty elements of the list count for nothing", base, Request{RequestMethod: []string{"GET"}, RequestHeaders: []string{", ,x-token ,"}}, "",
			vary + origin + "access-control-allow-headers=x-token, content-type\naccess-control-max-age=600\n"},
		{"an empty list asks for nothing", base, Request{RequestMethod: []string{"GET"}, RequestHeaders: []string{""}}, "",
			vary + origin + "access-control-max-age=600\n"},
		{"another origin", base, Request{Origins: []string{"https://b.example"}, RequestMethod: []string{"PUT"}}, "cors_origin", vary},
		{"an origin twice", base, Request{Origins: []string{"https://a.example", "https://a.example"}, RequestMethod: []string{"PUT"}}, "cors_origin", vary},
		{"a method that is not listed", base, Request{RequestMethod: []string{"PATCH"}}, "cors_method", vary},
		{"a listed method in lower case", base, Request{RequestMethod: []string{"put"}}, "cors_method", vary},
		{"two methods", base, Request{RequestMethod: []string{"PUT", "PUT"}}, "cors_method", vary},
		{"a header that is not listed", base, Request{RequestMethod: []string{"GET"}, RequestHeaders: []string{"x-token,x-other"}}, "cors_header", vary},
		{"a header that is no token", base, Request{RequestMethod: []string{"GET"}, RequestHeaders: []string{"x token"}}, "cors_header", vary},
		{"too many headers", base, Request{RequestMethod: []string{"GET"}, RequestHeaders: []string{strings.Repeat("x-token,", 129)}}, "cors_header", vary},
		{"a list too long", base, Request{RequestMethod: []string{"GET"}, RequestHeaders: []string{strings.Repeat("x", 5000)}}, "cors_header", vary},
		{"a private network that is not allowed", base, Request{RequestMethod: []string{"GET"}, PrivateNetwork: []string{"true"}}, "cors_private_network", vary},
		{"any method is answered with the one asked for", open, Request{RequestMethod: []string{"PATCH"}}, "",
			vary + "access-control-allow-origin=*\naccess-control-allow-methods=PATCH\n"},
		{"any method is still no forbidden one", open, Request{RequestMethod: []string{"TRACE"}}, "cors_method", vary},
		{"any header is answered with those asked for", open, Request{RequestMethod: []string{"GET"}, RequestHeaders: []string{"x-a,x-b"}}, "",
			vary + "access-control-allow-origin=*\naccess-control-allow-headers=x-a, x-b\n"},
		{"any header does not cover Authorization", open, Request{RequestMethod: []string{"GET"}, RequestHeaders: []string{"authorization"}}, "cors_header", vary},
		{"any header covers Authorization with credentials, which make it no wildcard",
			Config{AllowOrigins: []string{"https://a.example"}, AllowCredentials: true, AllowHeaders: []string{"*"}},
			Request{RequestMethod: []string{"GET"}, RequestHeaders: []string{"authorization"}}, "",
			vary + origin + "access-control-allow-headers=authorization\n"},
		{"any header and Authorization named", Config{AllowOrigins: []string{"*"}, AllowHeaders: []string{"*", "Authorization"}},
			Request{RequestMethod: []string{"GET"}, RequestHeaders: []string{"authorization,x-a"}}, "",
			vary + "access-control-allow-origin=*\naccess-control-allow-headers=authorization, x-a\n"},
		{"any header is still no forbidden one", open, Request{RequestMethod: []string{"GET"}, RequestHeaders: []string{"cookie"}}, "cors_header", vary},
		{"headers asked for twice and in odd case are answered once", open,
			Request{RequestMethod: []string{"GET"}, RequestHeaders: []string{"X-A,x-a", " x-b\t"}}, "",
			vary + "access-control-allow-origin=*\naccess-control-allow-headers=x-a, x-b\n"},
		{"lists too long together", open, Request{RequestMethod: []string{"GET"},
			RequestHeaders: []string{strings.Repeat("x", 3000), strings.Repeat("y", 3000)}}, "cors_header", vary},
		{"a private network asked for in another case is not asked for", base,
			Request{RequestMethod: []string{"GET"}, PrivateNetwork: []string{"TRUE"}}, "", vary + origin + "access-control-max-age=600\n"},
		{"a private network asked for twice is not asked for", Config{AllowOrigins: []string{"https://a.example"}, AllowPrivateNetwork: true},
			Request{RequestMethod: []string{"GET"}, PrivateNetwork: []string{"true", "true"}}, "", vary + "access-control-allow-origin=https://a.example\n"},
		{"a star does not answer a malformed origin", open, Request{Origins: []string{"nonsense"}, RequestMethod: []string{"GET"}}, "cors_origin", vary},
		{"a star answers null", open, Request{Origins: []string{"null"}, RequestMethod: []string{"GET"}}, "", vary + "access-control-allow-origin=*\n"},
		{"debug tells the reason", Config{AllowOrigins: []string{"https://a.example"}, Debug: true},
			Request{RequestMethod: []string{"PATCH"}}, "cors_method",
			vary + "x-gatehouse-cors=method \"PATCH\" is not allowed: add it to allow_methods\n"},
		{"debug makes what was sent printable", Config{AllowOrigins: []string{"https://a.example"}, Debug: true},
			Request{Origins: []string{"https://\r\nx: ü"}, RequestMethod: []string{"PATCH"}}, "cors_origin",
			vary + "x-gatehouse-cors=origin \"https://??x: ??\" is not allowed: it is no origin as browsers write it\n"},
		{"max-age 0 is sent", Config{AllowOrigins: []string{"*"}, MaxAge: age(0)}, Request{RequestMethod: []string{"GET"}}, "",
			vary + "access-control-allow-origin=*\naccess-control-max-age=0\n"},
		{"an allowed private network", Config{AllowOrigins: []string{"https://a.example"}, AllowPrivateNetwork: true},
			Request{RequestMethod: []string{"GET"}, PrivateNetwork: []string{"true"}}, "",
			vary + "access-control-allow-origin=https://a.example\naccess-control-allow-private-network=true\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.r.Method = "OPTIONS"
			if tt.r.Origins == nil {
				tt.r.Origins = []string{"https://a.example"}
			}
			if !tt.r.IsPreflight() {
				t.Fatal("not taken for a preflight")
			}
			got := compile(t, tt.c).Preflight(&tt.r)
			if got.Rule != tt.rule || (got.Refusal == "") != (tt.rule == "") {
				t.Errorf("rule %q (%s), want %q", got.Rule, got.Refusal, tt.rule)
			}
			if lines(got.Headers) != tt.want {
				t.Errorf("headers\n%swant\n%s", lines(got.Headers), tt.want)
			}
		})
	}
}

func TestOPTIONSIsAPreflightOnlyWithOriginAndMethod(t *testing.T) {
	o, m := []string{"https://a.example"}, []string{"PUT"}
	for _, r := range []Request{
		{Method: "OPTIONS"}, {Method: "OPTIONS", Origins: o}, {Method: "OPTIONS", RequestMethod: m},
		{Method: "GET", Origins: o, RequestMethod: m}, {Method: "options", Origins: o, RequestMethod: m},
	} {
		if r.IsPreflight() {
			t.Errorf("%+v is no preflight", r)
		}
	}
}

func TestActual(t *testing.T) {
	tests := []struct {
		name string
		c    Config
		want string
	}{
		{"the origin itself", Config{AllowOrigins: []string{"https://a.example"}}, "access-control-allow-origin=https://a.example\n"},
		{"with credentials", Config{AllowOrigins: []string{"https://a.example"}, AllowCredentials: true},
			"access-control-allow-origin=https://a.example\naccess-control-allow-credentials=true\n"},
		{"a star", Config{AllowOrigins: []string{"*"}}, "access-control-allow-origin=*\n"},
		{"another origin", Config{AllowOrigins: []string{"https://b.example"}}, ""},
		{"exposed headers", Config{AllowOrigins: []string{"*"}, ExposeHeaders: []string{"X-A", "X-B"}},
			"access-control-allow-origin=*\naccess-control-expose-headers=X-A, X-B\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := lines(compile(t, tt.c).Actual(nil, []string{"https://a.example"})); got != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
		})
	}
}

func TestVaryOnlyWhereTheAnswerDependsOnTheOrigin(t *testing.T) {
	if got := compile(t, Config{AllowOrigins: []string{"*"}}).Vary(); got != "" {
		t.Errorf("a star varies on %q", got)
	}
	if got := compile(t, Config{AllowOrigins: []string{"https://a.example"}}).Vary(); got != "Origin" {
		t.Errorf("a list varies on %q", got)
	}
}

func TestMergeVary(t *testing.T) {
	tests := []struct {
		name string
		have []string
		want string
	}{
		{"none yet", nil, "Origin"},
		{"another", []string{"Accept"}, "Accept, Origin"},
		{"already there in another case", []string{"accept, ORIGIN"}, "accept, ORIGIN"},
		{"two lines", []string{"Accept", "Cookie"}, "Accept, Cookie, Origin"},
		{"a star says it all", []string{"*"}, "*"},
		{"a star among others says it all", []string{"Accept, *", "Cookie"}, "*"},
		{"names twice", []string{"Accept, Origin", "origin, ACCEPT"}, "Accept, Origin"},
		{"empty elements", []string{", Accept,,"}, "Accept, Origin"},
		{"an empty line", []string{""}, "Origin"},
		{"a name that only contains it", []string{"X-Origin"}, "X-Origin, Origin"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := MergeVary(tt.have, "Origin"); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAStaticAnswerIsTheSameForEveryRequest(t *testing.T) {
	p := compile(t, Config{AllowOrigins: []string{"*"}, ExposeHeaders: []string{"x-a"}})
	const want = "access-control-allow-origin=*\naccess-control-expose-headers=x-a\n"
	for _, origins := range [][]string{nil, {"https://a.example"}, {"null"}, {"nonsense"}, {""}, {"https://a.example", "https://b.example"}} {
		if got := lines(p.Actual(nil, origins)); got != want {
			t.Errorf("%q: got %q: a cache would give it to others", origins, got)
		}
	}
}

func TestAVaryThatSaysItAlreadyStaysAsItIs(t *testing.T) {
	for have, want := range map[string]bool{"Origin": true, "*": true, "accept, ORIGIN": true, "Accept": false, "Origin, origin": false, "": false,
		"Accept-Encoding,Origin": true, "Accept, Origin, accept": false, "Origin, *": false, "X-Origin": false, ", Origin ,": true} {
		if got := Varies([]string{have}, VaryOrigin); got != want {
			t.Errorf("%q: %v", have, got)
		}
	}
	if Varies(nil, VaryOrigin) || Varies([]string{"Origin", "Origin"}, VaryOrigin) {
		t.Error("none or two lines stay")
	}
}

func TestOriginsAreTheSameHoweverManyAreListed(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, few, few + 1, 100} {
		var list []string
		for i := range n {
			list = append(list, "https://a"+strconv.Itoa(i)+".example")
		}
		p := compile(t, Config{AllowOrigins: list, AllowCredentials: true})
		for i, origin := range append(list, "https://a.example", "https://a0.example.evil", "HTTPS://a0.example", "") {
			if _, got := p.Allowed([]string{origin}); got != (i < n) {
				t.Errorf("of %d origins %q: %v", n, origin, got)
			}
		}
	}
}

func TestAnActualRequestAllocatesNothing(t *testing.T) {
	p := compile(t, Config{AllowOrigins: []string{"https://a.example", "https://*.b.example"}, AllowCredentials: true, ExposeHeaders: []string{"x-a"}})
	for _, origin := range []string{"https://a.example", "https://x.b.example", "https://evil.example", "null"} {
		var buf [3]Header
		vary, origins := []string{"origin"}, []string{origin}
		if n := testing.AllocsPerRun(100, func() { _, _ = p.Actual(buf[:0], origins), Varies(vary[:0], p.Vary()) }); n != 0 {
			t.Errorf("%s: %v allocations", origin, n)
		}
	}
}

func BenchmarkActualRequest(b *testing.B) {
	p := compile(b, Config{AllowOrigins: []string{"https://a.example", "https://*.b.example"}, AllowCredentials: true})
	origins := []string{"https://x.b.example"}
	var buf [4]Header
	b.ReportAllocs()
	for b.Loop() {
		_ = p.Actual(buf[:0], origins)
	}
}
