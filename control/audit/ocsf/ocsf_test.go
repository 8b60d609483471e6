package ocsf

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/event"
)

func TestEachEventHasTheClassThatFitsIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		e       event.Event
		typeUID int
	}{
		"a sign-in":                {event.Event{Type: event.AuthenticationAttempt}, 300201},
		"a session that was ended": {event.Event{Type: event.SessionRevoked}, 300202},
		"a session that has ended": {event.Event{Type: event.SessionExpired}, 300202},
		"a user that was added":    {event.Event{Type: event.UserChanged, Detail: map[string]string{"action": "add"}}, 300101},
		"a user that was enabled":  {event.Event{Type: event.UserChanged, Detail: map[string]string{"action": "enable"}}, 300102},
		"a changed password":       {event.Event{Type: event.UserChanged, Detail: map[string]string{"action": "password"}}, 300103},
		"a user that was disabled": {event.Event{Type: event.UserChanged, Detail: map[string]string{"action": "disable"}}, 300105},
		"another change of a user": {event.Event{Type: event.UserChanged}, 300199},
		"a limit":                  {event.Event{Type: event.RateLimitExceeded, Method: "GET"}, 200401},
		"an upload":                {event.Event{Type: event.FileUploadRejected}, 200401},
		"a secret":                 {event.Event{Type: event.SecretDetected}, 200401},
		"an alert":                 {event.Event{Type: event.AlertRaised}, 200401},
		"the end of an alert":      {event.Event{Type: event.AlertResolved}, 200403},
		"news of a breach":         {event.Event{Type: event.BreachUpdated}, 200402},
		"a request that reads":     {event.Event{Type: event.RequestAllowed, Method: "GET"}, 600302},
		"a request that adds":      {event.Event{Type: event.RequestDenied, Method: "POST"}, 600301},
		"a request that changes":   {event.Event{Type: event.RequestAllowed, Method: "PATCH"}, 600303},
		"a request that removes":   {event.Event{Type: event.OperatorAction, Method: "DELETE"}, 600304},
		"what is no request":       {event.Event{Type: event.PolicyChanged}, 600399},
	} {
		r := From(c.e)
		if r.TypeUID != c.typeUID || r.ClassUID != c.typeUID/100 || r.CategoryUID != c.typeUID/100_000 || (r.ActivityID == 99) != (r.ActivityName != "") {
			t.Errorf("%s: %+v, want %d", name, r, c.typeUID)
		}
	}
}

func TestEveryTypeHasWhatItsClassRequires(t *testing.T) {
	t.Parallel()
	for _, kind := range event.Types() {
		r := From(event.Event{ID: "e1", Type: kind, Source: "envoy", Time: time.UnixMilli(42)})
		missing := map[int]bool{
			authentication: r.User == nil || r.Service == nil, accountChange: r.User == nil,
			detectionFinding: r.Finding == nil || r.Finding.UID == "" || r.Finding.Title == "",
			apiActivity:      r.Actor == nil || r.API == nil || r.API.Operation == "" || r.Source == nil,
		}
		if missing[r.ClassUID] || r.Time != 42 || r.Metadata.UID != "e1" || r.Metadata.Version != Version || r.Message != string(kind) {
			t.Errorf("%s: %+v", kind, r)
		}
	}
}

func TestNothingOfAnEventIsLost(t *testing.T) {
	t.Parallel()
	e := event.Event{
		ID: "e1", Time: time.UnixMilli(1_700_000_000_123), Type: event.RequestDenied, Severity: event.Critical, Outcome: event.Deny,
		Source: "envoy", Instance: "i-1", RequestID: "r-1", Method: "POST", Host: "h.example", Path: "/p", Status: 403, Route: "route-1",
		Policy: "pol-1", PolicyVersion: "v-1", Subject: "u:1", Client: "c:1", Feature: "feat", Rule: "rul", Reason: "reas",
		Detail: map[string]string{"limit": "100"}, Sealed: "sealed-1",
	}
	text, err := json.Marshal(From(e))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"uid":"e1"`, `"time":1700000000123`, `"message":"request_denied"`, `"severity_id":5`, `"status_id":2`, `"envoy"`, `"i-1"`, `"uid":"r-1"`,
		`"http_method":"POST"`, `"hostname":"h.example"`, `"path":"/p"`, `"code":403`, `"route-1"`, `"pol-1"`, `"v-1"`, `"uid":"u:1"`,
		`"src_endpoint":{"uid":"c:1"}`, `"feature":"feat"`, `"rule":"rul"`, `"status_detail":"reas"`, `"detail.limit":"100"`, `"sealed":"sealed-1"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s lacks %s", text, want)
		}
	}
}
