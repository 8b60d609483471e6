package headers

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"gatehouse/filter/abi"
)

type view http.Header

func (v view) Set(name, value string)      { http.Header(v).Set(name, value) }
func (v view) Values(name string) []string { return http.Header(v).Values(name) }
func (v view) Value(name string) (string, bool) {
	return http.Header(v).Get(name), len(v.Values(name)) > 0
}
func (v view) SetLines(name string, values []string) { v[http.CanonicalHeaderKey(name)] = values }
func (v view) Remove(name string)                    { http.Header(v).Del(name) }

func apply(t *testing.T, c Config, tls bool, upstream http.Header) http.Header {
	t.Helper()
	p, err := Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	p.Apply(Response{Status: 200, TLS: tls, Nonce: "N"}, view(upstream))
	return upstream
}

func TestStrictCoversTheSeedsChecklist(t *testing.T) {
	got := apply(t, Config{Preset: "strict"}, true, http.Header{})
	for name, want := range map[string]string{
		"Content-Security-Policy":   "default-src 'none'",
		"X-Frame-Options":           "DENY",
		"X-Content-Type-Options":    "nosniff",
		"Strict-Transport-Security": "max-age=63072000",
		"Referrer-Policy":           "no-referrer",
	} {
		if !strings.HasPrefix(got.Get(name), want) {
			t.Errorf("%s = %q, want %q", name, got.Get(name), want)
		}
	}
}

func TestHSTSIsNeverSentWithoutTLS(t *testing.T) {
	upstream := http.Header{"Strict-Transport-Security": {"max-age=1"}}
	if got := apply(t, Config{Preset: "strict"}, false, upstream); got.Get("Strict-Transport-Security") != "" {
		t.Errorf("sent over http: %v", got)
	}
	own := Config{Set: map[string]string{"Strict-Transport-Security": "max-age=5"}}
	if got := apply(t, own, false, http.Header{}); got.Get("Strict-Transport-Security") != "" {
		t.Errorf("an own value was sent over http: %v", got)
	}
	if got := apply(t, own, true, http.Header{}); got.Get("Strict-Transport-Security") != "max-age=5" {
		t.Errorf("an own value was not sent over TLS: %v", got)
	}
}

func TestHeadersStandOnceWhateverTheUpstreamSent(t *testing.T) {
	upstream := http.Header{"X-Frame-Options": {"SAMEORIGIN", "ALLOWALL"}, "Content-Security-Policy": {"default-src *"}}
	got := apply(t, Config{Preset: "strict"}, false, upstream)
	for _, name := range []string{"X-Frame-Options", "Content-Security-Policy"} {
		if len(got.Values(name)) != 1 {
			t.Errorf("%s = %q", name, got.Values(name))
		}
	}
}

func TestWhatTellsTooMuchIsRemoved(t *testing.T) {
	upstream := http.Header{"Server": {"nginx/1.2"}, "X-Powered-By": {"PHP"}, "X-Mine": {"1"}, "X-Kept": {"1"}}
	got := apply(t, Config{Preset: "strict", Remove: []string{"X-Mine"}}, false, upstream)
	for _, name := range []string{"Server", "X-Powered-By", "X-Mine"} {
		if got.Get(name) != "" {
			t.Errorf("%s is still there", name)
		}
	}
	if got.Get("X-Kept") != "1" {
		t.Error("X-Kept is gone")
	}
}

func TestSetOverridesAddsAndLeavesOut(t *testing.T) {
	got := apply(t, Config{Preset: "strict", Set: map[string]string{
		"X-Frame-Options": "SAMEORIGIN", "x-own": "1", "Referrer-Policy": "",
	}}, false, http.Header{"Referrer-Policy": {"origin"}})
	if got.Get("X-Frame-Options") != "SAMEORIGIN" || got.Get("X-Own") != "1" {
		t.Errorf("got %v", got)
	}
	if got.Get("Referrer-Policy") != "origin" {
		t.Errorf("a header that is left out belongs to the upstream, got %q", got.Get("Referrer-Policy"))
	}
}

func TestCompilesOfOnePresetDoNotShareState(t *testing.T) {
	apply(t, Config{Preset: "strict", Set: map[string]string{"X-Frame-Options": "SAMEORIGIN"}, Remove: []string{"x-a"}}, false, http.Header{})
	if got := apply(t, Config{Preset: "strict"}, false, http.Header{"X-A": {"1"}}); got.Get("X-Frame-Options") != "DENY" || got.Get("X-A") != "1" {
		t.Errorf("the first policy leaked into the second: %v", got)
	}
}

func TestCompileRefuses(t *testing.T) {
	tests := []struct {
		name string
		c    Config
		says string
	}{
		{"an unknown preset", Config{Preset: "strickt"}, "the presets are api, legacy-compatible, strict, web-app"},
		{"a name that is no token", Config{Set: map[string]string{"x y": "1"}}, "not a header name"},
		{"an empty name", Config{Remove: []string{""}}, "not a header name"},
		{"a line break in a value", Config{Set: map[string]string{"x-a": "1\r\nset-cookie: a=b"}}, "control"},
		{"a non-ASCII value", Config{Set: map[string]string{"x-a": "é"}}, "non-ASCII"},
		{"white space around a value", Config{Set: map[string]string{"x-a": " 1"}}, "white space"},
		{"framing", Config{Set: map[string]string{"Content-Length": "0"}}, "frames"},
		{"removing framing", Config{Remove: []string{"Transfer-Encoding"}}, "frames"},
		{"CORS", Config{Set: map[string]string{"Access-Control-Allow-Origin": "*"}}, "cors"},
		{"a cookie", Config{Set: map[string]string{"Set-Cookie": "a=b"}}, "more than once"},
		{"setting and removing the same", Config{Preset: "strict", Remove: []string{"X-Frame-Options"}}, "under set"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Compile(tt.c)
			var mistake *ConfigError
			if !errors.As(err, &mistake) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %q", err, tt.says)
			}
		})
	}
}

func TestCompileReportsEveryMistakeAtOnce(t *testing.T) {
	_, err := Compile(Config{Preset: "x", Set: map[string]string{"a b": "1", "vary": "x"}, Remove: []string{"te"}})
	if joined, ok := err.(interface{ Unwrap() []error }); !ok || len(joined.Unwrap()) != 4 {
		t.Errorf("got %v, want 4 mistakes", err)
	}
}

type discard struct{}

func (discard) Set(string, string)              {}
func (discard) SetLines(string, []string)       {}
func (discard) RemoveAll(*abi.Names, ...string) {}
func (discard) Remove(string)                   {}
func (discard) Value(string) (string, bool)     { return "", false }
func (discard) Values(string) []string          { return nil }

func BenchmarkApply(b *testing.B) {
	p, err := Compile(Config{Preset: "strict"})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Apply(Response{Status: 200, TLS: true}, discard{})
	}
}

func (v view) RemoveAll(names *abi.Names, but ...string) {
	for _, name := range names.List() {
		if !slices.Contains(but, name) {
			v.Remove(name)
		}
	}
}
