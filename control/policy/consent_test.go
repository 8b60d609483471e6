package policy

import (
	"strings"
	"testing"

	authzpolicy "gatehouse/authz/policy"
)

const consentPolicy = preamble + `
policies:
  base: {session: required, require_consent: {purpose: news, mode: report}}
  strict: {extends: base, require_consent: ads}
  mode: {extends: base, require_consent: {mode: enforce, gpc: true}}
routes:
  - {name: a, path: /a, upstream: app, policy: base}
  - {name: b, path: /b, upstream: app, policy: strict}
  - {name: c, path: /c, upstream: app, policy: mode}
  - {name: d, path: /d, upstream: app, policy: base, require_consent: profiling}
  - {name: e, path: /e, upstream: app, policy: base, require_consent: {mode: "off"}, session: none}
`

func TestConsentIsInheritedFieldByField(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, consentPolicy)
	for policy, want := range map[string]authzpolicy.Consent{
		"base":   {Purpose: "news", Mode: "report"},
		"strict": {Purpose: "ads", Mode: "report"},
		"mode":   {Purpose: "news", Mode: "enforce", GPC: true},
		"base@d": {Purpose: "profiling", Mode: "report"},
		"base@e": {Purpose: "news", Mode: "off"},
	} {
		if got := c.Authz.Policies[policy].Consent; got != want {
			t.Errorf("%s: %+v, want %+v", policy, got, want)
		}
	}
}

func TestExplainTellsWhatConsentARouteRequiresAndWhere(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, consentPolicy)
	e, err := c.Explain(Query{Method: "GET", URL: "https://x/d"})
	if err != nil {
		t.Fatal(err)
	}
	if e.Consent == nil || e.Consent.Purpose != "profiling" || e.Consent.From == nil || e.Consent.From.Path != "routes[3].require_consent" {
		t.Errorf("%+v", e.Consent)
	}
}

func TestAnotherPurposeIsAnotherVersion(t *testing.T) {
	t.Parallel()
	if mustLoad(t, consentPolicy).Version == mustLoad(t, strings.Replace(consentPolicy, "profiling", "ads", 1)).Version {
		t.Error("the version does not tell")
	}
}

func TestARouteThatOverridesOnlyOneFeatureIsInForce(t *testing.T) {
	t.Parallel()
	for _, feature := range []string{
		"headers: {remove: [x-a]}", "cors: {allow_origins: ['https://a.example.com']}", "csrf: enforce", "session: optional",
		"require_consent: ads", "limits: [{name: l, by: [ip], rate: 1/s}]", "uploads: {allow: [pdf]}",
	} {
		c := mustLoad(t, preamble+`
policies: {base: {session: required}}
routes: [{name: r, path: /, upstream: app, policy: base, `+feature+`}]
`)
		if c.Routes[0].Policy != "base@r" {
			t.Errorf("%s: the route goes by %s", feature, c.Routes[0].Policy)
		}
	}
}
