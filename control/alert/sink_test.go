package alert

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/secret"
	"gatehouse/control/store"
)

func message(resolved bool) Message {
	m := Message{Alert: store.Alert{
		ID: "a-1", Rule: "floods", Labels: map[string]string{"client": "c:1"}, Severity: "critical", Summary: "too many", Events: 7,
		Started: start, Last: start.Add(time.Minute),
	}, Resolved: resolved}
	if resolved {
		m.Alert.Ended = start.Add(time.Hour)
	}
	return m
}

type posted struct {
	header http.Header
	body   []byte
	path   string
}

func receiver(t *testing.T, status int) (*httptest.Server, *[]posted) {
	t.Helper()
	var got []posted
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = append(got, posted{r.Header, body, r.URL.Path})
		if status == http.StatusFound {
			w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s, &got
}

func now() time.Time { return start }

func TestAWebhookIsSignedAsItsReceiverChecks(t *testing.T) {
	t.Parallel()
	server, got := receiver(t, http.StatusNoContent)
	key := secret.New([]byte("key of the receiver"))
	sink := NewWebhook("hook", server.URL+"/x", func() secret.Value { return key }, now)
	if err := sink.Send(t.Context(), []Message{message(false), message(true)}); err != nil {
		t.Fatal(err)
	}
	if len(*got) != 2 {
		t.Fatalf("%d", len(*got))
	}
	for i, want := range []string{"gatehouse.alert.raised", "gatehouse.alert.resolved"} {
		p := (*got)[i]
		id, stamp := p.header.Get("webhook-id"), p.header.Get("webhook-timestamp")
		if p.header.Get("webhook-signature") != "v1,"+Sign(key, id, stamp, p.body) || stamp != "1795608000" {
			t.Errorf("%v", p.header)
		}
		if Sign(key, id, stamp, append(p.body, ' ')) == Sign(key, id, stamp, p.body) {
			t.Error("the body is not signed")
		}
		var body webhookBody
		if err := json.Unmarshal(p.body, &body); err != nil || body.Type != want || body.Data.Events != 7 || body.Data.Group["client"] != "c:1" {
			t.Errorf("%+v %v", body, err)
		}
	}
	if (*got)[0].header.Get("webhook-id") == (*got)[1].header.Get("webhook-id") {
		t.Error("two messages of one id")
	}
}

func TestAlertmanagerIsToldWithLabelsAndAnEnd(t *testing.T) {
	t.Parallel()
	server, got := receiver(t, http.StatusOK)
	sink := NewAlertmanager("am", server.URL+"/", now)
	if err := sink.Send(t.Context(), []Message{message(false), message(true)}); err != nil {
		t.Fatal(err)
	}
	var alerts []postableAlert
	if err := json.Unmarshal((*got)[0].body, &alerts); err != nil || (*got)[0].path != "/api/v2/alerts" || len(alerts) != 2 {
		t.Fatalf("%s %v", (*got)[0].body, err)
	}
	if a := alerts[0]; a.Labels["alertname"] != "floods" || a.Labels["client"] != "c:1" || a.Labels["severity"] != "critical" || !a.EndsAt.Equal(start.Add(3*time.Minute)) {
		t.Errorf("%+v", a)
	}
	if !alerts[1].EndsAt.Equal(start.Add(time.Hour)) {
		t.Errorf("%+v", alerts[1])
	}
}

func TestASinkThatDoesNotTakeItIsAnError(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusFound, http.StatusBadRequest, http.StatusTooManyRequests, http.StatusInternalServerError} {
		server, _ := receiver(t, status)
		sink := NewWebhook("hook", server.URL, func() secret.Value { return secret.New([]byte("k")) }, now)
		if err := sink.Send(t.Context(), []Message{message(false)}); err == nil || !strings.Contains(err.Error(), http.StatusText(status)) {
			t.Errorf("%d: %v", status, err)
		}
	}
	server, _ := receiver(t, http.StatusOK)
	server.Close()
	sink := NewAlertmanager("am", server.URL, now)
	if err := sink.Send(t.Context(), []Message{message(false)}); err == nil || strings.Contains(err.Error(), server.URL+"/") {
		t.Errorf("%v", err)
	}
}

func TestAddressesOfSinks(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://hooks.example.com/x": "", "http://127.0.0.1:9093": "", "http://localhost:9093": "", "http://[::1]:9093": "",
		"http://am.example": "not encrypted", "ftp://x": "no http", "hooks.example.com": "no http", "https://u:p@h.example": "user information",
	} {
		if got := CheckURL(text, false); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q", text, got)
		}
	}
	if got := CheckURL("http://am.example", true); got != "" {
		t.Errorf("%q", got)
	}
}

func TestBackoffGrowsAndIsBounded(t *testing.T) {
	t.Parallel()
	for attempts := range 100 {
		wait := backoff(attempts)
		if least := min(firstRetry<<min(attempts, 20), lastRetry) * 9 / 10; wait < least || wait > lastRetry*11/10 {
			t.Errorf("%d: %v", attempts, wait)
		}
	}
}

func TestEveryMistakeOfRulesIsReported(t *testing.T) {
	t.Parallel()
	err := Check([]Rule{
		{Name: "Bad Name", When: "true", Window: time.Minute},
		{Name: "a", When: "event.typ == 'x'", Window: time.Millisecond, MoreThan: -1, GroupBy: []string{"ip", "client", "client"}, Severity: "loud", Quiet: -1},
		{Name: "a", When: "1 + 1", Window: time.Minute},
		{Name: "b", When: strings.Repeat(" ", maxWhen+1), Window: time.Minute},
	})
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 11 {
		t.Fatalf("%v", err)
	}
	if err := Check(Defaults()); err != nil {
		t.Error(err)
	}
}
