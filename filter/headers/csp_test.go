package headers

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// guardedBase completes a policy so that it gives no warnings of its own.
func guardedBase(c CSP) CSP {
	base := CSP{"default-src": {"'none'"}, "base-uri": {"'none'"}}
	maps.Copy(base, c)
	return base
}

const sha256Hash = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"

func TestTheHeaderIsWrittenFromDirectives(t *testing.T) {
	t.Parallel()
	got := apply(t, Config{CSP: CSP{
		"upgrade-insecure-requests": {}, "script-src": {"'nonce'", "'strict-dynamic'", "https://cdn.example:8443/lib/"}, "default-src": {"'none'"},
		"base-uri": {"'none'"}, "style-src": {"'self'", "'nonce'"},
	}}, true, http.Header{})
	want := "default-src 'none'; base-uri 'none'; script-src 'nonce-N' 'strict-dynamic' https://cdn.example:8443/lib/; " +
		"style-src 'self' 'nonce-N'; upgrade-insecure-requests"
	if got.Get("Content-Security-Policy") != want {
		t.Errorf("got  %q\nwant %q", got.Get("Content-Security-Policy"), want)
	}
}

func TestThePresetChangesByDirective(t *testing.T) {
	t.Parallel()
	got := apply(t, Config{Preset: "strict", CSP: CSP{"img-src": {"https:"}, "font-src": {""}}}, true, http.Header{}).Get("Content-Security-Policy")
	if !strings.Contains(got, "img-src https:;") || strings.Contains(got, "font-src") || !strings.Contains(got, "script-src 'self'") {
		t.Errorf("got %q", got)
	}
	again := apply(t, Config{Preset: "strict"}, true, http.Header{}).Get("Content-Security-Policy")
	if !strings.Contains(again, "font-src 'self'") || !strings.Contains(again, "img-src 'self' data:") {
		t.Errorf("the preset itself was changed: %q", again)
	}
}

func TestReportOnlyStandsBesideTheEnforced(t *testing.T) {
	t.Parallel()
	got := apply(t, Config{
		CSP: guardedBase(nil), CSPReportOnly: CSP{"script-src": {"'nonce'"}, "report-to": {"csp"}},
		ReportingEndpoints: map[string]string{"csp": "/csp-reports", "default": "https://r.example/x"},
	}, true, http.Header{})
	for name, want := range map[string]string{
		"Content-Security-Policy":             "default-src 'none'; base-uri 'none'",
		"Content-Security-Policy-Report-Only": "report-to csp; script-src 'nonce-N'",
		"Reporting-Endpoints":                 `csp="/csp-reports", default="https://r.example/x"`,
	} {
		if got.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Get(name), want)
		}
	}
}

func TestMistakesOfAPolicyAreRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		csp  CSP
		says string
	}{
		{"an unknown directive", CSP{"scriptsrc": {"'self'"}}, "is no directive"},
		{"an underscore", CSP{"script_src": {"'self'"}}, "write script-src"},
		{"a directive without -src", CSP{"font": {"'self'"}}, "write font-src"},
		{"a directive of an old draft", CSP{"plugin-types": {"application/pdf"}}, "no longer part"},
		{"a keyword without quotes", CSP{"script-src": {"self"}}, "needs single quotes: 'self'"},
		{"a keyword in double quotes", CSP{"script-src": {`"self"`}}, "needs single quotes: 'self'"},
		{"unsafe-inline without quotes", CSP{"style-src": {"unsafe-inline"}}, "needs single quotes"},
		{"nonce without quotes", CSP{"script-src": {"nonce"}}, "needs single quotes"},
		{"a hash without quotes", CSP{"script-src": {strings.Trim(sha256Hash, "'")}}, "needs single quotes"},
		{"a keyword that is none", CSP{"script-src": {"'selfish'"}}, "is no keyword"},
		{"a nonce of one's own", CSP{"script-src": {"'nonce-abc'"}}, "the same in every response"},
		{"a nonce for pictures", CSP{"img-src": {"'nonce'"}}, "nonces are for"},
		{"a nonce for attributes", CSP{"script-src-attr": {"'nonce'"}}, "nonces are for"},
		{"a hash that was cut", CSP{"script-src": {"'sha256-abc='"}}, "no hash of its kind"},
		{"none beside others", CSP{"script-src": {"'none'", "'self'"}}, "beside other sources"},
		{"a source twice", CSP{"script-src": {"'self'", "'self'"}}, "stands twice"},
		{"two sources in one", CSP{"script-src": {"'self' https:"}}, "would end the value"},
		{"a semicolon", CSP{"script-src": {"'self';"}}, "would end the value"},
		{"no sources", CSP{"script-src": {}}, "has no sources"},
		{"strict-dynamic alone", CSP{"script-src": {"'strict-dynamic'"}}, "needs a nonce"},
		{"strict-dynamic for styles", CSP{"style-src": {"'strict-dynamic'"}}, "for script-src"},
		{"unsafe-hashes alone", CSP{"script-src": {"'unsafe-hashes'"}}, "needs a hash"},
		{"an ancestor that is a keyword of scripts", CSP{"frame-ancestors": {"'unsafe-inline'"}}, "no meaning for frame-ancestors"},
		{"a * in the middle", CSP{"script-src": {"https://cdn.*.example"}}, "not the first label"},
		{"a host with a query", CSP{"script-src": {"https://a.example/x?y"}}, "query"},
		{"a port that is none", CSP{"script-src": {"https://a.example:http"}}, "port"},
		{"an IPv6 address", CSP{"script-src": {"https://[::1]"}}, "IPv6"},
		{"a host that is none", CSP{"script-src": {"https://a..example"}}, "is no host"},
		{"a scheme that is none", CSP{"script-src": {"1s:"}}, "is no scheme"},
		{"a value for a directive without", CSP{"upgrade-insecure-requests": {"1"}}, "takes none"},
		{"an unknown sandbox flag", CSP{"sandbox": {"allow-everything"}}, "is no sandbox flag"},
		{"a switch that is none", CSP{"webrtc": {"'none'"}}, "neither 'allow' nor 'block'"},
		{"an unknown sink", CSP{"require-trusted-types-for": {"script"}}, "the only one is 'script'"},
		{"an unknown keyword of trusted types", CSP{"trusted-types": {"'all'"}}, "is no keyword of trusted-types"},
		{"reports in clear", CSP{"report-uri": {"http://r.example/"}}, "without TLS"},
		{"reports to nobody", CSP{"report-uri": {}}, "has no value"},
		{"an endpoint that is not there", CSP{"report-to": {"csp"}}, "under reporting_endpoints"},
		{"two endpoints", CSP{"report-to": {"a", "b"}}, "not the name of one"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Compile(Config{CSP: guardedBase(tt.csp)})
			var found *ConfigError
			if !errors.As(err, &found) || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("got %v, want one mistake with %q", err, tt.says)
			}
			if key := "csp." + slices.Sorted(maps.Keys(tt.csp))[0]; found.Key != key {
				t.Errorf("at %q, want %q", found.Key, key)
			}
		})
	}
}

func TestMistakesOfAWholePolicyAreFoundToo(t *testing.T) {
	t.Parallel()
	for value, says := range map[string]string{
		"default-src self":                      "needs single quotes",
		"default-src 'none'; default-src *":     "has default-src twice",
		"script-src 'none'; scripts 'none'":     "is no directive",
		"default-src 'none', script-src https:": "would end the value",
	} {
		_, err := Compile(Config{Set: map[string]string{"Content-Security-Policy": value}})
		var found *ConfigError
		if !errors.As(err, &found) || found.Key != "set" || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v, want %q", value, err, says)
		}
	}
}

func TestWhatWeakensAPolicyIsSaid(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		csp  CSP
		says string
	}{
		{"inline script without nonce", guardedBase(CSP{"script-src": {"'unsafe-inline'"}}), "lets injected script run"},
		{"every host", guardedBase(CSP{"script-src": {"*"}}), "every site's scripts"},
		{"every https host", guardedBase(CSP{"script-src": {"https:"}}), "every site's scripts"},
		{"every host over https", guardedBase(CSP{"script-src": {"https://*"}}), "every site's scripts"},
		{"every host on a port", guardedBase(CSP{"script-src": {"*:443"}}), "every site's scripts"},
		{"every host of a top-level domain", guardedBase(CSP{"script-src": {"https://*.com"}}), "every site's scripts"},
		{"every host for elements alone", guardedBase(CSP{"script-src": {"'self'"}, "script-src-elem": {"https:"}}), "every site's scripts"},
		{"inline handlers for attributes alone", guardedBase(CSP{"script-src": {"'self'"}, "script-src-attr": {"'unsafe-inline'"}}), "lets injected script run"},
		{"the hosts of one's own domain", guardedBase(CSP{"script-src": {"https://*.app.example"}}), ""},
		{"no plug-ins, in upper case", CSP{"default-src": {"'NONE'"}, "base-uri": {"'none'"}}, ""},
		{"data: scripts", guardedBase(CSP{"script-src": {"data:"}}), "of its own making"},
		{"eval", guardedBase(CSP{"script-src": {"'unsafe-eval'"}}), "text become script"},
		{"by default-src too", CSP{"default-src": {"https:"}, "object-src": {"'none'"}, "base-uri": {"'none'"}}, "every site's scripts"},
		{"no policy for scripts", CSP{"img-src": {"'self'"}}, "every script runs"},
		{"no object-src", CSP{"default-src": {"'self'"}, "base-uri": {"'none'"}}, "plug-ins"},
		{"no base-uri", CSP{"default-src": {"'none'"}}, "base element"},
		{"inline script beside a nonce is ignored by browsers", guardedBase(CSP{"script-src": {"'unsafe-inline'", "'nonce'"}}), ""},
		{"https: beside strict-dynamic is ignored too", guardedBase(CSP{"script-src": {"https:", "'strict-dynamic'", sha256Hash}}), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := Compile(Config{CSP: tt.csp})
			if err != nil {
				t.Fatal(err)
			}
			var said []string
			for _, w := range p.Warnings() {
				said = append(said, w.Error())
			}
			if tt.says == "" && len(said) > 0 || len(said) != min(1, len(tt.says)) || !strings.Contains(strings.Join(said, "\n"), tt.says) {
				t.Errorf("got %q, want %q", said, tt.says)
			}
		})
	}
}

func TestNewerWordsOfTheStandardsAreKnown(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"webrtc": "'block'", "fenced-frame-src": "https://a.example", "script-src": "'report-sha256'", "connect-src": "'unsafe-webtransport-hashes'",
		"sandbox": "allow-storage-access-by-user-activation",
	} {
		if _, err := Compile(Config{CSP: guardedBase(CSP{name: {value}})}); err != nil {
			t.Error(err)
		}
	}
}

func TestPresetsGiveNoWarnings(t *testing.T) {
	t.Parallel()
	for _, name := range Presets() {
		p, err := Compile(Config{Preset: name})
		if err != nil || len(p.Warnings()) > 0 {
			t.Errorf("%s: %v, %v", name, err, p.Warnings())
		}
	}
}

func TestReportOnlyHasMistakesOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"sandbox", "upgrade-insecure-requests"} {
		_, err := Compile(Config{CSPReportOnly: CSP{name: {}, "report-uri": {"/r"}}})
		if err == nil || !strings.Contains(err.Error(), "only reports") {
			t.Errorf("%s: %v", name, err)
		}
	}
	p, err := Compile(Config{CSPReportOnly: CSP{"default-src": {"'none'"}}})
	if err != nil || len(p.Warnings()) != 1 || !strings.Contains(p.Warnings()[0].Error(), "nobody hears") {
		t.Errorf("%v, %v", err, p.Warnings())
	}
}

func TestFrameOptionsAndAncestorsAgree(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		c       Config
		options string
		csp     string
	}{
		{"frame options follow ancestors", Config{Preset: "strict", CSP: CSP{"frame-ancestors": {"'self'"}}}, "SAMEORIGIN", "frame-ancestors 'self'"},
		{"frame options cannot name hosts", Config{Preset: "strict", CSP: CSP{"frame-ancestors": {"https://a.example"}}}, "", "frame-ancestors https://a.example"},
		{"ancestors follow frame options", Config{Preset: "strict", Set: map[string]string{"X-Frame-Options": "SAMEORIGIN"}}, "SAMEORIGIN", "frame-ancestors 'self'"},
		{"both may say the same", Config{Preset: "web-app", Set: map[string]string{"X-Frame-Options": "DENY"}, CSP: CSP{"frame-ancestors": {"'none'"}}}, "DENY", "frame-ancestors 'none'"},
		{"frame options may be left out", Config{Preset: "strict", Set: map[string]string{"X-Frame-Options": ""}}, "", "frame-ancestors 'none'"},
		{"ancestors may be left out", Config{Preset: "strict", CSP: CSP{"frame-ancestors": {""}}}, "DENY", "form-action"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := apply(t, tt.c, true, http.Header{})
			if got.Get("X-Frame-Options") != tt.options || !strings.Contains(got.Get("Content-Security-Policy"), tt.csp) {
				t.Errorf("got %v", got)
			}
		})
	}
	for _, list := range [][]string{{"'self'"}, {"https://a.example"}} {
		_, err := Compile(Config{Preset: "strict", Set: map[string]string{"X-Frame-Options": "DENY"}, CSP: CSP{"frame-ancestors": list}})
		if err == nil || !strings.Contains(err.Error(), "contradicts X-Frame-Options: DENY") {
			t.Errorf("%v: %v", list, err)
		}
	}
}

func FuzzCSP(f *testing.F) {
	for _, name := range Presets() {
		f.Add(presets[name].csp.text())
	}
	f.Add("script-src 'nonce' 'strict-dynamic' https: ; base-uri 'none'")
	f.Fuzz(func(t *testing.T, value string) {
		p, err := Compile(Config{Set: map[string]string{"Content-Security-Policy": value}})
		if err != nil || value == "" {
			return
		}
		// What was accepted means the same when it is read again.
		for _, h := range p.Headers() {
			again, twice := parseCSP(strings.ReplaceAll(h.Value, "'nonce-"+nonceMark+"'", NonceSource))
			if len(twice) > 0 || again.text() != h.Value {
				t.Errorf("%q became %q", h.Value, again.text())
			}
		}
	})
}
