package csrf

import (
	"errors"
	"strings"
	"testing"
)

const own = "https://shop.example"

func TestJudge(t *testing.T) {
	t.Parallel()
	p, err := Compile(Config{TrustOrigins: []string{"https://pay.example", "https://*.partner.example"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		r    Request
		rule string
	}{
		// By Sec-Fetch-Site (W3C Fetch Metadata, section 2.3).
		{"a form of one's own page", Request{Method: "POST", Site: []string{"same-origin"}, Origins: []string{own}}, ""},
		{"an address that the user typed", Request{Method: "GET", Site: []string{"none"}, Mode: []string{"navigate"}}, ""},
		{"a form of another site", Request{Method: "POST", Site: []string{"cross-site"}, Mode: []string{"navigate"}, Origins: []string{"https://evil.example"}}, RuleCrossSite},
		{"a script of another site", Request{Method: "POST", Site: []string{"cross-site"}, Mode: []string{"cors"}}, RuleCrossSite},
		{"a DELETE of another site", Request{Method: "DELETE", Site: []string{"cross-site"}, Mode: []string{"cors"}}, RuleCrossSite},
		{"an unknown method of another site", Request{Method: "FROB", Site: []string{"cross-site"}}, RuleCrossSite},
		{"a link of another site", Request{Method: "GET", Site: []string{"cross-site"}, Mode: []string{"navigate"}, Dest: []string{"document"}}, ""},
		{"a HEAD that navigates", Request{Method: "HEAD", Site: []string{"cross-site"}, Mode: []string{"navigate"}}, ""},
		{"a frame in another site", Request{Method: "GET", Site: []string{"cross-site"}, Mode: []string{"navigate"}, Dest: []string{"iframe"}}, ""},
		{"a plug-in in another site", Request{Method: "GET", Site: []string{"cross-site"}, Mode: []string{"navigate"}, Dest: []string{"object"}}, RuleCrossSite},
		{"an embed in another site", Request{Method: "GET", Site: []string{"cross-site"}, Mode: []string{"navigate"}, Dest: []string{"embed"}}, RuleCrossSite},
		{"an image in another site", Request{Method: "GET", Site: []string{"cross-site"}, Mode: []string{"no-cors"}, Dest: []string{"image"}}, RuleCrossSite},
		{"a script element in another site", Request{Method: "GET", Site: []string{"cross-site"}, Mode: []string{"no-cors"}, Dest: []string{"script"}}, RuleCrossSite},
		{"an image in another origin of the site", Request{Method: "GET", Site: []string{"same-site"}, Mode: []string{"no-cors"}, Dest: []string{"image"}}, ""},
		{"a form in another origin of the site", Request{Method: "POST", Site: []string{"same-site"}, Origins: []string{"https://blog.shop.example"}}, RuleSameSite},
		{"a value of the future", Request{Method: "POST", Site: []string{"next-door"}}, RuleCrossSite},
		{"a value in capitals", Request{Method: "POST", Site: []string{"Same-Origin"}}, RuleCrossSite},
		{"an OPTIONS of another site", Request{Method: "OPTIONS", Site: []string{"cross-site"}, Mode: []string{"cors"}}, ""},
		// By trust.
		{"a form of a trusted origin", Request{Method: "POST", Site: []string{"cross-site"}, Origins: []string{"https://pay.example"}}, ""},
		{"a form of a trusted subdomain", Request{Method: "POST", Site: []string{"cross-site"}, Origins: []string{"https://eu.partner.example"}}, ""},
		{"the trusted name in clear", Request{Method: "POST", Site: []string{"cross-site"}, Origins: []string{"http://pay.example"}}, RuleCrossSite},
		{"a name that ends like a trusted one", Request{Method: "POST", Site: []string{"cross-site"}, Origins: []string{"https://evilpay.example"}}, RuleCrossSite},
		{"an origin that CORS allows", Request{Method: "PUT", Site: []string{"cross-site"}, Origins: []string{"https://app.example"}, Shared: true}, ""},
		// By Origin, where there is no Sec-Fetch-Site.
		{"a program", Request{Method: "POST"}, ""},
		{"an old browser's own form", Request{Method: "POST", Origins: []string{own}, TLS: true}, ""},
		{"its own form, the host written in capitals", Request{Method: "POST", Authority: "Shop.Example", Origins: []string{own}}, ""},
		{"its own form with the default port", Request{Method: "POST", Authority: "shop.example:443", Origins: []string{own}}, ""},
		{"its own form on a port", Request{Method: "POST", Authority: "shop.example:8443", Origins: []string{own + ":8443"}}, ""},
		{"its own form behind a proxy that takes TLS off", Request{Method: "POST", Origins: []string{own}}, ""},
		{"its own form in clear", Request{Method: "POST", Authority: "shop.example:80", Origins: []string{"http://shop.example"}}, ""},
		{"a page in clear that posts to TLS", Request{Method: "POST", Origins: []string{"http://shop.example"}, TLS: true}, RuleOrigin},
		{"another port", Request{Method: "POST", Origins: []string{own + ":8443"}}, RuleOrigin},
		{"an old browser's form of another site", Request{Method: "POST", Origins: []string{"https://evil.example"}}, RuleOrigin},
		{"a sandboxed page", Request{Method: "POST", Origins: []string{"null"}}, RuleOrigin},
		{"an empty Origin", Request{Method: "POST", Origins: []string{""}}, RuleOrigin},
		{"an extension's page", Request{Method: "POST", Origins: []string{"moz-extension://shop.example"}}, RuleOrigin},
		{"an old browser's GET", Request{Method: "GET", Origins: []string{"https://evil.example"}}, ""},
		// WebSockets (RFC 6455 section 10.2).
		{"a WebSocket of another site", Request{Method: "GET", Upgrade: true, Origins: []string{"https://evil.example"}}, RuleOrigin},
		{"a WebSocket of a sandboxed page", Request{Method: "GET", Upgrade: true, Origins: []string{"null"}}, RuleOrigin},
		{"a WebSocket of another site, by its own word", Request{Method: "GET", Upgrade: true, Site: []string{"cross-site"}, Mode: []string{"websocket"}}, RuleCrossSite},
		{"a WebSocket of another origin of the site", Request{Method: "GET", Upgrade: true, Site: []string{"same-site"}, Mode: []string{"websocket"}}, RuleSameSite},
		{"a WebSocket over HTTP/2", Request{Method: "CONNECT", Origins: []string{"https://evil.example"}}, RuleOrigin},
		{"a WebSocket of one's own page", Request{Method: "GET", Upgrade: true, Origins: []string{own}, TLS: true}, ""},
		{"a WebSocket of a trusted origin", Request{Method: "GET", Upgrade: true, Origins: []string{"https://pay.example"}}, ""},
		{"a program's WebSocket", Request{Method: "GET", Upgrade: true}, ""},
		// What no browser sends.
		{"two Sec-Fetch-Site", Request{Method: "POST", Site: []string{"cross-site", "same-origin"}}, RuleAmbiguous},
		{"two Sec-Fetch-Mode", Request{Method: "GET", Site: []string{"cross-site"}, Mode: []string{"navigate", "cors"}}, RuleAmbiguous},
		{"two Origins", Request{Method: "POST", Origins: []string{"https://pay.example", "https://evil.example"}}, RuleAmbiguous},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.r.Authority == "" {
				test.r.Authority = "shop.example"
			}
			got := p.Judge(&test.r)
			if got.Rule != test.rule {
				t.Errorf("%q (%s), want %q", got.Rule, got.Reason, test.rule)
			}
			if (got.Reason == "") != (got.Rule == "") {
				t.Errorf("rule %q with reason %q", got.Rule, got.Reason)
			}
		})
	}
}

func TestAReasonIsBounded(t *testing.T) {
	t.Parallel()
	p, err := Compile(Config{})
	if err != nil {
		t.Fatal(err)
	}
	got := p.Judge(&Request{Method: "POST", Authority: strings.Repeat("a", 5000), Origins: []string{strings.Repeat("b", 5000)}})
	if len(got.Reason) > 300 {
		t.Errorf("%d bytes", len(got.Reason))
	}
}

func TestCompileReportsEveryMistake(t *testing.T) {
	t.Parallel()
	_, err := Compile(Config{TrustOrigins: []string{
		"*", "null", "https://a.example", "https://a.example", "http://b.example", "https://c.example/", "HTTPS://d.example",
	}})
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 6 {
		t.Fatalf("%v", err)
	}
	for _, e := range joined.Unwrap() {
		var mistake *ConfigError
		if !errors.As(e, &mistake) || mistake.Key != "trust_origins" {
			t.Errorf("%v", e)
		}
	}
	if _, err := Compile(Config{TrustOrigins: []string{"http://localhost:*", "https://a.example"}}); err != nil {
		t.Error(err)
	}
}

func FuzzJudge(f *testing.F) {
	f.Add("POST", "shop.example", own, "cross-site", true)
	f.Add("POST", "shop.example:443", "https://shop.example", "", false)
	f.Fuzz(func(t *testing.T, method, authority, origin, site string, tls bool) {
		p, err := Compile(Config{})
		if err != nil {
			t.Fatal(err)
		}
		r := Request{Method: method, Authority: authority, TLS: tls, Origins: []string{origin}}
		if site != "" {
			r.Site = []string{site}
		}
		unsafe := method != "GET" && method != "HEAD" && method != "OPTIONS"
		foreign := site != "same-origin" && site != "none" && !strings.HasPrefix(strings.ToLower(authority), strings.TrimPrefix(strings.TrimPrefix(origin, "https://"), "http://"))
		if got := p.Judge(&r); unsafe && foreign && got.Rule == "" {
			t.Errorf("%s to %q from %q (%q) passes", method, authority, origin, site)
		}
	})
}

func BenchmarkJudge(b *testing.B) {
	p, err := Compile(Config{TrustOrigins: []string{"https://pay.example"}})
	if err != nil {
		b.Fatal(err)
	}
	r := Request{Method: "POST", Authority: "shop.example", Origins: []string{own}, Site: []string{"same-origin"}}
	b.ReportAllocs()
	for b.Loop() {
		p.Judge(&r)
	}
}
