package policy

import (
	"strings"
	"testing"

	filterpolicy "gatehouse/filter/policy"
)

func TestCorsOffIsAModeAlone(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, preamble+`
policies:
  base: {cors: {allow_origins: ["https://app.example.com"]}}
  open: {extends: base, cors: off}
routes:
  - {path_prefix: /open, upstream: app, policy: open}
  - {path_prefix: /, upstream: app, policy: base}
`)
	if mode := c.Filter.Policies["open"].CORS.Mode; mode != filterpolicy.Off {
		t.Errorf("mode %q", mode)
	}
}

func TestDebugIsForDevelopers(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, preamble+`
policies: {base: {cors: {allow_origins: ["https://app.example.com"], debug: true}}}
routes: [{path_prefix: /, upstream: app, policy: base}]
`)
	if !c.Filter.Policies["base"].CORS.Debug {
		t.Error("debug got lost")
	}
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0].Message, "tell everybody") {
		t.Errorf("warnings %v", c.Warnings)
	}
}

func TestARefusedOriginIsToldTheRightOne(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"app.example.com":               "https://app.example.com",
		"HTTPS://App.Example.com:443/x": "https://app.example.com",
		"http://localhost:80":           "http://localhost",
		"https://bücher.example":        "https://xn--bcher-kva.example",
		"https://*.Example.com/":        "https://*.example.com",
		"https://*.example.com:8443":    "https://*.example.com",
		"http://LOCALHOST:*":            "http://localhost:*",
		"https://u:p@a.example:8443/?x": "https://a.example:8443",
		"https://a.example.":            "https://a.example",
		"https://[::1]:443":             "https://[::1]",
		"https://[::1%25eth0]":          "", "https://": "", "https://%zz": "", "*": "", "null": "", "https://*.*.example": "",
		"https://127.1": "",
	} {
		if got := strings.TrimPrefix(suggestionFor("allow_origins", given), "write "); got != want {
			t.Errorf("%s: %q, want %q", given, got, want)
		}
	}
}

func TestABadOriginIsBlamedOnce(t *testing.T) {
	t.Parallel()
	_, err := Load("x.yaml", []byte(preamble+`
policies: {base: {cors: {allow_origins: ["https://*.co.uk/", "https://xn--/"]}}}
routes: [{path_prefix: /, upstream: app, policy: base}]
`))
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("want one line for each of the two origins:\n%v", err)
	}
}
