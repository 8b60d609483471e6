package simulate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/limit"
)

func TestEveryFormatTellsTheSame(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name, line string
		hops       int
		want       Entry
	}{
		{"Envoy's", `[2026-11-25T10:00:00.000Z] "GET /a?b=c HTTP/1.1" 200 - 0 5 1 0 "203.0.113.7" "curl" "id" "host" "127.0.0.1:9000"`, 0,
			Entry{Time: at, IP: "203.0.113.7", Path: "/a"}},
		{"Envoy's, behind a proxy of one's own", `[2026-11-25T10:00:00.000Z] "GET /a HTTP/2" 200 - 0 5 1 0 "6.6.6.6, 203.0.113.7, 10.0.0.1" "" "id" "" "-"`, 1,
			Entry{Time: at, IP: "203.0.113.7", Path: "/a"}},
		{"Envoy's, with fewer proxies than it should have", `[2026-11-25T10:00:00.000Z] "GET /a HTTP/2" 200 - 0 5 1 0 "203.0.113.7" "" "" "" ""`, 1,
			Entry{Time: at, Path: "/a"}},
		{"common", `203.0.113.7 - ann [25/Nov/2026:11:00:00 +0100] "GET /a?b=c HTTP/1.0" 200 2326`, 0,
			Entry{Time: at, IP: "203.0.113.7", User: "ann", Path: "/a"}},
		{"combined", `2001:db8::1 - - [25/Nov/2026:10:00:00 +0000] "GET /a HTTP/1.1" 404 0 "-" "Mozilla"`, 0,
			Entry{Time: at, IP: "2001:db8::1", Path: "/a"}},
		{"JSON", `{"start_time":"2026-11-25T10:00:00Z","downstream_remote_address":"203.0.113.7:52100","path":"/a?x","user":"-"}`, 0,
			Entry{Time: at, IP: "203.0.113.7", Path: "/a"}},
	} {
		got, err := Parse(c.line, Names{}, c.hops)
		got.fields = nil
		got.Time = got.Time.UTC()
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v; want %+v", c.name, got, err, c.want)
		}
	}
}

func TestALineThatCannotBeReadSaysWhy(t *testing.T) {
	t.Parallel()
	for line, part := range map[string]string{
		"hello":                           "neither JSON",
		"{":                               "no JSON object",
		`{"path":"/"}`:                    "--time-field",
		`{"time":"yesterday"}`:            "RFC 3339",
		"[yesterday] x":                   "[time]",
		"[2026-11-25T10:00:00Z] GET":      "quoted parts",
		`1.2.3.4 - - [25/Nov/26] "GET /"`: "common log format",
	} {
		if _, err := Parse(line, Names{}, 0); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// burst is a log of n requests of an address in one second.
func burst(second, n int, ip string) string {
	line := fmt.Sprintf(`{"time":"2026-11-25T10:00:%02dZ","ip":"%s","user":"u-%s"}`+"\n", second, ip, ip)
	return strings.Repeat(line, n)
}

func simulate(t *testing.T, o Options, logs ...string) Report {
	t.Helper()
	readers := make([]io.Reader, len(logs))
	for i, log := range logs {
		readers[i] = strings.NewReader(log)
	}
	report, err := Run(t.Context(), o, readers...)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func perSecond(n int64) limit.Spec {
	return limit.Spec{Name: "tried", Requests: n, Window: time.Second}
}

func TestWhatALimitWouldHaveRefusedIsCountedByKey(t *testing.T) {
	t.Parallel()
	got := simulate(t, Options{Spec: perSecond(50), By: []string{"ip"}, Top: 2},
		burst(0, 60, "203.0.113.1")+burst(0, 40, "203.0.113.2")+burst(1, 80, "203.0.113.2"), burst(2, 50, "203.0.113.3"))
	if got.Requests != 230 || got.Refused != 40 || got.Keys != 3 || got.Hit != 2 || got.Unread != 0 {
		t.Errorf("%+v", got)
	}
	want := []Key{{"203.0.113.2", 120, 30}, {"203.0.113.1", 60, 10}}
	if !reflect.DeepEqual(got.Top, want) {
		t.Errorf("top %v, want %v", got.Top, want)
	}
	if got.FirstRefused.Second() != 0 || got.Last.Sub(got.First) != 2*time.Second {
		t.Errorf("%v, %v to %v", got.FirstRefused, got.First, got.Last)
	}
}

func TestIPv6ClientsAreCountedByTheirNetwork(t *testing.T) {
	t.Parallel()
	log := burst(0, 1, "2001:db8::1") + burst(0, 1, "2001:db8::2") + burst(0, 1, "2001:db8:0:1::1")
	if got := simulate(t, Options{Spec: perSecond(1), By: []string{"ip"}, Top: 5}, log); got.Refused != 1 || got.Keys != 2 {
		t.Errorf("%+v", got)
	}
	if got := simulate(t, Options{Spec: perSecond(1), By: []string{"ip"}, IPv6Prefix: 128, Top: 5}, log); got.Refused != 0 || got.Keys != 3 {
		t.Errorf("by address: %+v", got)
	}
}

func TestWhatTheLimitDoesNotApplyToAndWhatCannotBeReadIsSaid(t *testing.T) {
	t.Parallel()
	log := burst(5, 2, "203.0.113.1") + burst(3, 1, "203.0.113.1") + `{"time":"2026-11-25T10:00:05Z","path":"/"}` + "\n\nnonsense\n"
	got := simulate(t, Options{Spec: perSecond(2), By: []string{"ip", "user"}, Top: 5}, log)
	if got.Without != 1 || got.Unread != 1 || got.OutOfOrder != 1 || got.Refused != 1 || got.Lines != 5 {
		t.Errorf("%+v", got)
	}
	if len(got.Examples) != 1 || !strings.Contains(got.Examples[0], "line 5") || !strings.Contains(got.Examples[0], "nonsense") {
		t.Errorf("%q", got.Examples)
	}
}

func TestAFieldOfJSONLinesCanBeTheKey(t *testing.T) {
	t.Parallel()
	log := `{"time":"2026-11-25T10:00:00Z","tenant":7}` + "\n" + `{"time":"2026-11-25T10:00:00Z","tenant":7}` + "\n"
	if got := simulate(t, Options{Spec: perSecond(1), By: []string{"tenant"}, Top: 1}, log); got.Refused != 1 || got.Top[0].Key != "7" {
		t.Errorf("%+v", got)
	}
}

func TestALogIsNotReadOnAfterItWasInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, Options{Spec: perSecond(1), By: []string{"ip"}}, strings.NewReader(burst(0, 1, "203.0.113.1"))); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestAnImpossibleLimitIsRefused(t *testing.T) {
	t.Parallel()
	_, err := Run(t.Context(), Options{By: []string{"ip"}}, strings.NewReader(burst(0, 1, "203.0.113.1")))
	if !errors.Is(err, limit.ErrSpec) {
		t.Errorf("got %v", err)
	}
}
