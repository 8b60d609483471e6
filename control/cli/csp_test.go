package cli

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/control/store"
)

func TestReportsTellWhatWouldBreak(t *testing.T) {
	t.Parallel()
	url := "sqlite:" + filepath.Join(t.TempDir(), "gatehouse.db")
	s, err := store.Open(t.Context(), store.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	group := func(policy, disposition, blocked string, n int64) store.CSPReport {
		return store.CSPReport{Policy: policy, Disposition: disposition, Directive: "script-src-elem", Blocked: blocked, Page: "a.example/shop", Reports: n, First: at, Last: at}
	}
	if err := s.AddCSPReports(t.Context(), []store.CSPReport{group("shop", "report", "https://cdn.example", 41), group("blog", "enforce", "inline\x1b[2J", 7)}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args   []string
		want   []string
		absent string
	}{
		{nil, []string{"EFFECT", "41", "would break", "https://cdn.example", "a.example/shop", "blocked", "blog"}, "\x1b"},
		{[]string{"--policy", "shop"}, []string{"41", "would break"}, "blog"},
		{[]string{"-n", "1"}, []string{"41"}, "blog"},
		{[]string{"--output", "json"}, []string{`"disposition": "report"`, `"reports": 41`, `"last": "2026-11-25T12:00:00Z"`}, "EFFECT"},
	} {
		r := run(t, nil, append([]string{"csp", "report", "--store", url}, test.args...)...)
		for _, want := range test.want {
			if r.code != ExitDone || !strings.Contains(r.stdout, want) || strings.Contains(r.stdout, test.absent) {
				t.Errorf("%v: %d %s %s", test.args, r.code, r.stdout, r.stderr)
			}
		}
	}
	if r := run(t, nil, "csp", "report", "-n", "0", "--store", url); r.code != ExitUsage {
		t.Errorf("%+v", r)
	}
}
