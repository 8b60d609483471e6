package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/event"
)

// sources answer what a test expects.
type sources struct {
	asked  EventQuery
	alerts AlertQuery
	fail   error
}

func (s *sources) Search(_ context.Context, q EventQuery) ([]event.Event, string, error) {
	s.asked = q
	return []event.Event{
		{ID: "e1", Type: event.FileUploadRejected, Time: time.Unix(1, 0).UTC(), Sealed: "sealed", Reason: "<script>", Personal: map[string]string{"ip": "192.0.2.1"}},
		{ID: "gone", Type: event.RequestAllowed},
	}, "leaf-7", s.fail
}

func (s *sources) Event(_ context.Context, id string) (event.Event, error) {
	if id != "e1" {
		return event.Event{}, ErrNotFound
	}
	return event.Event{ID: id, Type: event.RequestAllowed, Sealed: "sealed"}, s.fail
}

func (s *sources) Verify(_ context.Context, id string) (Verification, error) {
	if id == "gone" {
		return Verification{}, ErrNotFound
	}
	return Verification{EventID: id, Signature: true, Inclusion: true, Index: 3, Size: 9, Proof: json.RawMessage(`"a proof"`)}, s.fail
}

func (s *sources) Alerts(_ context.Context, q AlertQuery) ([]Alert, string, error) {
	s.alerts = q
	return nil, "", s.fail
}

func (s *sources) Count(context.Context, []CSPGroup) error { return s.fail }

func (s *sources) Groups(_ context.Context, policy string, limit int) ([]CSPGroup, error) {
	return []CSPGroup{{Policy: policy, Reports: int64(limit)}}, s.fail
}

func (s *sources) Policy(context.Context) (Policy, error) {
	return Policy{Live: PolicyVersion{Version: "v1"}}, s.fail
}

func (s *sources) Status(context.Context) (Status, error) { return Status{Ready: true}, s.fail }

// served is a rig with all operations of this room.
func served(t *testing.T) (*rig, *sources, *Hub) {
	t.Helper()
	g := newRig(t, nil)
	s, hub := &sources{}, NewHub()
	g.server.Serve(Sources{Events: s, Verifier: s, Hub: hub, Alerts: s, State: s, Reports: s, Uploads: judge{}, Limits: &limiter{}})
	return g, s, hub
}

func TestEveryReadIsForThoseWhoMayRead(t *testing.T) {
	t.Parallel()
	g, _, _ := served(t)
	for _, path := range []string{
		"/v1/events", "/v1/events/e1", "/v1/events/e1/verification", "/v1/events/stream", "/v1/alerts", "/v1/policy", "/v1/status",
	} {
		g.call("GET", path, "").problem(http.StatusUnauthorized)
		g.as(Subject, "GET", path, "").problem(http.StatusForbidden)
		if strings.HasSuffix(path, "/stream") {
			continue // does not end
		}
		for _, role := range []Role{Auditor, Operator, DPO, Admin} {
			g.as(role, "GET", path, "").want(http.StatusOK)
		}
	}
}

func TestASearchReachesTheLogAsItWasMeant(t *testing.T) {
	t.Parallel()
	g, s, _ := served(t)
	cursor := EncodeCursor("leaf-7")
	a := g.as(Auditor, "GET", "/v1/events?type=a,b&subject=u:1&client=c:2&request_id=r&from=2026-01-02T00:00:00Z&to=2026-01-03T00:00:00Z&q=text&limit=10&verify=true&cursor="+cursor, "").want(http.StatusOK)
	want := EventQuery{
		Types: []string{"a", "b"}, Subject: "u:1", Client: "c:2", RequestID: "r", Text: "text", Limit: 10, Cursor: "leaf-7",
		From: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC),
	}
	if !reflect.DeepEqual(s.asked, want) {
		t.Errorf("%+v", s.asked)
	}
	var page struct {
		Items         []map[string]any        `json:"items"`
		NextCursor    string                  `json:"next_cursor"`
		Verifications map[string]Verification `json:"verifications"`
	}
	if err := json.Unmarshal(a.Body.Bytes(), &page); err != nil {
		t.Fatal(err)
	}
	if len(page.Items) != 2 || page.NextCursor != cursor || len(page.Verifications) != 1 || !page.Verifications["e1"].Inclusion {
		t.Errorf("%s", a.Body)
	}
	for _, secret := range []string{"sealed", "192.0.2.1", "a proof"} {
		if strings.Contains(a.Body.String(), secret) {
			t.Errorf("%q is in %s", secret, a.Body)
		}
	}
	for query, status := range map[string]int{
		"cursor=%25": 400, "limit=0": 422, "limit=501": 422, "limit=x": 422, "from=yesterday": 422, "typ=a": 422, "verify=true&limit=51": 422,
		"from=2026-01-03T00:00:00Z&to=2026-01-03T00:00:00Z": 422, "q=" + strings.Repeat("x", 201): 422,
	} {
		g.as(Auditor, "GET", "/v1/events?"+query, "").problem(status)
	}
	g.as(Auditor, "GET", "/v1/events/other", "").problem(http.StatusNotFound)
	g.as(Auditor, "GET", "/v1/events/gone/verification", "").problem(http.StatusNotFound)
	if body := g.as(Auditor, "GET", "/v1/alerts?state=firing", "").want(http.StatusOK).Body.String(); s.alerts.State != "firing" || !strings.Contains(body, `"items":[]`) {
		t.Errorf("%+v %s", s.alerts, body)
	}
}

func TestASourceThatFailsIsAProblemThatSaysNothing(t *testing.T) {
	t.Parallel()
	g, s, _ := served(t)
	s.fail = errors.New("pq: password of hunter2 is wrong")
	for _, path := range []string{"/v1/events", "/v1/events/e1", "/v1/events/e1/verification", "/v1/alerts", "/v1/policy", "/v1/status"} {
		a := g.as(Auditor, "GET", path, "")
		a.problem(http.StatusInternalServerError)
		if strings.Contains(a.Body.String(), "hunter2") {
			t.Errorf("%s: %s", path, a.Body)
		}
	}
	if !strings.Contains(g.log.String(), "hunter2") {
		t.Error("the log does not know why")
	}
}

// watch opens the stream and gives its lines.
func watch(t *testing.T, g *rig, query string) (*http.Response, *bufio.Scanner) {
	t.Helper()
	server := httptest.NewServer(g.server.Handler())
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/v1/events/stream"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+g.tokens[Auditor])
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	return answer, lines
}

func until(t *testing.T, lines *bufio.Scanner, prefix string) string {
	t.Helper()
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), prefix) {
			return lines.Text()
		}
	}
	t.Fatalf("no line begins with %q: %v", prefix, lines.Err())
	return ""
}

func TestEventsAreStreamedAsTheyCome(t *testing.T) {
	t.Parallel()
	g, _, hub := served(t)
	answer, lines := watch(t, g, "?type=file_upload_rejected")
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/event-stream" || answer.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Fatalf("%d %v", answer.StatusCode, answer.Header)
	}
	until(t, lines, ": watching")
	hub.Publish([]event.Event{
		{ID: "other", Type: event.RequestAllowed},
		{ID: "e1\nevent: forged", Type: event.FileUploadRejected, Reason: "a\n\nevent: forged\ndata: {}", Sealed: "sealed"},
	})
	if id := until(t, lines, "id: "); id != "id: e1 event: forged" {
		t.Errorf("%q", id)
	}
	data := until(t, lines, "data: ")
	var e event.Event
	if err := json.Unmarshal([]byte(strings.TrimPrefix(data, "data: ")), &e); err != nil || e.Reason != "a\n\nevent: forged\ndata: {}" || e.Sealed != "" {
		t.Errorf("%s %v", data, err)
	}
	hub.Close()
	hub.Close()
	if lines.Scan() && lines.Text() != "" || lines.Err() != nil {
		t.Errorf("after the end: %q %v", lines.Text(), lines.Err())
	}
}

func TestASlowReaderLosesEventsAndIsTold(t *testing.T) {
	t.Parallel()
	hub := NewHub()
	s, ok := hub.subscribe(nil)
	if !ok {
		t.Fatal("nobody watches, and there is no room")
	}
	many := make([]event.Event, subscriberQueue+5)
	hub.Publish(many)
	if n := s.takeLost(); n != 5 || s.takeLost() != 0 || len(s.events) != subscriberQueue {
		t.Errorf("%d lost, %d wait", n, len(s.events))
	}
	for range maxSubscribers - 1 {
		if _, ok := hub.subscribe(nil); !ok {
			t.Fatal("too early")
		}
	}
	if _, ok := hub.subscribe(nil); ok {
		t.Error("more watch than there is room for")
	}
	hub.leave(s)
	if _, ok := hub.subscribe(nil); !ok {
		t.Error("who leaves makes no room")
	}
}

func TestAReaderWhoMayNoMoreIsCutOff(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	beat := make(chan time.Time, 1)
	beat <- time.Time{}
	s := stream{w: w, control: http.NewResponseController(w), beat: beat}
	if err := s.run(t.Context(), &subscriber{events: make(chan event.Event)}, nil, func() bool { return false }); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(w.Body.String(), "event: end\ndata: {}\n\n") {
		t.Errorf("%q", w.Body)
	}
}

const golden = "testdata/openapi.json"

func TestTheDocumentIsWhatItWas(t *testing.T) {
	t.Parallel()
	g, _, _ := served(t)
	var document any
	if err := json.Unmarshal(g.call("GET", "/openapi.json", "").want(http.StatusOK).Body.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(document, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	want, err := os.ReadFile(golden)
	if err == nil && string(want) == string(text) {
		return
	}
	got := filepath.Join(t.ArtifactDir(), "openapi.json")
	if err := os.WriteFile(got, text, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Errorf("the API has changed (or %v): if that is meant, run go test -artifacts and copy openapi.json to control/api/%s", err, golden)
}

func TestTheDocumentNamesRolesAndProblemsOfEveryOperation(t *testing.T) {
	t.Parallel()
	g, _, _ := served(t)
	document := g.server.API().OpenAPI()
	ids := map[string]bool{}
	for path, item := range document.Paths {
		for method, op := range map[string]any{"GET": item.Get, "POST": item.Post} {
			text, err := json.Marshal(op)
			if err != nil {
				t.Fatal(err)
			}
			if string(text) == "null" {
				continue
			}
			var o struct {
				OperationID string           `json:"operationId"`
				Summary     string           `json:"summary"`
				Roles       []string         `json:"x-roles"`
				Security    []map[string]any `json:"security"`
				Responses   map[string]any   `json:"responses"`
			}
			if err := json.Unmarshal(text, &o); err != nil {
				t.Fatal(err)
			}
			public := o.OperationID == "sign-in" || o.OperationID == "sign-out"
			if o.OperationID == "" || o.Summary == "" || ids[o.OperationID] || (len(o.Roles) == 0) != public || (len(o.Security) == 0) != public ||
				!strings.Contains(fmt.Sprint(o.Responses), "application/problem+json") {
				t.Errorf("%s %s: %s", method, path, text)
			}
			ids[o.OperationID] = true
		}
	}
	if len(ids) < 10 || document.OpenAPI != "3.1.0" {
		t.Errorf("%v, OpenAPI %s", ids, document.OpenAPI)
	}
	if a := g.call("GET", "/openapi.yaml", "").want(http.StatusOK); !strings.HasPrefix(a.Body.String(), "components:") {
		t.Errorf("%.100s", a.Body)
	}
}
