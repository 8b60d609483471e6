package posture

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	eventWithin = 10 * time.Second
	lookEvery   = 100 * time.Millisecond
)

func recordedRefusal(ctx context.Context, p *probe, t *trial) {
	if p.target.Events == nil {
		t.unknown("no audit log is known: pass --state-dir")
		return
	}
	if !p.target.Routes.Protected.Known() {
		t.unknown("no route is known that refuses: pass --protected")
		return
	}
	a, ok := p.ask(ctx, t, request{base: p.open(), route: p.target.Routes.Protected})
	if !ok {
		return
	}
	requestID := a.requestID()
	t.saw("GET "+p.open()+p.target.Routes.Protected.Path+" without a session", a.String()+", request "+requestID, "response")
	if requestID == "" {
		t.fail("the refusal names no request_id to look for")
		return
	}
	types, err := p.awaitEvents(ctx, requestID)
	if err != nil {
		t.unknown("the audit log: %v", err)
		return
	}
	t.saw("events of request "+requestID, strings.Join(types, ", "), p.target.Events.Where())
	t.want(len(types) > 0, "no event of it within %s", p.target.eventWithin())
}

func (t Target) eventWithin() time.Duration { return cmp.Or(t.EventWithin, eventWithin) }

func (p *probe) awaitEvents(ctx context.Context, requestID string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, p.target.eventWithin())
	defer cancel()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		types, err := p.target.Events.OfRequest(ctx, requestID)
		if err != nil && ctx.Err() == nil || len(types) > 0 {
			return types, err
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-ticker.C:
		}
	}
}

func verifiedLog(ctx context.Context, p *probe, t *trial) {
	if p.target.Verifier == nil {
		t.unknown("this log has nobody to verify it: no tamper-evident log, or no public key, is known")
		return
	}
	summary, err := p.target.Verifier.Verify(ctx)
	if errors.Is(err, ErrNotChecked) {
		t.unknown("%v", err)
		return
	}
	if err != nil {
		t.fail("%v", err)
		return
	}
	t.saw("audit verify", summary, "audit log")
}

// samePolicy compares what the parts say of themselves.
func samePolicy(ctx context.Context, p *probe, t *trial) {
	var control, authz struct {
		Policy struct {
			Version string `json:"version"`
		} `json:"policy"`
		LastError *struct {
			Errors []string `json:"errors"`
		} `json:"last_error"`
		Envoys []struct {
			ID      string `json:"id"`
			Version string `json:"version"`
		} `json:"envoys"`
	}
	for base, document := range map[string]any{p.target.Control: &control, p.target.Authz: &authz} {
		a, ok := p.ask(ctx, t, request{base: base, route: Route{Path: "/readyz"}})
		if !ok {
			return
		}
		if err := json.Unmarshal(a.body, document); err != nil {
			t.unknown("%s/readyz is answered with %s and no document", base, a)
			return
		}
	}
	t.saw("GET /readyz", "policy "+control.Policy.Version, p.target.Control)
	t.saw("GET /readyz", "policy "+authz.Policy.Version, p.target.Authz)
	t.want(control.Policy.Version != "" && authz.Policy.Version == control.Policy.Version, "authz decides by another policy than control's")
	for _, e := range control.Envoys {
		t.saw("Envoy "+e.ID, "policy "+e.Version, p.target.Control)
		t.want(e.Version == control.Policy.Version, "Envoy %s has policy %s", e.ID, e.Version)
	}
	if control.LastError != nil {
		t.fail("the newest edit of the policy file is not in force: %s", strings.Join(control.LastError.Errors, "; "))
	}
}

// seedRules are how many alert triggers the audit demands.
const seedRules = 5

func alertRules(ctx context.Context, p *probe, t *trial) {
	if p.target.Alerts == nil {
		t.unknown("no alert rules are known here")
		return
	}
	names, err := p.target.Alerts.Names(ctx)
	if err != nil {
		t.unknown("%v", err)
		return
	}
	slices.Sort(names)
	t.saw("rules in force", strings.Join(names, ", "), "control")
	t.want(len(names) >= seedRules, "%d rules, where the audit demands %d", len(names), seedRules)
}

// apiDocument is what is read of control's OpenAPI document.
type apiDocument struct {
	Paths map[string]map[string]json.RawMessage `json:"paths"`
	raw   []byte
}

func (p *probe) apiDocument(ctx context.Context, t *trial) (apiDocument, bool) {
	var d apiDocument
	a, ok := p.ask(ctx, t, request{base: p.target.Control, route: Route{Path: "/openapi.json"}})
	if !ok {
		return d, false
	}
	if a.status != http.StatusOK || json.Unmarshal(a.body, &d) != nil {
		t.unknown("%s/openapi.json: %s: this control serves no API", p.target.Control, a)
		return d, false
	}
	d.raw = a.body
	return d, true
}

// offers wants control to have the operations, and the first path to answer.
func (p *probe) offers(ctx context.Context, t *trial, operations ...[2]string) (apiDocument, bool) {
	d, ok := p.apiDocument(ctx, t)
	if !ok {
		return d, false
	}
	for _, op := range operations {
		_, there := d.Paths[op[1]][op[0]]
		t.saw(strings.ToUpper(op[0])+" "+op[1], map[bool]string{true: "offered", false: "not offered"}[there], p.target.Control+"/openapi.json")
		t.want(there, "control offers no %s %s", strings.ToUpper(op[0]), op[1])
	}
	if t.status == Fail {
		return d, false
	}
	return d, p.answers(ctx, t, operations[0][1])
}

// answers asks a list of the API; without a token it must refuse. With one, a
// list that wants to know whose (422) answers as well.
func (p *probe) answers(ctx context.Context, t *trial, path string) bool {
	var header map[string]string
	want := []int{http.StatusUnauthorized}
	if p.target.TokenFile != "" {
		token, err := os.ReadFile(p.target.TokenFile)
		if err != nil {
			t.unknown("the API's token: %v", err)
			return false
		}
		header, want = bearer(strings.TrimSpace(string(token))), []int{http.StatusOK, http.StatusUnprocessableEntity}
	}
	a, ok := p.ask(ctx, t, request{base: p.target.Control, route: Route{Path: path}, header: header})
	if !ok {
		return false
	}
	t.saw("GET "+path, a.String(), p.target.Control)
	answers := slices.Contains(want, a.status)
	t.want(answers, "GET %s is answered with %s, want %d", path, a, want)
	if answers && header == nil {
		t.unknown("it refuses strangers; pass --token-file to see it answer")
	}
	return answers
}

func consentRoom(ctx context.Context, p *probe, t *trial) {
	p.offers(ctx, t, [2]string{"get", "/v1/consents"}, [2]string{"post", "/v1/consents"})
}

func breachRoom(ctx context.Context, p *probe, t *trial) {
	p.offers(ctx, t, [2]string{"get", "/v1/breaches"}, [2]string{"post", "/v1/breaches"})
}

// requestKind wants the API to take requests of one kind.
func requestKind(kind string) func(context.Context, *probe, *trial) {
	return func(ctx context.Context, p *probe, t *trial) {
		d, ok := p.offers(ctx, t, [2]string{"get", "/v1/subject-requests"}, [2]string{"post", "/v1/subject-requests"})
		if !ok {
			return
		}
		kinds := enumOf(d.raw, kind)
		t.saw("kinds of a subject request", fmt.Sprint(kinds), p.target.Control+"/openapi.json")
		t.want(slices.Contains(kinds, kind), "control takes no request of kind %s", kind)
	}
}

// enumOf finds a list of values, anywhere in a JSON Schema, that has this one.
func enumOf(document []byte, value string) []string {
	var root any
	if json.Unmarshal(document, &root) != nil {
		return nil
	}
	var found []string
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if list, ok := v["enum"].([]any); ok && slices.Contains(list, any(value)) && found == nil {
				for _, item := range list {
					found = append(found, fmt.Sprint(item))
				}
			}
			for _, child := range v {
				walk(child)
			}
		case []any:
			for _, child := range v {
				walk(child)
			}
		}
	}
	walk(root)
	return found
}
