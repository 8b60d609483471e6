package extauthz

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/internal/redistest"
	"gatehouse/authz/limit"
	"gatehouse/authz/login"
	"gatehouse/authz/session"
)

const ours = login.CookieName + "=" + validToken

func TestTheSessionDecidesAsThePolicyDemands(t *testing.T) {
	known := session.Session{User: session.User{ID: "user-1"}}
	for _, c := range []struct {
		name    string
		policy  string
		cookie  string
		answer  session.Session
		err     error
		code    int
		subject string
		rule    string
	}{
		{"none: nobody is asked for", "open", "", known, nil, 200, "", ""},
		{"none: a token is not looked up", "open", ours, known, nil, 200, "", ""},
		{"required: a session is there", "members", ours, known, nil, 200, "user-1", ""},
		{"required: no token", "members", "", known, nil, 401, "", "session_required"},
		{"required: a token that opens nothing", "members", ours, session.Session{}, session.ErrNone, 401, "", "session_required"},
		{"required: revoked", "members", ours, known, session.ErrRevoked, 401, "", "session_required"},
		{"required: expired", "members", ours, known, session.ErrExpiredIdle, 401, "", "session_expired"},
		{"required: too old for this policy", "members", ours, known, session.ErrDemandAge, 401, "", "session_expired"},
		{"required: nobody knows", "members", ours, session.Session{}, fmt.Errorf("%w: %w", session.ErrUnavailable, errDown), 503, "", "session_unavailable"},
		{"required: an error of unknown kind", "members", ours, session.Session{}, errors.New("?"), 503, "", "session_unavailable"},
		{"required: a session without user", "members", ours, session.Session{}, nil, 503, "", "session_unavailable"},
		{"optional: a session is there", "maybe", ours, known, nil, 200, "user-1", ""},
		{"optional: no token", "maybe", "", known, nil, 200, "", ""},
		{"optional: revoked", "maybe", ours, known, session.ErrRevoked, 200, "", ""},
		{"optional: nobody knows", "maybe", ours, session.Session{}, session.ErrUnavailable, 200, "", ""},
		{"report: no token", "watched", "", known, nil, 200, "", "session_required"},
		{"report: nobody knows", "watched", ours, session.Session{}, session.ErrUnavailable, 200, "", "session_unavailable"},
		{"report: a session is there", "watched", ours, known, nil, 200, "user-1", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHarness(t)
			h.sessions.answer, h.sessions.err = c.answer, c.err
			got := h.check(t, ask{policy: c.policy, headers: cookies(c.cookie)})
			if got.code != c.code {
				t.Errorf("code %d, want %d", got.code, c.code)
			}
			if subject, _ := find(got.GetOkResponse().GetHeaders(), subjectHeader); subject != c.subject {
				t.Errorf("subject %q, want %q", subject, c.subject)
			}
			if rule, _ := got.metadata["rule"].(string); rule != c.rule {
				t.Errorf("rule %q, want %q", rule, c.rule)
			}
			if c.policy == "open" && len(h.sessions.asked) > 0 {
				t.Error("a token was looked up where none is asked for")
			}
		})
	}
}

func TestThePolicysDemandReachesTheSession(t *testing.T) {
	h := newHarness(t)
	h.check(t, ask{policy: "members", headers: cookies(ours)})
	if h.sessions.demand != (session.Demand{MaxIdle: 10 * time.Minute, Client: session.ClientOf("", "")}) {
		t.Errorf("got %+v", h.sessions.demand)
	}
}

func TestARefusalIsGenericOutsideAndPreciseInside(t *testing.T) {
	h := newHarness(t)
	h.sessions.err = session.ErrRevoked
	got := h.check(t, ask{policy: "members", headers: map[string]string{"cookie": ours, "x-request-id": "r-1"}})
	denied := got.GetDeniedResponse()
	var document map[string]any
	if err := json.Unmarshal([]byte(denied.GetBody()), &document); err != nil {
		t.Fatal(err)
	}
	if document["type"] != "urn:gatehouse:problem:authentication-failed" || document["request_id"] != "r-1" || document["status"] != 401.0 {
		t.Errorf("got %v", document)
	}
	if strings.Contains(denied.GetBody(), "revoked") || !strings.Contains(got.metadata["reason"].(string), "revoked") {
		t.Errorf("outside %s, inside %v", denied.GetBody(), got.metadata)
	}
	for name, want := range map[string]string{
		"content-type": "application/problem+json", "cache-control": "no-store", "www-authenticate": `Bearer realm="gatehouse"`,
	} {
		if value, _ := find(denied.GetHeaders(), name); value != want {
			t.Errorf("%s is %q", name, value)
		}
	}
	want := map[string]any{
		"decision": "deny", "feature": "session", "rule": "session_required", "reason": got.metadata["reason"],
		"policy": "members", "policy_version": "v1", "subject": "u:user-1",
	}
	if fmt.Sprint(got.metadata) != fmt.Sprint(want) {
		t.Errorf("metadata %v, want %v", got.metadata, want)
	}
}

func TestLimitsCountByAddressAndByUserAndStateThemselves(t *testing.T) {
	h := newHarness(t)
	var codes []int
	for range 4 {
		codes = append(codes, h.check(t, ask{policy: "limited", headers: cookies(ours)}).code)
	}
	if !slices.Equal(codes, []int{200, 200, 429, 429}) {
		t.Errorf("got %v: the user's limit is 2", codes)
	}
	// What the user's limit refused has not been counted by address.
	h.sessions.answer.User.ID = "user-2"
	got := h.check(t, ask{policy: "limited", headers: cookies(ours)})
	state, _ := find(got.GetOkResponse().GetResponseHeadersToAdd(), "ratelimit")
	if got.code != 200 || state != `"ip";r=0;t=60, "user";r=1;t=60` {
		t.Errorf("another user: %d %s", got.code, state)
	}
	got = h.check(t, ask{policy: "limited", headers: cookies(ours)})
	retry, _ := find(got.GetDeniedResponse().GetHeaders(), "retry-after")
	limits, _ := find(got.GetDeniedResponse().GetHeaders(), "ratelimit-policy")
	if got.code != 429 || retry != "60" || limits != `"ip";q=3;w=60, "user";q=2;w=60` || got.metadata["limit"] != "ip" {
		t.Errorf("%d, retry-after %q, ratelimit-policy %q, %v", got.code, retry, limits, got.metadata)
	}
	h.clock.pass(time.Minute)
	if got := h.check(t, ask{policy: "limited", headers: cookies(ours)}); got.code != 200 {
		t.Errorf("after the window: %d", got.code)
	}
}

func TestWhoHasNoSessionIsCountedByAddressAllTheSame(t *testing.T) {
	h := newHarness(t)
	var codes []int
	for range 5 {
		codes = append(codes, h.check(t, ask{policy: "limited"}).code)
	}
	if !slices.Equal(codes, []int{401, 401, 401, 429, 429}) {
		t.Errorf("got %v", codes)
	}
	if got := h.check(t, ask{policy: "limited", from: "198.51.100.1"}); got.code != 401 {
		t.Errorf("another address: %d", got.code)
	}
}

func TestALimitThatReportsLetsThroughAndDoesNotHideTheOthers(t *testing.T) {
	h := newHarness(t)
	var got []string
	for range 5 {
		a := h.check(t, ask{policy: "trial"})
		got = append(got, fmt.Sprint(a.code, a.metadata["decision"]))
		if state, _ := find(a.GetOkResponse().GetResponseHeadersToAdd(), "ratelimit"); strings.Contains(state, "tried") {
			t.Error("a limit on trial is told to the client")
		}
	}
	if !slices.Equal(got, []string{"200allow", "200report", "200report", "429deny", "429deny"}) {
		t.Errorf("got %v", got)
	}
}

func TestEachLimitDoesWithoutRedisWhatItSays(t *testing.T) {
	for _, c := range []struct {
		policy   string
		codes    []int
		decision string
	}{
		{"deny", []int{503, 503, 503}, "deny"},
		{"denied-report", []int{200, 200, 200}, "report"},
		{"allow", []int{200, 200, 200}, "allow"},
		{"local", []int{200, 200, 429}, "deny"},
		{"mixed", []int{503, 503, 503}, "deny"},
	} {
		t.Run(c.policy, func(t *testing.T) {
			h := newHarness(t)
			h.limits.err = fmt.Errorf("%w: %w", limit.ErrUnavailable, errDown)
			var codes []int
			var last answer
			for range 3 {
				last = h.check(t, ask{policy: c.policy})
				codes = append(codes, last.code)
			}
			if !slices.Equal(codes, c.codes) || last.metadata["decision"] != c.decision {
				t.Errorf("got %v %v, want %v %s", codes, last.metadata, c.codes, c.decision)
			}
			h.limits.err = nil
			if got := h.check(t, ask{policy: c.policy}); got.code != 200 {
				t.Errorf("Redis is back: %d", got.code)
			}
		})
	}
}

func TestIPv6ClientsAreCountedByTheirNetwork(t *testing.T) {
	h := newHarness(t)
	for i := range 3 {
		got := h.check(t, ask{policy: "deny", from: fmt.Sprintf("2001:db8::%d", i+1)})
		if want := []int{200, 200, 429}[i]; got.code != want {
			t.Errorf("address %d: %d, want %d", i, got.code, want)
		}
	}
}

func TestRequestsWithoutAnAddressShareOneBudget(t *testing.T) {
	h := newHarness(t)
	for i := range 3 {
		if got, want := h.check(t, ask{policy: "deny", withoutAddress: true}).code, []int{200, 200, 429}[i]; got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	}
}

func TestThePolicyIsTheRoutesElseTheRulesElseTheDefault(t *testing.T) {
	h := newHarness(t)
	for _, c := range []struct {
		name string
		of   ask
		want string
	}{
		{"the route's", ask{policy: "maybe", host: "admin.example.com", path: "/admin"}, "maybe"},
		{"a rule's", ask{host: "admin.example.com", path: "/admin/x?a=//"}, "members"},
		{"the default", ask{host: "x", path: "/"}, "open"},
	} {
		if got := h.check(t, c.of); got.metadata["policy"] != c.want {
			t.Errorf("%s: got %v", c.name, got.metadata)
		}
	}
}

func TestAnUnknownPolicyRefusesUntilItArrives(t *testing.T) {
	h := newHarness(t)
	got := h.check(t, ask{policy: "new", version: "v1"})
	if got.code != 503 || got.metadata["rule"] != "unknown_policy" || got.metadata["policy"] != "new" {
		t.Errorf("got %d %v", got.code, got.metadata)
	}
	h.write(t, strings.Replace(strings.Replace(testPolicy, `"open": {`, `"new": {}, "open": {`, 1), `"v1"`, `"v2"`, 1))
	h.clock.pass(time.Second)
	if got := h.check(t, ask{policy: "new", version: "v2"}); got.code != 200 || got.metadata["policy_version"] != "v2" {
		t.Errorf("the policy is there: %d %v", got.code, got.metadata)
	}
}

func TestADisagreementAboutTheVersionIsToldOnce(t *testing.T) {
	h := newHarness(t)
	for range 10 {
		if got := h.check(t, ask{policy: "open", version: "v0"}); got.code != 200 {
			t.Errorf("it refused: %d", got.code)
		}
		h.check(t, ask{policy: "open", version: "v1"})
		h.clock.pass(time.Second)
	}
	if !slices.Equal(h.disagreed, []string{"v1/v0"}) {
		t.Errorf("got %v", h.disagreed)
	}
}

func TestStatusTextsOfHTTPAreTheProblems(t *testing.T) {
	h := newHarness(t)
	got := h.check(t, ask{policy: "members"})
	if got.code != http.StatusUnauthorized || got.GetStatus().GetMessage() != "authentication-failed" {
		t.Errorf("got %v", got.GetStatus())
	}
}

func TestWhoIsRefusedByALimitIsListed(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.o.Refusals = limit.NewRefusals(redistest.Start(t).Client(), h.clock.Now)
	for range 4 {
		h.check(t, ask{policy: "deny"})
	}
	if err := h.o.Refusals.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	top, err := h.o.Refusals.Top(t.Context(), false, 5)
	if err != nil || len(top) != 1 || top[0].Name != "l" || top[0].Refused != 2 {
		t.Errorf("%+v, %v", top, err)
	}
}
