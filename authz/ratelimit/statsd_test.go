package ratelimit

import (
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/authz/limit"
)

// statsdServer tells what each connection said.
func statsdServer(t *testing.T) (address string, said <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	texts := make(chan string, 8)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			text, _ := io.ReadAll(c) // what came is compared
			_ = c.Close()
			texts <- string(text)
		}
	}()
	return "tcp://" + l.Addr().String(), texts
}

func heard(t *testing.T, said <-chan string) []string {
	t.Helper()
	select {
	case text := <-said:
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		slices.Sort(lines)
		return lines
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was told")
		return nil
	}
}

func TestStatsDIsToldWhatWasCountedSinceUnderThePeersNames(t *testing.T) {
	t.Parallel()
	c := NewCompat(prometheus.NewRegistry(), DefaultNearRatio)
	address, said := statsdServer(t)
	s, err := NewStatsd(address, c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	c.calls.add(3)
	at := ruleSeries{"d", "a_1", "b", "c_x.e"}
	c.rule(at, 2, limit.Result{Allowed: true, Limit: 100, Remaining: 90})
	c.rule(at, 1, limit.Result{Limit: 100, Shadow: true})
	s.flush(t.Context())
	if got, want := heard(t, said), []string{
		"ratelimit.service.rate_limit.d.a_1.b.c_x.e.over_limit:1|c", "ratelimit.service.rate_limit.d.a_1.b.c_x.e.shadow_mode:1|c",
		"ratelimit.service.rate_limit.d.a_1.b.c_x.e.total_hits:3|c", "ratelimit.service.rate_limit.d.a_1.b.c_x.e.within_limit:2|c",
		"ratelimit_server.ShouldRateLimit.total_requests:3|c",
	}; !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	c.failures.add(1)
	s.flush(t.Context())
	if got := heard(t, said); !slices.Equal(got, []string{"ratelimit.service.call.should_rate_limit.redis_error:1|c"}) {
		t.Errorf("only what is new: %q", got)
	}
}

func TestWhatIsCountedWaitsForStatsD(t *testing.T) {
	t.Parallel()
	c := NewCompat(prometheus.NewRegistry(), DefaultNearRatio)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	s, err := NewStatsd("tcp://"+l.Addr().String(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	c.calls.add(2)
	if s.flush(t.Context()); !s.away {
		t.Fatal("nobody listens, and it was told")
	}
	address, said := statsdServer(t)
	s.address = strings.TrimPrefix(address, "tcp://")
	c.calls.add(3)
	if s.flush(t.Context()); s.away {
		t.Fatal("it listens")
	}
	if got := heard(t, said); !slices.Equal(got, []string{"ratelimit_server.ShouldRateLimit.total_requests:5|c"}) {
		t.Errorf("%q", got)
	}
}

func TestWhatARequestSaysIsNoLineOfStatsD(t *testing.T) {
	t.Parallel()
	for path, want := range map[ruleSeries]string{
		{"d", "k_a\nother:1|c", "", ""}:         "d.k_a_other_1_c",
		{"d", "k_\x00 é@#", "", ""}:             "d.k______",
		{"d", strings.Repeat("x", 600), "", ""}: "d." + strings.Repeat("x", maxStatsName-2),
	} {
		if got := statsPath(path); got != want {
			t.Errorf("%q: %q", path, got)
		}
	}
}

func TestPacketsOfStatsDFitIntoANetwork(t *testing.T) {
	t.Parallel()
	c := NewCompat(prometheus.NewRegistry(), DefaultNearRatio)
	for i := range 200 {
		c.rule(ruleSeries{"d", "key_" + strings.Repeat("v", i), "", ""}, 1, limit.Result{Allowed: true, Limit: 9, Remaining: 8})
	}
	s, err := NewStatsd("udp://127.0.0.1:8125", c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, p := range s.packets() {
		lines += strings.Count(string(p), "\n")
		if len(p) > maxDatagram {
			t.Errorf("%d bytes", len(p))
		}
	}
	if lines != 400 {
		t.Errorf("%d lines", lines)
	}
	for _, bad := range []string{"", "localhost:8125", "tcp://localhost", "http://localhost:1", "tcp://u:p@h:1", "tcp://h:1/x"} {
		if _, err := NewStatsd(bad, c, nil); err == nil || !strings.Contains(err.Error(), "tcp://HOST:PORT") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
