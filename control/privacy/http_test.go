package privacy

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/event"
	"gatehouse/control/api"
	"gatehouse/control/privacy/connector"
	"gatehouse/control/privacy/datamap"
)

// served is a fixture behind the API, with a token for each role.
type served struct {
	*fixture
	url    string
	tokens map[string]string // by role; "ann" and "bob" are persons
	ann    string            // her user id
	client *http.Client
}

func serve(t *testing.T, change func(*Options)) *served {
	t.Helper()
	v := &served{fixture: newFixture(t, "sqlite:"+t.TempDir()+"/s.db", change), tokens: map[string]string{}}
	names, err := event.NewPseudonymizer(pseudonymKey)
	if err != nil {
		t.Fatal(err)
	}
	server, err := api.New(api.Options{
		Version: "test", Events: &recorder{}, Pseudonyms: names, Sessions: v.mailer, Users: v.o.Store, Idempotency: v.o.Store,
		Limits: api.Limits{Address: api.Rate{Burst: 10_000, PerSecond: 10_000}, Caller: api.Rate{Burst: 10_000, PerSecond: 10_000}},
		Log:    slog.New(slog.DiscardHandler), Now: v.clock.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	var settings api.Settings
	for _, role := range api.AllRoles() {
		path := filepath.Join(t.TempDir(), "token")
		token := "the-token-of-the-role-" + string(role) + "-0123456789"
		if err := os.WriteFile(path, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
		settings.Tokens = append(settings.Tokens, api.TokenSetting{Name: string(role), Role: role, File: path})
		v.tokens[string(role)] = token
	}
	if err := server.Configure(settings); err != nil {
		t.Fatal(err)
	}
	v.ann, v.tokens["ann"] = v.user("ann")
	_, v.tokens["bob"] = v.user("bob")
	Register(server.API(), v.Service)
	front := httptest.NewServer(server.Handler())
	t.Cleanup(front.Close)
	v.url, v.client = front.URL, front.Client()
	return v
}

// answer is what came back.
type answer struct {
	status int
	body   string
	header http.Header
}

func (a answer) field(t *testing.T, name string) string {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal([]byte(a.body), &all); err != nil {
		t.Fatalf("%s: %v", a.body, err)
	}
	text, _ := all[name].(string)
	return text
}

func (v *served) call(who, method, path, body string, headers ...string) answer {
	v.t.Helper()
	in, err := http.NewRequestWithContext(v.t.Context(), method, v.url+path, strings.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	if who != "" {
		in.Header.Set("Authorization", "Bearer "+v.tokens[who])
	}
	if body != "" {
		in.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		in.Header.Set(headers[i], headers[i+1])
	}
	out, err := v.client.Do(in)
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = out.Body.Close() }()
	text, err := io.ReadAll(out.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return answer{out.StatusCode, string(text), out.Header}
}

func (v *served) create(who, body string) string {
	v.t.Helper()
	a := v.call(who, http.MethodPost, "/v1/subject-requests", body)
	if a.status != http.StatusCreated {
		v.t.Fatalf("%d %s", a.status, a.body)
	}
	return a.field(v.t, "id")
}

func TestEachRoleMayDoItsPartAndNoMore(t *testing.T) {
	t.Parallel()
	v := serve(t, nil)
	everybody := []string{"subject", "operator", "dpo", "auditor", "admin"}
	for call, may := range map[string][]string{
		"POST /v1/consents":                  {"subject", "operator", "dpo", "admin"},
		"POST /v1/consents/gpc":              {"subject", "operator", "dpo", "admin"},
		"GET /v1/consents":                   everybody,
		"GET /v1/consents/history":           everybody,
		"GET /v1/consents/x/proof":           {"operator", "dpo", "auditor", "admin"},
		"POST /v1/subject-requests":          {"subject", "operator", "dpo", "admin"},
		"GET /v1/subject-requests":           everybody,
		"GET /v1/subject-requests/x":         everybody,
		"GET /v1/subjects/x":                 {"operator", "dpo", "auditor", "admin"},
		"POST /v1/subject-requests/x/verify": {"subject", "operator", "dpo", "admin"},
		"POST /v1/subject-requests/x/extend": {"dpo", "admin"},
		"POST /v1/subject-requests/x/refuse": {"dpo", "admin"},
		"POST /v1/subject-requests/x/cancel": {"subject", "dpo", "admin"},
		"POST /v1/subject-requests/x/run":    {"dpo", "admin"},
		"POST /v1/subject-requests/x/attest": {"dpo", "admin"},
		"GET /v1/subject-requests/x/plan":    {"dpo", "auditor", "admin"},
		"GET /v1/subject-requests/x/export":  {"subject", "dpo", "admin"},
		"POST /v1/breaches":                  {"operator", "dpo", "admin"},
		"GET /v1/breaches":                   {"operator", "dpo", "auditor", "admin"},
		"GET /v1/breaches/x":                 {"operator", "dpo", "auditor", "admin"},
		"PATCH /v1/breaches/x":               {"dpo", "admin"},
		"POST /v1/breaches/x/notify":         {"dpo", "admin"},
		"GET /v1/breaches/x/draft":           {"dpo", "auditor", "admin"},
		"GET /v1/records":                    {"dpo", "auditor", "admin"},
	} {
		method, path, _ := strings.Cut(call, " ")
		body := ""
		if method != http.MethodGet {
			body = "{}"
		}
		if got := v.call("", method, path, body); got.status != http.StatusUnauthorized {
			t.Errorf("nobody may %s: %d", call, got.status)
		}
		for _, role := range everybody {
			got := v.call(role, method, path, body)
			// A token with the role of a person is refused by its operation.
			refused := got.status == http.StatusForbidden && strings.Contains(got.body, "your role")
			if slices.Contains(may, role) == refused || got.status == http.StatusInternalServerError {
				t.Errorf("%s by %s: %d %s", call, role, got.status, got.body)
			}
		}
	}
}

func TestAPersonSeesAndMovesOnlyTheirOwn(t *testing.T) {
	t.Parallel()
	v := serve(t, nil)
	hers := v.create("ann", `{"kind":"access"}`)
	v.create("bob", `{"kind":"access"}`)
	if got := v.call("ann", "GET", "/v1/subject-requests", ""); strings.Count(got.body, `"kind"`) != 1 || !strings.Contains(got.body, hers) {
		t.Errorf("%s", got.body)
	}
	if got := v.call("dpo", "GET", "/v1/subject-requests", ""); strings.Count(got.body, `"kind"`) != 2 {
		t.Errorf("%s", got.body)
	}
	for call, body := range map[string]string{
		"GET /v1/subject-requests/" + hers: "", "GET /v1/subject-requests/" + hers + "/export": "",
		"POST /v1/subject-requests/" + hers + "/verify": "{}", "POST /v1/subject-requests/" + hers + "/cancel": `{"reason":"x"}`,
	} {
		method, path, _ := strings.Cut(call, " ")
		if got := v.call("bob", method, path, body); got.status != http.StatusNotFound {
			t.Errorf("%s of another: %d %s", call, got.status, got.body)
		}
	}
	for name, body := range map[string]string{
		"in another's name":      `{"kind":"access","subject":"` + v.ann + `"}`,
		"with another's address": `{"kind":"access","identities":[{"type":"email","value":"ann@example.com"}]}`,
	} {
		if got := v.call("bob", "POST", "/v1/subject-requests", body); got.status != http.StatusForbidden {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if got := v.call("subject", "POST", "/v1/subject-requests", `{"kind":"access"}`); got.status != http.StatusForbidden {
		t.Errorf("a token is no person: %d", got.status)
	}
	// What she asks to see of another is not seen, whatever she writes.
	if got := v.call("ann", "GET", "/v1/consents?subject="+v.ann, ""); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := v.call("ann", "POST", "/v1/subject-requests/"+hers+"/cancel", `{"reason":"found it"}`); got.status != http.StatusOK || got.field(t, "close_reason") != "found it" {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestAnOldSignInDoesNotProveWhoSomebodyIs(t *testing.T) {
	t.Parallel()
	v := serve(t, nil)
	fresh := v.call("ann", "POST", "/v1/subject-requests", `{"kind":"access"}`)
	if fresh.field(t, "state") != "verified" {
		t.Errorf("%s", fresh.body)
	}
	v.clock.move(recent + time.Second)
	id := v.create("ann", `{"kind":"erasure"}`)
	if got := v.call("ann", "GET", "/v1/subject-requests/"+id, ""); got.field(t, "state") != "received" {
		t.Errorf("%s", got.body)
	}
	if got := v.call("ann", "POST", "/v1/subject-requests/"+id+"/verify", `{}`); got.status != http.StatusForbidden {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := v.call("operator", "POST", "/v1/subject-requests/"+id+"/verify", `{}`); got.status != http.StatusUnprocessableEntity {
		t.Errorf("without how: %d %s", got.status, got.body)
	}
	if got := v.call("operator", "POST", "/v1/subject-requests/"+id+"/verify", `{"how":"passport"}`); got.field(t, "state") != "verified" || got.field(t, "verified_by") != "operator operator" {
		t.Errorf("%s", got.body)
	}
	if got := v.call("ann", "GET", "/v1/subject-requests/"+id, ""); strings.Contains(got.body, "passport") {
		t.Errorf("she sees how she was checked: %s", got.body)
	}
}

func TestWhetherAPersonsDataMayBeUsedCanBeAsked(t *testing.T) {
	t.Parallel()
	v := serve(t, nil)
	ask := func() answer { return v.call("operator", "GET", "/v1/subjects/"+v.ann, "") }
	if got := ask(); got.status != http.StatusNotFound {
		t.Errorf("somebody of whom nothing was recorded: %d %s", got.status, got.body)
	}
	id := v.create("ann", `{"kind":"restriction"}`)
	if got := ask(); got.status != http.StatusOK || !strings.Contains(got.body, `"restricted":false`) {
		t.Errorf("%d %s", got.status, got.body)
	}
	v.call("dpo", "POST", "/v1/subject-requests/"+id+"/run", "")
	v.work()
	if got := ask(); !strings.Contains(got.body, `"restricted":true`) {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := v.call("operator", "GET", "/v1/subjects/nobody", ""); got.status != http.StatusNotFound {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestARequestIsCarriedOutOverTheAPI(t *testing.T) {
	t.Parallel()
	v := serve(t, nil)
	v.shop.rows["ann@example.com"] = rowsOf(4, "orders")
	id := v.create("operator", `{"kind":"access","identities":[{"type":"email","value":"ann@example.com"}],"received":"2026-03-05T10:00:00Z"}`)
	base := "/v1/subject-requests/" + id
	if got := v.call("dpo", "POST", base+"/run", ""); got.status != http.StatusConflict {
		t.Errorf("before it is verified: %d %s", got.status, got.body)
	}
	v.call("operator", "POST", base+"/verify", `{"how":"call back"}`)
	if got := v.call("dpo", "GET", base+"/plan", ""); got.status != http.StatusOK || !strings.Contains(got.body, `"system":"shop"`) || !strings.Contains(got.body, `"count":4`) {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := v.call("dpo", "POST", base+"/run", ""); got.status != http.StatusAccepted || got.field(t, "state") != "in_progress" {
		t.Errorf("%d %s", got.status, got.body)
	}
	v.shop.fail = []error{errAway}
	v.work()
	if got := v.call("auditor", "GET", base, ""); !strings.Contains(got.body, "away") || !strings.Contains(got.body, `"attempts":1`) {
		t.Errorf("%s", got.body)
	}
	v.clock.move(time.Minute)
	v.work()
	got := v.call("dpo", "GET", base+"/export", "")
	if got.status != http.StatusOK || strings.Count(got.body, `"orders"`) != 4 || got.header.Get("Content-Disposition") != `attachment; filename=access-`+id+`.jsonl` {
		t.Errorf("%d %v %s", got.status, got.header, got.body)
	}
}

func TestAnArchiveThatBreaksOffDoesNotLookComplete(t *testing.T) {
	t.Parallel()
	v := serve(t, nil)
	id := v.create("operator", `{"kind":"access","identities":[{"type":"email","value":"ann@example.com"}]}`)
	base := "/v1/subject-requests/" + id
	v.call("operator", "POST", base+"/verify", `{"how":"call back"}`)
	v.call("dpo", "POST", base+"/run", "")
	v.work()
	v.shop.rows["ann@example.com"] = rowsOf(200, "orders")
	v.crm.fail = []error{errAway}
	in, err := http.NewRequestWithContext(t.Context(), http.MethodGet, v.url+base+"/export", nil)
	if err != nil {
		t.Fatal(err)
	}
	in.Header.Set("Authorization", "Bearer "+v.tokens["dpo"])
	out, err := v.client.Do(in)
	if err != nil {
		return // not even a beginning came
	}
	defer func() { _ = out.Body.Close() }()
	if _, err := io.ReadAll(out.Body); err == nil {
		t.Error("the client takes half of the data for all")
	}
}

func TestConsentsOverTheAPI(t *testing.T) {
	t.Parallel()
	l := &log{has: map[string]bool{}}
	v := serve(t, func(o *Options) {
		o.Log = l
		o.Map = func() datamap.Map {
			return datamap.Map{Purposes: map[string]datamap.Purpose{"ads": {GPC: true, NoticeVersion: "2"}, "news": {NoticeVersion: "2"}}}
		}
	})
	given := v.call("ann", "POST", "/v1/consents", `{"purpose":"ads","state":"given"}`)
	if given.status != http.StatusCreated || given.field(t, "notice_version") != "2" || !v.given(v.ann, "ads") {
		t.Fatalf("%d %s", given.status, given.body)
	}
	proofOf := "/v1/consents/" + given.field(t, "event_id") + "/proof"
	if got := v.call("auditor", "GET", proofOf, ""); got.status != http.StatusNotFound {
		t.Errorf("before the log has it: %d", got.status)
	}
	l.has[given.field(t, "event_id")] = true
	if got := v.call("auditor", "GET", proofOf, ""); got.status != http.StatusOK || !strings.HasPrefix(got.field(t, "proof"), "proof of ") {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := v.call("ann", "POST", "/v1/consents", `{"purpose":"ads","state":"given"}`, "Sec-GPC", "1"); got.status != http.StatusConflict {
		t.Errorf("a browser that objects consents: %d", got.status)
	}
	if got := v.call("ann", "POST", "/v1/consents/gpc", `{}`); got.status != http.StatusUnprocessableEntity {
		t.Errorf("no signal: %d", got.status)
	}
	if got := v.call("ann", "POST", "/v1/consents/gpc", `{}`, "Sec-GPC", "1"); got.status != http.StatusOK || !strings.Contains(got.body, `"channel":"gpc"`) || v.given(v.ann, "ads") {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := v.call("operator", "POST", "/v1/consents", `{"subject":"`+v.ann+`","purpose":"news","state":"given","channel":"paper"}`); got.status != http.StatusCreated || !v.given(v.ann, "news") {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := v.call("ann", "GET", "/v1/consents", ""); strings.Count(got.body, `"purpose"`) != 2 {
		t.Errorf("%s", got.body)
	}
	if got := v.call("bob", "GET", "/v1/consents/history", ""); got.body != "{\"items\":[]}\n" {
		t.Errorf("%q", got.body)
	}
	if got := v.call("dpo", "GET", "/v1/consents/history?subject="+v.ann+"&purpose=ads&limit=1", ""); strings.Count(got.body, `"purpose"`) != 1 || got.field(t, "next_cursor") == "" {
		t.Errorf("%s", got.body)
	}
	if got := v.call("dpo", "GET", "/v1/consents?subject=nobody", ""); got.body != "{\"items\":[]}\n" {
		t.Errorf("%q", got.body)
	}
	for _, cursor := range []string{"!", "bm9uZQ"} {
		if got := v.call("dpo", "GET", "/v1/consents?cursor="+cursor, ""); got.status != http.StatusBadRequest {
			t.Errorf("cursor %s: %d", cursor, got.status)
		}
	}
}

func TestBreachesOverTheAPI(t *testing.T) {
	t.Parallel()
	v := serve(t, nil)
	b := v.call("operator", "POST", "/v1/breaches", `{"title":"a lost laptop","aware":"2026-03-09T09:00:00Z"}`)
	if b.status != http.StatusCreated || b.field(t, "due") != "2026-03-12T09:00:00Z" || b.field(t, "state") != "recorded" {
		t.Fatalf("%d %s", b.status, b.body)
	}
	base := "/v1/breaches/" + b.field(t, "id")
	if got := v.call("dpo", "PATCH", base, `{"risk":"risk","state":"assessed","persons":12}`); got.field(t, "state") != "assessed" {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := v.call("dpo", "POST", base+"/notify", `{"whom":"authority","reference":"LDA-7"}`); got.field(t, "state") != "notified" || got.field(t, "reference") != "LDA-7" {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := v.call("dpo", "PATCH", base, `{"state":"closed"}`); got.status != http.StatusConflict {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := v.call("auditor", "GET", base+"/draft?article=33", ""); got.status != http.StatusOK || !strings.HasPrefix(got.body, "# Notification") || !strings.HasPrefix(got.header.Get("Content-Type"), "text/markdown") {
		t.Errorf("%d %v %s", got.status, got.header, got.body)
	}
	if got := v.call("auditor", "GET", base+"/draft?article=35", ""); got.status != http.StatusUnprocessableEntity {
		t.Errorf("%d", got.status)
	}
	if got := v.call("auditor", "GET", "/v1/breaches?state=notified", ""); strings.Count(got.body, `"title"`) != 1 {
		t.Errorf("%s", got.body)
	}
	for format, want := range map[string]string{"": `"activities": []`, "?format=markdown": "names no processing", "?format=csv": "Purpose,Lawful basis"} {
		if got := v.call("auditor", "GET", "/v1/records"+format, ""); got.status != http.StatusOK || !strings.Contains(got.body, want) {
			t.Errorf("%s: %d %s", format, got.status, got.body)
		}
	}
}

func TestARequestSentAgainIsOneRequest(t *testing.T) {
	t.Parallel()
	v := serve(t, nil)
	body := `{"kind":"access","identities":[{"type":"email","value":"ann@example.com"}]}`
	first := v.call("operator", "POST", "/v1/subject-requests", body, "Idempotency-Key", "0123456789abcdef-key")
	again := v.call("operator", "POST", "/v1/subject-requests", body, "Idempotency-Key", "0123456789abcdef-key")
	if first.status != http.StatusCreated || first.field(t, "id") != again.field(t, "id") {
		t.Errorf("%s\n%s", first.body, again.body)
	}
	if got := v.call("operator", "POST", "/v1/subject-requests", strings.Replace(body, "access", string(connector.Erasure), 1), "Idempotency-Key", "0123456789abcdef-key"); got.status != http.StatusUnprocessableEntity {
		t.Errorf("another call with that key: %d", got.status)
	}
}
