package headers

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

func yes() *bool { v := true; return &v }
func no() *bool  { v := false; return &v }

func TestResponsesTakeWhatBelongsToThem(t *testing.T) {
	t.Parallel()
	c := Config{
		Preset: "api", CSP: CSP{"script-src": {"'nonce'"}}, Set: map[string]string{"X-Own": "1"}, ClearSiteData: []string{"cookies"},
		Existing: map[string]string{"Cache-Control": "replace"},
	}
	all := "content-security-policy x-frame-options x-content-type-options strict-transport-security cache-control x-own clear-site-data"
	tests := []struct {
		name, mediaType string
		status          int
		has             string
	}{
		{"a page", "text/html", 200, all},
		{"a redirect", "", 302, all},
		{"an error", "text/html", 404, strings.ReplaceAll(all, " clear-site-data", "")},
		{"a failure", "", 503, strings.ReplaceAll(all, " clear-site-data", "")},
		{"no content", "", 204, "x-content-type-options strict-transport-security cache-control x-own clear-site-data"},
		{"reset content", "", 205, "x-content-type-options strict-transport-security cache-control x-own clear-site-data"},
		{"not modified", "", 304, strings.ReplaceAll(all, "content-security-policy ", "")},
		{"an upgrade", "", 101, "strict-transport-security x-own"},
		{"gRPC", "application/grpc", 200, "strict-transport-security x-own"},
		{"gRPC with a codec", "application/grpc+proto", 200, "strict-transport-security x-own"},
		{"gRPC with a parameter", "Application/GRPC; charset=utf-8", 200, "strict-transport-security x-own"},
		{"gRPC-Web", "application/grpc-web+proto", 200, all},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := Compile(c)
			if err != nil {
				t.Fatal(err)
			}
			got := http.Header{"Content-Security-Policy": {"upstream"}}
			if tt.mediaType != "" {
				got.Set("Content-Type", tt.mediaType)
			}
			p.Apply(Response{Status: tt.status, TLS: true, Nonce: "N"}, view(got))
			for name := range strings.FieldsSeq(all) {
				want, have := strings.Contains(" "+tt.has+" ", " "+name+" "), got.Get(name) != "" && got.Get(name) != "upstream"
				if want != have {
					t.Errorf("%s: %q, want it there: %v", name, got.Get(name), want)
				}
			}
			if tt.status == 304 && got.Get("Content-Security-Policy") != "" {
				t.Error("a policy in a 304 would replace that of the stored page")
			}
		})
	}
}

func TestWhatTheUpstreamSetsIsReplacedKeptOrMerged(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, header, how string
		c                 Config
		upstream          []string
		want              string
	}{
		{"replace is the rule", "Cache-Control", "", Config{Set: map[string]string{"Cache-Control": "no-store"}}, []string{"public"}, "no-store"},
		{"keep keeps", "Cache-Control", "keep", Config{Set: map[string]string{"Cache-Control": "no-store"}}, []string{"public"}, "public"},
		{"keep fills in", "Cache-Control", "keep", Config{Set: map[string]string{"Cache-Control": "no-store"}}, nil, "no-store"},
		{"keep makes one line", "Cache-Control", "keep", Config{Set: map[string]string{"Cache-Control": "no-store"}}, []string{"public", "max-age=5"}, "public, max-age=5"},
		{"keep takes the first of what is no list", "Strict-Transport-Security", "keep", Config{Preset: "strict"}, []string{"max-age=1", "max-age=2"}, "max-age=1"},
		{"merge adds", "Cache-Control", "merge", Config{Set: map[string]string{"Cache-Control": "no-store"}}, []string{"private", "max-age=5"}, "private, max-age=5, no-store"},
		{"merge has each once", "Cache-Control", "merge", Config{Set: map[string]string{"Cache-Control": "private, max-age=9"}}, []string{"max-age=5", "Private"}, "private, max-age=9"},
		{"merged policies are both enforced", "Content-Security-Policy", "merge", Config{CSP: CSP{"default-src": {"'none'"}, "base-uri": {"'none'"}}},
			[]string{"script-src 'self'"}, "script-src 'self', default-src 'none'; base-uri 'none'"},
		{"the same policy is not doubled", "Content-Security-Policy", "merge", Config{CSP: CSP{"default-src": {"'none'"}, "base-uri": {"'none'"}}},
			[]string{"default-src 'none'; base-uri 'none'"}, "default-src 'none'; base-uri 'none'"},
		{"a merged feature is the policy's", "Permissions-Policy", "merge", Config{Set: map[string]string{"Permissions-Policy": "camera=()"}},
			[]string{`camera=*, usb=(self "https://a.example, b")`}, `usb=(self "https://a.example, b"), camera=()`},
		{"a kept leak stays", "Server", "keep", Config{Preset: "strict"}, []string{"mine"}, "mine"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.how != "" {
				tt.c.Existing = map[string]string{tt.header: tt.how}
			}
			upstream := http.Header{}
			for _, line := range tt.upstream {
				upstream.Add(tt.header, line)
			}
			got := apply(t, tt.c, true, upstream)
			if len(got.Values(tt.header)) != 1 || got.Get(tt.header) != tt.want {
				t.Errorf("got %q, want %q", got.Values(tt.header), tt.want)
			}
		})
	}
}

func TestCookiesAreHardened(t *testing.T) {
	t.Parallel()
	all := Config{Cookies: &Cookies{Secure: yes(), HTTPOnly: yes(), SameSite: "Lax", ScriptReadable: []string{"xsrf"}, Except: []string{"old"}}}
	tests := []struct {
		name, line, want string
		clear            bool
		c                Config
	}{
		{"all is added", "a=1", "a=1; Secure; HttpOnly; SameSite=Lax", false, all},
		{"nothing is doubled", "a=1; secure; HTTPONLY; samesite=strict", "a=1; secure; HTTPONLY; samesite=strict", false, all},
		{"other attributes stay", "a=1; Path=/x; Max-Age=5", "a=1; Path=/x; Max-Age=5; Secure; HttpOnly; SameSite=Lax", false, all},
		{"not Secure in clear", "a=1", "a=1; HttpOnly; SameSite=Lax", true, all},
		{"SameSite=None needs Secure", "a=1; SameSite=None", "a=1; SameSite=None; Secure; HttpOnly", true, all},
		{"an unknown SameSite is none", "a=1; SameSite=Sometimes", "a=1; SameSite=Sometimes; Secure; HttpOnly; SameSite=Lax", false, all},
		{"the last SameSite counts", "a=1; SameSite=Lax; SameSite=None", "a=1; SameSite=Lax; SameSite=None; Secure; HttpOnly", false, all},
		{"a readable one has no HttpOnly", "xsrf=1", "xsrf=1; Secure; SameSite=Lax", false, all},
		{"an exception is left alone", "old=1", "old=1", false, all},
		{"exceptions are case-sensitive", "OLD=1", "OLD=1; Secure; HttpOnly; SameSite=Lax", false, all},
		{"a semicolon does not end the search", "a=1;Secure;HttpOnly;SameSite=Lax", "a=1;Secure;HttpOnly;SameSite=Lax", false, all},
		{"a value may look like an attribute", "secure=httponly", "secure=httponly; Secure; HttpOnly; SameSite=Lax", false, all},
		{"a nameless cookie", "old", "old; Secure; HttpOnly; SameSite=Lax", false, all},
		{"a deletion", "a=; Max-Age=0", "a=; Max-Age=0; Secure; HttpOnly; SameSite=Lax", false, all},
		{"__Secure- is Secure", "__Secure-a=1", "__Secure-a=1; Secure", true, Config{Cookies: &Cookies{SameSite: "keep", HTTPOnly: no(), Secure: yes()}}},
		{"__Host- has a path", "__Host-a=1", "__Host-a=1; Path=/; Secure; HttpOnly; SameSite=Lax", false, all},
		{"__Host- has no domain", "__Host-a=1; Domain=a.example; Path=/x; Max-Age=1", "__Host-a=1; Max-Age=1; Path=/; Secure; HttpOnly; SameSite=Lax", false, all},
		{"__Host- as it should be", "__Host-a=1; Secure; HttpOnly; SameSite=Lax; Path=/", "__Host-a=1; Secure; HttpOnly; SameSite=Lax; Path=/", false, all},
		{"the prefix in another case", "__hOST-a=1", "__hOST-a=1; Path=/; Secure; HttpOnly; SameSite=Lax", false, all},
		{"__Http- is HttpOnly", "__Http-xsrf=1", "__Http-xsrf=1; Secure; HttpOnly", false, Config{Cookies: &Cookies{Secure: yes()}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := apply(t, tt.c, !tt.clear, http.Header{"Set-Cookie": {"old=0", tt.line}}).Values("Set-Cookie")
			if len(got) != 2 || got[1] != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestOnlyTheUntouchedCookiesOfAPresetStay(t *testing.T) {
	t.Parallel()
	got := apply(t, Config{Preset: "strict", Cookies: &Cookies{SameSite: "Strict", Except: []string{"a"}}}, true,
		http.Header{"Set-Cookie": {"a=1", "b=2"}}).Values("Set-Cookie")
	if got[0] != "a=1" || got[1] != "b=2; Secure; HttpOnly; SameSite=Strict" {
		t.Errorf("got %q", got)
	}
	if got := apply(t, Config{Preset: "legacy-compatible"}, true, http.Header{"Set-Cookie": {"a=1"}}); got.Get("Set-Cookie") != "a=1" {
		t.Errorf("legacy-compatible changed a cookie: %v", got)
	}
}

func TestCompileRefusesWhatBrowsersWouldIgnore(t *testing.T) {
	t.Parallel()
	set := func(name, value string) Config { return Config{Set: map[string]string{name: value}} }
	tests := []struct {
		name string
		c    Config
		says string
	}{
		{"HSTS without max-age", set("Strict-Transport-Security", "includeSubDomains"), "no max-age"},
		{"HSTS with a word", set("Strict-Transport-Security", "max-age=1y"), "no number of seconds"},
		{"HSTS twice", set("Strict-Transport-Security", "max-age=1; max-age=2"), "twice"},
		{"HSTS with an unknown directive", set("Strict-Transport-Security", "max-age=31536000; includeSubdomain"), "unknown directive"},
		{"preload too short", set("Strict-Transport-Security", "max-age=3600; includeSubDomains; preload"), "preload"},
		{"preload of this host alone", set("Strict-Transport-Security", "max-age=63072000; preload"), "preload"},
		{"ALLOW-FROM", set("X-Frame-Options", "ALLOW-FROM https://a.example"), "frame-ancestors"},
		{"frame options in words", set("X-Frame-Options", "none"), "DENY, SAMEORIGIN"},
		{"sniffing", set("X-Content-Type-Options", "sniff"), "nosniff"},
		{"a referrer policy that is none", set("Referrer-Policy", "origin, never"), "unknown policy never"},
		{"an opener policy that is none", set("Cross-Origin-Opener-Policy", "same-site"), "same-origin"},
		{"an embedder policy that is none", set("Cross-Origin-Embedder-Policy", "on"), "require-corp"},
		{"a resource policy that is none", set("Cross-Origin-Resource-Policy", "none"), "same-site"},
		{"the grammar of Feature-Policy", set("Permissions-Policy", "camera 'none'"), "grammar of Feature-Policy"},
		{"a feature without list", set("Permissions-Policy", "camera"), "no feature=(list)"},
		{"a list without end", set("Permissions-Policy", "camera=(self"), "without its end"},
		{"a list that is none", set("Permissions-Policy", "camera=none"), "none of (), *"},
		{"a comma at the list's end", set("Permissions-Policy", "camera=(),"), "no dictionary"},
		{"a list glued to another", set("Permissions-Policy", `camera=(self"https://a.example")`), "without double quotes"},
		{"an origin without quotes", set("Permissions-Policy", "camera=(self https://a.example)"), "without double quotes"},
		{"a keyword in quotes", set("Permissions-Policy", `camera=("self")`), "no origin"},
		{"a feature twice", set("Permissions-Policy", "camera=(), camera=*"), "twice"},
		{"a parameter in upper case", set("Permissions-Policy", "camera=();Report-To=x"), "no dictionary"},
		{"the XSS filter", set("X-XSS-Protection", "1; mode=block"), "write 0"},
		{"pins", set("Public-Key-Pins", "x"), "obsolete"},
		{"endpoints by hand", set("Reporting-Endpoints", `a="/"`), "reporting_endpoints"},
		{"Clear-Site-Data by hand", set("Clear-Site-Data", `"*"`), "clear_site_data"},
		{"the nonce for everybody", set("X-CSP-Nonce", "x"), "upstream's to read"},
		{"an endpoint in clear", Config{ReportingEndpoints: map[string]string{"a": "http://r.example/"}}, "neither an https URL"},
		{"an endpoint of another scheme's host", Config{ReportingEndpoints: map[string]string{"a": "//r.example/"}}, "neither an https URL"},
		{"an endpoint without host", Config{ReportingEndpoints: map[string]string{"a": "https:///x"}}, "no host"},
		{"an endpoint in quotes", Config{ReportingEndpoints: map[string]string{"a": `/"x`}}, "a character"},
		{"a name in upper case", Config{ReportingEndpoints: map[string]string{"CSP": "/x"}}, "no name of an endpoint"},
		{"unknown data", Config{ClearSiteData: []string{"cookie"}}, "no type of data"},
		{"all data and more", Config{ClearSiteData: []string{"cookies", "*"}}, "all types"},
		{"data twice", Config{ClearSiteData: []string{"cookies", "cookies"}}, "twice"},
		{"SameSite=None for all", Config{Cookies: &Cookies{SameSite: "None"}}, "must ask for itself"},
		{"a cookie that is none", Config{Cookies: &Cookies{Except: []string{"a;b"}}}, "no cookie's name"},
		{"a cookie in both lists", Config{Cookies: &Cookies{Secure: yes(), Except: []string{"a"}, ScriptReadable: []string{"a"}}}, "script_readable too"},
		{"merging one value", Config{Preset: "strict", Existing: map[string]string{"X-Frame-Options": "merge"}}, "cannot be merged"},
		{"keeping what is not set", Config{Preset: "strict", Existing: map[string]string{"Link": "keep"}}, "nothing to keep"},
		{"an unknown rule", Config{Preset: "strict", Existing: map[string]string{"Referrer-Policy": "ours"}}, "unknown rule"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Compile(tt.c)
			var found *ConfigError
			if !errors.As(err, &found) || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one mistake with %q", err, tt.says)
			}
		})
	}
}

func TestWhatIsAllowedAndWeakIsSaid(t *testing.T) {
	t.Parallel()
	for says, c := range map[string]Config{
		"less than half a year":  {Set: map[string]string{"Strict-Transport-Security": "max-age=3600"}},
		"whole addresses":        {Set: map[string]string{"Referrer-Policy": "unsafe-url"}},
		"no policy reports to":   {ReportingEndpoints: map[string]string{"csp": "/r"}},
		"exceptions and no rule": {Cookies: &Cookies{Except: []string{"a"}}},
	} {
		p, err := Compile(c)
		if err != nil || len(p.Warnings()) != 1 || !strings.Contains(p.Warnings()[0].Error(), says) {
			t.Errorf("%s: %v, %v", says, err, p)
		}
	}
}

func TestTheNonceIs128BitsInBase64(t *testing.T) {
	t.Parallel()
	if got := Nonce([NonceBytes]byte{255, 254, 253, 1}); got != "//79AQAAAAAAAAAAAAAAAA==" {
		t.Errorf("got %q", got)
	}
}

func TestApplyDoesNotAllocateWithoutNonceAndMerge(t *testing.T) {
	p, err := Compile(Config{Preset: "strict"})
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { p.Apply(Response{Status: 200, TLS: true}, discard{}) }); n != 0 {
		t.Errorf("%v allocations a response", n)
	}
}
