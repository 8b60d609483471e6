package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"gatehouse/authz/event"
	"gatehouse/e2e/pack"
)

const edgeConfig = preamble + `
policies:
  base:
    headers: {preset: strict}
    cors: {allow_origins: ["https://app.example.com"], allow_credentials: true}
    session: required
  limited:
    extends: base
    session: none
    limits: [{name: api_calls, by: [ip], rate: 2/60s}]
  upload:
    extends: base
    session: none
    uploads: {allow: [pdf, png], max_file_size: 1MiB}
routes:
  - {name: public, path_prefix: /public, upstream: app, policy: base, session: none}
  - {name: limited, path: /limited, upstream: app, policy: limited}
  - {name: upload, path_prefix: /upload, methods: [POST], upstream: app, policy: upload}
  - {name: api, path_prefix: /api, upstream: app, policy: base}
`

// clientIP is an address of the documentation range, so that it turns up
// nowhere by accident.
const clientIP = "203.0.113.77"

func TestEveryVerdictBecomesAnEvent(t *testing.T) {
	t.Parallel()
	p := pack.Start(t, pack.Options{Config: edgeConfig})
	from := pack.From(clientIP)
	token := p.SignIn(t, from)

	t.Run("a request that passes", func(t *testing.T) {
		id := p.Get(t, "/api/me?secret=query", from, pack.Bearer(token)).Seen(t).RequestID
		e := awaitFor(t, p, id, event.RequestAllowed)
		expect(t, e, event.Allow, "base", "api")
		if e.Subject == "" || e.Client == "" || e.PolicyVersion == "" || e.Status != http.StatusOK || e.Path != "/api/me" {
			t.Errorf("event lacks what it must tell: %+v", e)
		}
	})
	t.Run("a request without a session", func(t *testing.T) {
		refusal := p.Get(t, "/api/me", from)
		expectStatus(t, refusal, http.StatusUnauthorized)
		e := awaitFor(t, p, refusal.Problem(t).RequestID, event.SessionRefused)
		expect(t, e, event.Deny, "base", "api")
		expectRule(t, e)
	})
	t.Run("a request beyond the limit", func(t *testing.T) {
		p.Get(t, "/limited", from)
		p.Get(t, "/limited", from)
		refusal := p.Get(t, "/limited", from)
		expectStatus(t, refusal, http.StatusTooManyRequests)
		e := awaitFor(t, p, refusal.Problem(t).RequestID, event.RateLimitExceeded)
		expect(t, e, event.Deny, "limited", "limited")
		expectRule(t, e)
		if e.Severity != event.Warning {
			t.Errorf("severity %q, want WARNING", e.Severity)
		}
	})
	t.Run("a file that is not what it claims", func(t *testing.T) {
		const program = "MZ\x90\x00 this program cannot be run"
		refusal := upload(t, p, "invoice.pdf", "application/pdf", program, from)
		expectStatus(t, refusal, http.StatusUnsupportedMediaType)
		e := awaitFor(t, p, refusal.Problem(t).RequestID, event.FileUploadRejected)
		expect(t, e, event.Deny, "upload", "upload")
		expectRule(t, e)
		expectEvidence(t, e, program)
	})
	t.Run("an origin that is not allowed", func(t *testing.T) {
		answer := preflight(t, p, "https://evil.example", from)
		if got := answer.Header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("Access-Control-Allow-Origin %q for a foreign origin", got)
		}
		e := p.AwaitEvent(t, "cors_refused", func(e event.Event) bool { return e.Type == event.CORSRefused })
		expect(t, e, event.Deny, "base", "public")
		expectRule(t, e)
		if e.RequestID == "" {
			t.Errorf("event without a request id: %+v", e)
		}
	})
	t.Run("sign-in, right and wrong", func(t *testing.T) {
		expectStatus(t, p.TrySignIn(t, pack.UserName, "wrong-"+pack.Password, from), http.StatusUnauthorized)
		for _, outcome := range []event.Outcome{event.Success, event.Failure} {
			e := p.AwaitEvent(t, string(outcome), func(e event.Event) bool {
				return e.Type == event.AuthenticationAttempt && e.Outcome == outcome
			})
			if e.RequestID == "" || e.Subject == "" || e.Client == "" {
				t.Errorf("event lacks what it must tell: %+v", e)
			}
		}
	})
	expectNothingPersonal(t, p, token)
}

// expectEvidence is what an analyst looks a refused file up by: the rule's number, where
// it struck, and the hash of as many bytes as had been seen.
func expectEvidence(t *testing.T, e event.Event, content string) {
	t.Helper()
	if !strings.HasPrefix(e.Detail["rule_id"], "GH-") {
		t.Errorf("rule_id is %q", e.Detail["rule_id"])
	}
	if at, err := strconv.Atoi(e.Detail["offset"]); err != nil || at < 0 || at > len(content) {
		t.Errorf("offset is %q of %d bytes", e.Detail["offset"], len(content))
	}
	hashed, err := strconv.Atoi(e.Detail["hashed"])
	if err != nil || hashed < 1 || hashed > len(content) {
		t.Fatalf("%q of %d bytes are hashed", e.Detail["hashed"], len(content))
	}
	if sum := sha256.Sum256([]byte(content[:hashed])); e.Detail["sha256"] != hex.EncodeToString(sum[:]) {
		t.Errorf("sha256 is %q, which is not that of the first %d bytes", e.Detail["sha256"], hashed)
	}
}

// expectNothingPersonal looks for what must not be written anywhere in all
// that was written down.
func expectNothingPersonal(t *testing.T, p *pack.Pack, token string) {
	t.Helper()
	stream, err := p.RedisClient(t).XRange(context.Background(), event.StreamKey, "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	var streamed bytes.Buffer
	for _, message := range stream {
		for field, value := range message.Values {
			streamed.WriteString(field + "=" + value.(string) + "\n")
		}
	}
	if streamed.Len() == 0 {
		t.Error("the Redis stream is empty")
	}
	for where, text := range map[string]string{
		"the audit log": string(p.AuditText(t)), "the Redis stream": streamed.String(),
		"authz's log": p.Authz.Log(), "control's log": p.Control.Log(),
	} {
		for what, secret := range map[string]string{
			"the user's name": pack.UserName, "the password": pack.Password, "the session token": token,
			"the client's address": clientIP, "the query": "secret=query",
		} {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds %s", where, what)
			}
		}
	}
}

func awaitFor(t *testing.T, p *pack.Pack, requestID string, kind event.Type) event.Event {
	t.Helper()
	if requestID == "" {
		t.Fatal("no request id to look for")
	}
	return p.AwaitEvent(t, string(kind)+" of "+requestID, func(e event.Event) bool {
		return e.RequestID == requestID && e.Type == kind
	})
}

func expect(t *testing.T, e event.Event, outcome event.Outcome, policy, route string) {
	t.Helper()
	// A route that overrides a feature has an effective policy of its own,
	// named policy@route.
	name, _, _ := strings.Cut(e.Policy, "@")
	if e.Outcome != outcome || name != policy || e.Route != route {
		t.Errorf("outcome %q, policy %q, route %q; want %q, %q, %q", e.Outcome, e.Policy, e.Route, outcome, policy, route)
	}
}

func expectRule(t *testing.T, e event.Event) {
	t.Helper()
	if e.Rule == "" || e.Reason == "" || e.Feature == "" {
		t.Errorf("event does not say why: %+v", e)
	}
}

func expectStatus(t *testing.T, r pack.Response, want int) {
	t.Helper()
	if r.Status != want {
		t.Fatalf("status %d, want %d: %s", r.Status, want, r.Body)
	}
}
