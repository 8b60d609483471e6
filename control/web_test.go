package control

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/event"
	"gatehouse/authz/login"
	"gatehouse/authz/secret"
	"gatehouse/control/store"
	"gatehouse/e2e/pack"
)

const webToken = "the-administrators-token-0123456789"

// web is a control with a store, a token and a user.
func startWeb(t *testing.T) *running {
	t.Helper()
	r := prepare(t, good(1))
	r.web = func(o *Options) {
		o.Store = store.Options{URL: "sqlite:" + filepath.Join(r.dir, "gatehouse.db")}
		o.PseudonymKey = secret.New([]byte("0123456789abcdef0123456789abcdef"))
		o.AdminTokenFile = filepath.Join(r.dir, "admin.token")
		o.Version = "test"
	}
	writeSecret(t, filepath.Join(r.dir, "admin.token"), webToken)
	s, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + filepath.Join(r.dir, "gatehouse.db")})
	if err != nil {
		t.Fatal(err)
	}
	hash, err := login.HashPassword("correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddUser(t.Context(), "anna", hash, []string{"auditor"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r.start(t)
	r.await(t, "control is ready", func(s readiness) bool { return s.Ready && s.Redis.Reachable })
	return r
}

func writeSecret(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (r *running) ask(t *testing.T, token, path string, into any) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	in, err := http.NewRequestWithContext(ctx, http.MethodGet, r.http+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	in.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(in)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if into != nil && answer.StatusCode == http.StatusOK {
		if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
			t.Fatal(err)
		}
	}
	return answer.StatusCode
}

func TestTheAPITellsWhatControlKnows(t *testing.T) {
	r := startWeb(t)
	var status struct {
		Ready         bool   `json:"ready"`
		PolicyVersion string `json:"policy_version"`
		RedisUp       bool   `json:"redis_up"`
		StoreUp       bool   `json:"store_up"`
	}
	if code := r.ask(t, webToken, "/v1/status", &status); code != http.StatusOK || !status.Ready || !status.RedisUp || !status.StoreUp || status.PolicyVersion != versionOf(t, good(1)) {
		t.Errorf("%d %+v", code, status)
	}
	var policy struct {
		Live    struct{ Version string }
		History []struct{ Version string }
	}
	if code := r.ask(t, webToken, "/v1/policy", &policy); code != http.StatusOK || policy.Live.Version != versionOf(t, good(1)) || len(policy.History) != 1 {
		t.Errorf("%d %+v", code, policy)
	}
	if code := r.ask(t, "wrong-wrong-wrong-wrong-wrong", "/v1/status", nil); code != http.StatusUnauthorized {
		t.Errorf("%d", code)
	}
	// The call itself is an event that can be searched for.
	var found struct {
		Items []event.Event `json:"items"`
	}
	pack.Eventually(t, within, "the call is found", func(context.Context) error {
		if code := r.ask(t, webToken, "/v1/events?type=operator_action&q=get-policy&limit=1", &found); code != http.StatusOK || len(found.Items) == 0 {
			return fmt.Errorf("status %d, %d events", code, len(found.Items))
		}
		return nil
	})
	if len(found.Items) != 1 || found.Items[0].Detail["caller"] != "gatehouse-admin" || found.Items[0].Source != "control" {
		t.Fatalf("%+v", found.Items)
	}
	if code := r.ask(t, webToken, "/v1/events/"+found.Items[0].ID, nil); code != http.StatusOK {
		t.Errorf("%d", code)
	}
	var verified struct {
		Signature bool   `json:"checkpoint_signature"`
		Inclusion bool   `json:"inclusion"`
		Reason    string `json:"reason"`
		Proof     string `json:"proof"`
	}
	if code := r.ask(t, webToken, "/v1/events/"+found.Items[0].ID+"/verification", &verified); code != http.StatusOK || !verified.Signature || !verified.Inclusion ||
		!strings.HasPrefix(verified.Proof, "c2sp.org/tlog-proof@v1\n") {
		t.Errorf("%d %+v", code, verified)
	}
	if code := r.ask(t, webToken, "/v1/events/none/verification", nil); code != http.StatusNotFound {
		t.Errorf("%d", code)
	}
	if code := r.ask(t, webToken, "/v1/events/none", nil); code != http.StatusNotFound {
		t.Errorf("%d", code)
	}
}

func TestAnEditedPolicyFileChangesWhoMayCall(t *testing.T) {
	r := startWeb(t)
	writeSecret(t, filepath.Join(r.dir, "ci.token"), "the-token-of-ci-0123456789")
	if code := r.ask(t, "the-token-of-ci-0123456789", "/v1/status", nil); code != http.StatusUnauthorized {
		t.Fatalf("%d", code)
	}
	edited := good(1) + "control: {api: {tokens: [{name: ci, role: auditor, token_file: ci.token}]}}\n"
	r.write(t, edited)
	r.await(t, "the edit is live", func(s readiness) bool { return s.Policy.Version == versionOf(t, edited) })
	if code := r.ask(t, "the-token-of-ci-0123456789", "/v1/status", nil); code != http.StatusOK {
		t.Errorf("%d", code)
	}
	if code := r.ask(t, webToken, "/v1/status", nil); code != http.StatusOK {
		t.Errorf("the administrator: %d", code)
	}
}

func TestAnEventReachesThoseWhoWatch(t *testing.T) {
	r := startWeb(t)
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	in, err := http.NewRequestWithContext(ctx, http.MethodGet, r.http+"/v1/events/stream?type=operator_action", nil)
	if err != nil {
		t.Fatal(err)
	}
	in.Header.Set("Authorization", "Bearer "+webToken)
	answer, err := http.DefaultClient.Do(in)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	lines := bufio.NewScanner(answer.Body)
	if !lines.Scan() {
		t.Fatal(lines.Err())
	}
	r.ask(t, webToken, "/v1/me", nil)
	for lines.Scan() {
		if strings.Contains(lines.Text(), `"rule":"get-me"`) {
			break
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	// Control stops although somebody watches.
	begun := time.Now()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("stopping takes %s", took)
	}
}

// browser keeps cookies; like a browser it says where its forms come from.
type browser struct {
	t      *testing.T
	client *http.Client
	base   string
}

func newBrowser(t *testing.T, base string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	// A browser counts loopback among what is secure; Go's jar does not.
	return &browser{t: t, base: base, client: &http.Client{Jar: trusting{jar}, Timeout: within}}
}

// trusting gives Secure cookies back over loopback, as browsers do.
type trusting struct{ *cookiejar.Jar }

func (j trusting) SetCookies(u *url.URL, cookies []*http.Cookie) {
	for _, c := range cookies {
		c.Secure = false
	}
	j.Jar.SetCookies(u, cookies)
}

func (b *browser) do(method, path, form string) (string, *http.Response) {
	b.t.Helper()
	in, err := http.NewRequestWithContext(b.t.Context(), method, b.base+path, strings.NewReader(form))
	if err != nil {
		b.t.Fatal(err)
	}
	in.Header.Set("Sec-Fetch-Site", "same-origin")
	if form != "" {
		in.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := b.client.Do(in)
	if err != nil {
		b.t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err := answer.Body.Close(); err != nil {
		b.t.Fatal(err)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return string(text), answer
}

func TestTheConsoleIsForThoseWhoHaveSignedIn(t *testing.T) {
	r := startWeb(t)
	for name, form := range map[string]string{
		"gatehouse-admin": "token=" + webToken,
		"anna":            url.Values{"username": {"Anna"}, "password": {"correct horse battery"}}.Encode(),
	} {
		b := newBrowser(t, r.http)
		if page, answer := b.do(http.MethodGet, "/", ""); answer.Request.URL.Path != "/console/sign-in" || !strings.Contains(page, "With an API token") {
			t.Fatalf("%s: %s", name, answer.Request.URL)
		}
		if page, answer := b.do(http.MethodPost, "/console/sign-in", "token=wrong-wrong-wrong-wrong-wrong"); answer.StatusCode != http.StatusUnauthorized || !strings.Contains(page, "That is not right") {
			t.Errorf("%s: %d", name, answer.StatusCode)
		}
		page, answer := b.do(http.MethodPost, "/console/sign-in", form)
		if answer.StatusCode != http.StatusOK || answer.Request.URL.Path != "/console" || !strings.Contains(page, name) || !strings.Contains(page, "Verdicts as they fall") {
			t.Fatalf("%s: %d %s %s", name, answer.StatusCode, answer.Request.URL, page)
		}
		for _, path := range []string{"/console/events", "/console/policy", "/console/requests"} {
			if _, answer := b.do(http.MethodGet, path, ""); answer.StatusCode != http.StatusOK {
				t.Errorf("%s: %s: %d", name, path, answer.StatusCode)
			}
		}
		if _, answer := b.do(http.MethodPost, "/console/sign-out", ""); answer.Request.URL.Path != "/console/sign-in" {
			t.Errorf("%s: %s", name, answer.Request.URL)
		}
		if _, answer := b.do(http.MethodGet, "/console/events", ""); answer.Request.URL.Path != "/console/sign-in" {
			t.Errorf("%s: after signing out: %s", name, answer.Request.URL)
		}
	}
}

func TestWithoutAStoreThereIsNoAPI(t *testing.T) {
	r := prepare(t, good(1))
	r.web = func(o *Options) { o.Store = store.Options{} }
	r.start(t)
	r.await(t, "control is ready", func(s readiness) bool { return s.Ready })
	if code := r.ask(t, webToken, "/v1/status", nil); code != http.StatusNotFound {
		t.Errorf("%d", code)
	}
}
