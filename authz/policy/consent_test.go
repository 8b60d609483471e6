package policy

import (
	"strings"
	"testing"
)

func TestADemandForConsentIsCompiled(t *testing.T) {
	t.Parallel()
	for consent, want := range map[string]ConsentDemand{
		`{}`:                                    {},
		`{"purpose": "news"}`:                   {Purpose: "news"},
		`{"purpose": "news", "gpc": true}`:      {Purpose: "news", GPC: true},
		`{"purpose": "news", "mode": "off"}`:    {},
		`{"purpose": "news", "mode": "report"}`: {Purpose: "news", Report: true},
	} {
		set := mustParse(t, `{"version": "v", "policies": {"p": {"session": {"require": "required"}, "consent": `+consent+`}}, "sign_in": {}}`)
		if p, _ := set.Lookup("p"); p.Consent != want {
			t.Errorf("%s: %+v", consent, p.Consent)
		}
	}
}

func TestADemandForConsentThatMakesNoSenseIsAMistake(t *testing.T) {
	t.Parallel()
	for consent, want := range map[string]string{
		`{"mode": "report"}`:                 "policies.p.consent.purpose: is missing",
		`{"gpc": true}`:                      "policies.p.consent.purpose: is missing",
		`{"purpose": "two words"}`:           "policies.p.consent.purpose",
		`{"purpose": "news", "mode": "ask"}`: "policies.p.consent.mode",
		`{"purpose": "news", "for": "x"}`:    "policies.p.consent.for",
	} {
		_, err := Parse([]byte(`{"version": "v", "policies": {"p": {"session": {}, "consent": ` + consent + `}}, "sign_in": {}}`))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", consent, err)
		}
	}
}
