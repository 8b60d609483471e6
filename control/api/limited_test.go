package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// limiter answers what a test says.
type limiter struct {
	trial LimitTrial
	err   error
	reset []string
}

func (l *limiter) Limited(_ context.Context, shadow bool, most int) ([]LimitedCounter, error) {
	if shadow {
		return nil, l.err
	}
	return []LimitedCounter{{Key: "203.0.113.7", Limit: int64(most)}}, l.err
}

func (l *limiter) Counters(_ context.Context, key string) ([]CounterValue, error) {
	if key == "none" {
		return nil, ErrNotFound
	}
	return []CounterValue{{Algorithm: "gcra", Value: "7"}}, l.err
}

func (l *limiter) Reset(_ context.Context, key string) (int, error) {
	if key == "none" {
		return 0, ErrNotFound
	}
	l.reset = append(l.reset, key)
	return 1, l.err
}

func (l *limiter) Try(_ context.Context, t LimitTrial) (LimitTrialResult, error) {
	l.trial = t
	if t.Rate == "many" {
		return LimitTrialResult{}, fmt.Errorf("%w: it is many", ErrTrial)
	}
	return LimitTrialResult{Requests: 9}, l.err
}

func TestCountersAreForThoseAloneWhoRunTheService(t *testing.T) {
	t.Parallel()
	g, l := newRig(t, nil), &limiter{}
	g.server.Serve(Sources{Limits: l})
	for path, may := range map[string][]Role{
		"/v1/limits": {Operator, Admin}, "/v1/limits/counters?key=k": {Operator, Admin}, "/v1/limits/trial?rate=5/s": {Auditor, Operator, DPO, Admin},
	} {
		g.call("GET", path, "").problem(http.StatusUnauthorized)
		for _, role := range AllRoles() {
			want := http.StatusForbidden
			for _, r := range may {
				if r == role {
					want = http.StatusOK
				}
			}
			g.as(role, "GET", path, "").want(want)
		}
	}
	for _, role := range []Role{Subject, Auditor, DPO} {
		g.as(role, "POST", "/v1/limits/reset", `{"key":"k"}`).problem(http.StatusForbidden)
	}
	g.as(Operator, "POST", "/v1/limits/reset", `{"key":"k+l"}`).want(http.StatusOK)
	if len(l.reset) != 1 || l.reset[0] != "k+l" {
		t.Errorf("%q", l.reset)
	}
	// What was reset is in no event: a key may name a person.
	for _, e := range g.events.all() {
		if strings.Contains(fmt.Sprint(e), "k+l") {
			t.Errorf("%+v", e)
		}
	}
}

func TestWhatIsNotCountedAndWhatMakesNoSenseAreToldApart(t *testing.T) {
	t.Parallel()
	g, l := newRig(t, nil), &limiter{}
	g.server.Serve(Sources{Limits: l})
	g.as(Operator, "GET", "/v1/limits/counters?key=none", "").problem(http.StatusNotFound)
	g.as(Operator, "POST", "/v1/limits/reset", `{"key":"none"}`).problem(http.StatusNotFound)
	g.as(Operator, "GET", "/v1/limits/trial?rate=many", "").problem(http.StatusUnprocessableEntity)
	g.as(Operator, "GET", "/v1/limits/trial", "").problem(http.StatusUnprocessableEntity)
	g.as(Operator, "GET", "/v1/limits/trial?rate=5/s&by=path", "").problem(http.StatusUnprocessableEntity)
	if got := g.as(Operator, "GET", "/v1/limits?shadow=true", "").want(http.StatusOK).Body.String(); !strings.Contains(got, `"items":[]`) {
		t.Error(got)
	}
	g.as(Operator, "GET", "/v1/limits/trial?rate=5/day&algorithm=quota&time_zone=Asia/Tokyo&by=user&from=2026-01-02T00:00:00Z", "").want(http.StatusOK)
	if l.trial.By != "user" || l.trial.Algorithm != "quota" || l.trial.TimeZone != "Asia/Tokyo" || l.trial.From.IsZero() {
		t.Errorf("%+v", l.trial)
	}
}
