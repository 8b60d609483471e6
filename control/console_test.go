package control

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gatehouse/authz/event"
)

// tokenOf is the token of a role in these tests.
func tokenOf(role string) string { return "the-token-of-the-" + role + "-0123456789" }

// staffed is a control that serves people's rights to a caller of each role.
func staffed(t *testing.T) *running {
	t.Helper()
	r := startRights(t)
	edited := good(1) + "control:\n  api:\n    tokens:\n"
	for _, role := range []string{"operator", "dpo", "auditor"} {
		writeSecret(t, filepath.Join(r.dir, role+".token"), tokenOf(role))
		edited += fmt.Sprintf("      - {name: the-%[1]s, role: %[1]s, token_file: %[1]s.token}\n", role)
	}
	r.write(t, edited)
	r.await(t, "the callers are known", func(s readiness) bool { return s.Policy.Version == versionOf(t, edited) })
	return r
}

// as is a browser in which somebody of that role has signed in.
func (r *running) as(t *testing.T, role string) *browser {
	t.Helper()
	b := newBrowser(t, r.http)
	if page, answer := b.do(http.MethodPost, "/console/sign-in", "token="+tokenOf(role)); answer.Request.URL.Path != "/console" || !strings.Contains(page, "the-"+role) {
		t.Fatalf("%s cannot sign in: %d %s", role, answer.StatusCode, answer.Request.URL)
	}
	return b
}

var planField = regexp.MustCompile(`name="seen" value="([^"]+)"`)

func TestARequestIsCarriedOutFromTheConsoleByThoseWhoMay(t *testing.T) {
	r := staffed(t)
	var erasure rightsRequest
	r.call(t, tokenOf("operator"), http.MethodPost, "/v1/subject-requests",
		`{"kind":"erasure","reason":"please","identities":[{"type":"email","value":"ann@example.com"}]}`, http.StatusCreated, &erasure)
	at := "/console/requests/" + erasure.ID
	operator, officer, auditor := r.as(t, "operator"), r.as(t, "dpo"), r.as(t, "auditor")

	if page, answer := auditor.do(http.MethodPost, at+"/verify", "how=passport"); answer.StatusCode != http.StatusForbidden || !strings.Contains(page, "your role does not allow it") {
		t.Errorf("an auditor verifies: %d", answer.StatusCode)
	}
	if _, answer := officer.do(http.MethodPost, at+"/run", url.Values{"seen": {r.planned(t, officer, at, false)}, "sure": {"yes"}}.Encode()); answer.StatusCode != http.StatusConflict {
		t.Errorf("carried out before it is verified: %d", answer.StatusCode)
	}
	if page, answer := operator.do(http.MethodPost, at+"/verify", "how=called+back"); answer.StatusCode != http.StatusOK || answer.Request.URL.Path != at || !strings.Contains(page, "called back") {
		t.Fatalf("an operator verifies: %d %s", answer.StatusCode, page)
	}
	plan := url.Values{"seen": {r.planned(t, officer, at, true)}, "sure": {"yes"}}.Encode()
	for name, b := range map[string]*browser{"an operator": operator, "an auditor": auditor} {
		if _, answer := b.do(http.MethodPost, at+"/run", plan); answer.StatusCode != http.StatusForbidden {
			t.Errorf("%s carries out: %d", name, answer.StatusCode)
		}
	}
	if answer := officer.from("https://evil.example", http.MethodPost, at+"/run", plan); answer.StatusCode != http.StatusForbidden {
		t.Errorf("another site carries out: %d", answer.StatusCode)
	}
	if _, state := r.state(t, erasure.ID); state != "verified" {
		t.Fatalf("it is %s", state)
	}
	if page, answer := officer.do(http.MethodPost, at+"/run", plan); answer.StatusCode != http.StatusOK || !strings.Contains(page, "is being carried out") {
		t.Fatalf("the officer carries out: %d %s", answer.StatusCode, page)
	}
	r.completed(t, erasure.ID)
	// Who did what is in the log, the form of another site too.
	r.awaitEvent(t, "the identity is in the log", func(e event.Event) bool {
		return e.Type == event.OperatorAction && e.Rule == "verify-subject-request" && e.Detail["caller"] == "the-operator"
	})
	r.awaitEvent(t, "the start is in the log", func(e event.Event) bool {
		return e.Type == event.OperatorAction && e.Rule == "run-subject-request" && e.Detail["caller"] == "the-dpo"
	})
	r.awaitEvent(t, "the form of another site is in the log", func(e event.Event) bool {
		return e.Type == event.APIRefused && e.Reason == "cross_origin"
	})
}

// planned is the plan that a page shows; a request that may not be carried out
// yet shows none.
func (r *running) planned(t *testing.T, b *browser, at string, want bool) string {
	t.Helper()
	page, answer := b.do(http.MethodGet, at+"/plan", "")
	found := planField.FindStringSubmatch(page)
	if answer.StatusCode != http.StatusOK || (found != nil) != want || !strings.Contains(page, "gatehouse") {
		t.Fatalf("the plan: %d %s", answer.StatusCode, page)
	}
	if found == nil {
		return ""
	}
	return found[1]
}

func (r *running) state(t *testing.T, id string) (rightsRequest, string) {
	t.Helper()
	var now rightsRequest
	r.call(t, webToken, http.MethodGet, "/v1/subject-requests/"+id, "", http.StatusOK, &now)
	return now, now.State
}

// from sends a form as a page of another origin would.
func (b *browser) from(origin, method, path, form string) *http.Response {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), within)
	defer cancel()
	in, err := http.NewRequestWithContext(ctx, method, b.base+path, strings.NewReader(form))
	if err != nil {
		b.t.Fatal(err)
	}
	in.Header.Set("Sec-Fetch-Site", "cross-site")
	in.Header.Set("Origin", origin)
	in.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := b.client.Do(in)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		b.t.Fatal(err)
	}
	return answer
}
