package extauthz

import (
	"encoding/json"
	"reflect"
	"testing"

	"gatehouse/authz/session"
)

func TestARouteThatRequiresConsentAsksForTheUsersOwn(t *testing.T) {
	t.Parallel()
	token := map[string]string{"authorization": "Bearer " + validToken}
	objecting := map[string]string{"authorization": "Bearer " + validToken, "sec-gpc": "1"}
	for _, test := range []struct {
		name, policy string
		given        bool
		down         error
		session      error
		headers      map[string]string
		code         int
		rule         string
		asked        []string
	}{
		{name: "given", policy: "consented", given: true, headers: token, code: 200, asked: []string{"user-1 news"}},
		{name: "not given", policy: "consented", headers: token, code: 403, rule: ruleConsentMissing, asked: []string{"user-1 news"}},
		{name: "nobody can say", policy: "consented", given: true, down: errDown, headers: token, code: 503, rule: ruleConsentUnavailable, asked: []string{"user-1 news"}},
		{name: "no session, which comes first", policy: "consented", given: true, code: 401, rule: ruleSessionRequired},
		{name: "a stranger where sessions are optional", policy: "consented-maybe", given: true, code: 403, rule: ruleConsentMissing},
		{name: "somebody of whom nobody can say who", policy: "consented-maybe", given: true, session: session.ErrUnavailable, headers: token, code: 503, rule: ruleConsentUnavailable},
		{name: "a user where sessions are optional", policy: "consented-maybe", given: true, headers: token, code: 200, asked: []string{"user-1 news"}},
		{name: "a browser that objects to this purpose", policy: "consented-gpc", given: true, headers: objecting, code: 403, rule: ruleConsentGPC},
		{name: "a browser that does not", policy: "consented-gpc", given: true, headers: token, code: 200, asked: []string{"user-1 news"}},
		{name: "a browser that objects to other purposes", policy: "consented", given: true, headers: objecting, code: 200, asked: []string{"user-1 news"}},
		{name: "a route that only reports", policy: "consented-report", headers: token, code: 200, rule: ruleConsentMissing, asked: []string{"user-1 news"}},
		{name: "a route that asks for none", policy: "members", headers: token, code: 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			h.consents.given, h.consents.err, h.sessions.err = test.given, test.down, test.session
			got := h.check(t, ask{policy: test.policy, headers: test.headers})
			rule, _ := got.metadata["rule"].(string)
			if got.code != test.code || rule != test.rule || !reflect.DeepEqual(h.consents.asked, test.asked) {
				t.Errorf("%d %q, asked %v: %v", got.code, rule, h.consents.asked, got.metadata)
			}
		})
	}
}

func TestARefusalForWantOfConsentNamesThePurpose(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	got := h.check(t, ask{policy: "consented", headers: map[string]string{"authorization": "Bearer " + validToken, "x-request-id": "r1"}})
	var problem map[string]any
	if err := json.Unmarshal([]byte(got.GetDeniedResponse().GetBody()), &problem); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"type": "urn:gatehouse:problem:consent-required", "title": "Consent is required", "status": 403.0,
		"request_id": "r1", "purpose": "news",
	}
	if !reflect.DeepEqual(problem, want) {
		t.Errorf("%v", problem)
	}
	if got.metadata["purpose"] != "news" || got.metadata["subject"] != "u:user-1" {
		t.Errorf("%v", got.metadata)
	}
}

func TestWhoIsOverTheLimitIsNotAskedForConsent(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.consents.given = true
	request := ask{policy: "consented-limited", headers: map[string]string{"authorization": "Bearer " + validToken}}
	if got := h.check(t, request); got.code != 200 {
		t.Fatal(got.code)
	}
	if got := h.check(t, request); got.code != 429 || len(h.consents.asked) != 1 {
		t.Errorf("%d, asked %v", got.code, h.consents.asked)
	}
}
