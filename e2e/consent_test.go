package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/event"
	"gatehouse/e2e/pack"
)

const consentConfig = preamble + `
policies:
  base: {session: required}
routes:
  - {name: news, path_prefix: /news, upstream: app, policy: base, require_consent: newsletter}
  - {name: rest, path_prefix: /, upstream: app, policy: base}
`

// consents calls the ledger of consents as the person.
func consents(t *testing.T, p *pack.Pack, token, state string) {
	t.Helper()
	body := strings.NewReader(`{"purpose":"newsletter","state":"` + state + `","notice_version":"1"}`)
	got := pack.Do(t, pack.HTTP1(), pack.Request(t, http.MethodPost, p.ControlURL("/v1/consents"), body,
		pack.Bearer(token), pack.With("Content-Type", "application/json")))
	expectStatus(t, got, http.StatusCreated)
}

func TestARouteThatRequiresConsentServesOnlyWhoHasGivenIt(t *testing.T) {
	t.Parallel()
	p := pack.Start(t, pack.Options{Config: consentConfig})
	token := p.SignIn(t)
	news := func() pack.Response { return p.Get(t, "/news", pack.Bearer(token)) }
	await := func(want int) {
		t.Helper()
		pack.Eventually(t, 20*time.Second, fmt.Sprintf("the route answers %d", want), func(context.Context) error {
			if got := news(); got.Status != want {
				return fmt.Errorf("status %d: %s", got.Status, got.Body)
			}
			return nil
		})
	}
	await(http.StatusForbidden) // 503 as long as control has not written its copy

	refusal := news()
	expectStatus(t, refusal, http.StatusForbidden)
	var problem struct{ Type, Purpose string }
	if err := json.Unmarshal(refusal.Body, &problem); err != nil || problem.Type != "urn:gatehouse:problem:consent-required" || problem.Purpose != "newsletter" {
		t.Errorf("%s", refusal.Body)
	}
	e := awaitFor(t, p, refusal.Problem(t).RequestID, event.ConsentMissing)
	if e.Subject == "" || e.Detail["purpose"] != "newsletter" || e.Outcome != event.Deny {
		t.Errorf("%+v", e)
	}

	consents(t, p, token, "given")
	expectStatus(t, news(), http.StatusOK) // in force when the call has returned
	consents(t, p, token, "withdrawn")
	expectStatus(t, news(), http.StatusForbidden)
	consents(t, p, token, "given")
	expectStatus(t, p.Get(t, "/else", pack.Bearer(token)), http.StatusOK)

	p.Control.Stop(t)
	expectStatus(t, news(), http.StatusOK)
	// Redis has lost the copy: that is not "no consent", nor "consent".
	client := p.RedisClient(t)
	if err := client.Del(t.Context(), "gatehouse:consents").Err(); err != nil {
		t.Fatal(err)
	}
	expectStatus(t, news(), http.StatusServiceUnavailable)
	p.Control.Start(t)
	await(http.StatusOK)

	p.Redis.Stop(t)
	expectStatus(t, news(), http.StatusServiceUnavailable)
	p.Redis.Start(t)
	await(http.StatusOK)
}
