package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"gatehouse/control/simulate"
)

var accessLog = map[string]string{"access.log": strings.Repeat(
	`203.0.113.7 - - [25/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 5`+"\n", 60) +
	`203.0.113.8 - - [25/Nov/2026:10:00:01 +0000] "GET / HTTP/1.1" 200 5` + "\nnonsense\n"}

func TestLimitSimulateSaysWhatALimitWouldHaveRefused(t *testing.T) {
	t.Parallel()
	r := run(t, accessLog, "limit", "simulate", "--rate", "50/s", "$DIR/access.log")
	for _, part := range []string{
		"50/s would have refused 10 of 61 requests (16.39 %), of 1 of 2 keys", "1 lines could not be read", "nonsense", "203.0.113.7  60        10",
	} {
		if !strings.Contains(r.stdout, part) {
			t.Errorf("%q is not in\n%s%s", part, r.stdout, r.stderr)
		}
	}
	if r.code != ExitDone {
		t.Errorf("exit %d", r.code)
	}
	var report simulate.Report
	r = run(t, accessLog, "limit", "simulate", "--rate", "50/s", "-o", "json", "$DIR/access.log")
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || report.Refused != 10 || report.Unread != 1 {
		t.Errorf("%v: %s", err, r.stdout)
	}
}

func TestLimitSimulateReplaysAQuota(t *testing.T) {
	t.Parallel()
	log := map[string]string{"access.log": strings.Repeat(`203.0.113.7 - - [25/Nov/2026:22:59:00 +0000] "GET / HTTP/1.1" 200 5`+"\n", 5) +
		strings.Repeat(`203.0.113.7 - - [25/Nov/2026:23:01:00 +0000] "GET / HTTP/1.1" 200 5`+"\n", 5)}
	for zone, refused := range map[string]string{"UTC": "refused 6 of 10", "Europe/Berlin": "refused 2 of 10"} { // where it is another day
		r := run(t, log, "limit", "simulate", "--rate", "4/day", "--algorithm", "quota", "--time-zone", zone, "$DIR/access.log")
		if r.code != ExitDone || !strings.Contains(r.stdout, refused) {
			t.Errorf("%s: exit %d: %s%s", zone, r.code, r.stdout, r.stderr)
		}
	}
}

func TestLimitSimulateSaysWhatItCannotTry(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		code int
		part string
	}{
		"nothing to try":      {nil, ExitUsage, "--rate 50/s"},
		"a rate that is none": {[]string{"--rate", "many"}, ExitUsage, "write requests/window"},
		"another algorithm":   {[]string{"--rate", "1/s", "--algorithm", "leaky"}, ExitUsage, "leaky"},
		"a day of no quota":   {[]string{"--rate", "5/day"}, ExitUsage, "write --algorithm quota, or a window such as 24h"},
		"a quota of no day":   {[]string{"--rate", "5/24h", "--algorithm", "quota"}, ExitUsage, "--rate 1000/day"},
		"a place of no quota": {[]string{"--rate", "5/s", "--time-zone", "Asia/Tokyo"}, ExitUsage, "--time-zone is for"},
		"no such place":       {[]string{"--rate", "5/day", "--algorithm", "quota", "--time-zone", "Mars"}, ExitUsage, "Mars"},
		"what no log tells":   {[]string{"--rate", "5/m", "--algorithm", "concurrency"}, ExitUsage, "cannot be replayed"},
		"no key":              {[]string{"--rate", "1/s", "--by", ""}, ExitUsage, "say by what to count"},
		"no such log":         {[]string{"--rate", "1/s", "$DIR/none.log"}, ExitWrong, "none.log"},
	} {
		r := run(t, accessLog, append([]string{"limit", "simulate"}, c.args...)...)
		if r.code != c.code || !strings.Contains(r.stderr, c.part) || strings.Count(strings.TrimSpace(r.stderr), "\n") > 0 {
			t.Errorf("%s: exit %d: %s", name, r.code, r.stderr)
		}
	}
}
