package policy

import (
	"reflect"
	"strings"
	"testing"
)

const apiPolicy = `
version: 1
envoy: {listen: 127.0.0.1:8080}
upstreams: {app: {url: "http://127.0.0.1:9000"}}
policies: {base: {headers: {preset: strict}}}
routes: [{path_prefix: /, upstream: app, policy: base}]
`

func TestTheCallersOfTheAPIAreReadWithWholeFileNames(t *testing.T) {
	t.Parallel()
	c, err := Load("/etc/gatehouse/gatehouse.yaml", read(t, "testdata/good/all_keys.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want := ControlSettings{API: APISettings{
		Tokens: []APIToken{
			{Name: "ci", Role: "operator", TokenFile: "/etc/gatehouse/secrets/ci_token"},
			{Name: "root", Role: "admin", TokenFile: "/run/secrets/root_token"},
		},
		OIDC: &APIOIDC{
			Issuer: "https://id.example.com/realms/main", Audience: "gatehouse", RoleClaim: "realm_access.roles",
			Roles: map[string]string{"gatehouse-admins": "admin", "privacy": "dpo"},
		},
	}, Scanner: &ScannerSettings{Kind: "icap", Address: "127.0.0.1:1344", Service: "avscan", MaxScans: 20}}
	if !reflect.DeepEqual(c.Control, want) {
		t.Errorf("%+v", c.Control)
	}
}

func TestAnotherCallerIsAnotherVersion(t *testing.T) {
	t.Parallel()
	version := func(text string) string {
		t.Helper()
		c, err := Load("gatehouse.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return c.Version
	}
	without := version(apiPolicy)
	if version(apiPolicy+"control: {}\n") != without || version(apiPolicy+"control: {api: {}}\n") != without {
		t.Error("an empty section changes the version")
	}
	with := version(apiPolicy + "control: {api: {tokens: [{name: a, role: auditor, token_file: f}]}}\n")
	if with == without || with == version(apiPolicy+"control: {api: {tokens: [{name: a, role: admin, token_file: f}]}}\n") {
		t.Error("a caller or a role was added, and the version stays")
	}
}

func TestAnIssuerMustBeOneThatCanBeTrusted(t *testing.T) {
	t.Parallel()
	for issuer, want := range map[string]string{
		"https://id.example.com":           "",
		"http://127.0.0.1:9999":            "",
		"http://localhost:9999/realm":      "",
		"http://id.example.com":            "without TLS",
		"id.example.com":                   "not an issuer",
		"ftp://id.example.com":             "not an issuer",
		"https://u@id.example.com":         "neither user",
		"https://id.example.com/?x=1":      "neither user",
		"https://u:hunter2@id.example.com": "secret does not belong",
	} {
		_, err := Load("gatehouse.yaml", []byte(apiPolicy+"control: {api: {oidc: {issuer: \""+issuer+"\", audience: a, role_claim: r, roles: {x: dpo}}}}\n"))
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", issuer, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2")):
			t.Errorf("%s: %v, want %q", issuer, err, want)
		}
	}
}
