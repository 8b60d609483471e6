package cli

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/control/store"
)

func TestTheBuiltInAlertRulesPassTheirOwnTests(t *testing.T) {
	t.Parallel()
	r := run(t, nil, "alert", "test", "testdata/alerts_test.yaml")
	code, out, errs := r.code, r.stdout, r.stderr
	if code != ExitDone || strings.Count(out, "ok ") != 10 {
		t.Errorf("%d %s %s", code, out, errs)
	}
}

func TestATestOfRulesThatFailsSaysHow(t *testing.T) {
	t.Parallel()
	const six = `events: [{count: 6, every: 1s, type: authentication_attempt, outcome: failure, client: "c:1"}]`
	for name, test := range map[string]struct{ text, want string }{
		"raised and not expected": {"tests: [{name: n, " + six + "}]", "not expected: failed-sign-ins at 5s client=c:1"},
		"not raised":              {"tests: [{name: n, alerts: [{rule: failed-sign-ins, at: 1s}]}]", "not raised: failed-sign-ins at 1s"},
		"at another time":         {"tests: [{name: n, " + six + ", alerts: [{rule: failed-sign-ins, at: 4s}]}]", "expected: failed-sign-ins at 4s"},
		"an unknown key":          {"tests: [{nam: n}]", "nam"},
		"no tests":                {"tests: []", "has no tests"},
		"no YAML":                 {"{", "t.yaml"},
	} {
		r := run(t, map[string]string{"t.yaml": test.text}, "alert", "test", "$DIR/t.yaml")
		code, out, errs := r.code, r.stdout, r.stderr
		if code != ExitWrong || !strings.Contains(out+errs, test.want) {
			t.Errorf("%s: %d %s %s", name, code, out, errs)
		}
	}
}

func TestAlertsAndDeadLettersAreListedAndSentAgain(t *testing.T) {
	t.Parallel()
	url := "sqlite:" + filepath.Join(t.TempDir(), "gatehouse.db")
	s, err := store.Open(t.Context(), store.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	started := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	if _, err := s.RaiseAlert(t.Context(), store.Alert{
		ID: "a-1", Rule: "floods", GroupKey: "c:1", Labels: map[string]string{"client": "c:1"}, Severity: "critical", Summary: "too\tmany\x1b[2J",
		Events: 7, Started: started, Last: started,
	}, []string{"hook"}); err != nil {
		t.Fatal(err)
	}
	due, err := s.DueDeliveries(t.Context(), "hook", 10)
	if err != nil || len(due) != 1 {
		t.Fatal(due, err)
	}
	if err := s.Undelivered(t.Context(), due[0].ID, "it answered 500", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		want []string
	}{
		{[]string{"list"}, []string{"2026-11-25T12:00:00Z", "firing", "critical", "floods", "client=c:1"}},
		{[]string{"list", "--firing", "--rule", "floods", "--output", "json"}, []string{`"id": "a-1"`}},
		{[]string{"dead-letters"}, []string{"hook", "it answered 500"}},
		{[]string{"dead-letters", "--retry"}, []string{"1 message will be sent again"}},
	} {
		r := run(t, nil, append(append([]string{"alert"}, test.args...), "--store", url)...)
		code, out, errs := r.code, r.stdout, r.stderr
		for _, want := range test.want {
			if code != ExitDone || !strings.Contains(out, want) || strings.Contains(out, "\x1b") {
				t.Errorf("%v: %d %s %s", test.args, code, out, errs)
			}
		}
	}
	if r := run(t, nil, "alert", "list", "-n", "0", "--store", url); r.code != ExitUsage {
		t.Errorf("%+v", r)
	}
}
