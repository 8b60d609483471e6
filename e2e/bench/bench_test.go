package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestOneAnswerIsReadToItsEndAndNoFurther(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer string
		wrong  bool
	}{
		"a body":              {"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nserver: x\r\n\r\nabc", false},
		"an empty body":       {"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false},
		"a refusal":           {"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", true},
		"no length":           {"HTTP/1.1 200 OK\r\nserver: x\r\n\r\n", true},
		"a length in letters": {"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n", true},
		"cut in the head":     {"HTTP/1.1 200 OK\r\ncontent-", true},
		"cut in the body":     {"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			next := "next"
			if test.wrong {
				next = ""
			}
			r := bufio.NewReader(strings.NewReader(test.answer + next))
			if err := readAnswer(r, isOK); (err != nil) != test.wrong {
				t.Fatalf("error %v", err)
			}
			if rest, _ := io.ReadAll(r); !test.wrong && string(rest) != next {
				t.Errorf("left %q, want %q", rest, next)
			}
		})
	}
}

func TestDriveKeepsOneConnectionUntilTheDeadline(t *testing.T) {
	t.Parallel()
	var connections atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		// net/http would write Content-Length; Envoy writes it in lower case.
		w.Header()["content-length"] = []string{"2"}
		_, _ = io.WriteString(w, "ok")
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	latencies, err := drive(front{addr: server.Listener.Addr().String()}, func() []byte { return request("") }, isOK, time.Now().Add(100*time.Millisecond))
	if err != nil || len(latencies) < 2 || connections.Load() != 1 {
		t.Errorf("%d requests over %d connections, error %v", len(latencies), connections.Load(), err)
	}
}

func TestEveryContenderIsRendered(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		s     setup
		holds string
	}{
		"plain":  {setup{}, "direct_response"},
		"own":    {setup{Own: true, Headers: headers}, "envoy.filters.http.cors"},
		"filter": {setup{Filter: true, FilterConfig: filterConfig(t)}, "extensions.filters.http.wasm"},
		"tls":    {setup{TLS: true, CertFile: "/a/cert.pem", KeyFile: "/a/key.pem"}, "certificate_chain: {filename: /a/cert.pem}"},
		"check":  {setup{Check: true, AuthzPort: "9001"}, "port_value: 9001"},
	} {
		if got := render(t, test.s); !strings.Contains(got, test.holds) {
			t.Errorf("%s: no %q in\n%s", name, test.holds, got)
		}
	}
}

func TestRatiosAreTakenRoundByRound(t *testing.T) {
	t.Parallel()
	plain := &contender{rounds: []float64{100, 200, 400}}
	other := &contender{rounds: []float64{50, 150, 100}}
	if got := other.ratioTo(plain); got != 0.5 {
		t.Errorf("ratio %v, want the median of 0.5, 0.75 and 0.25", got)
	}
	if got := plain.ratioTo(plain); got != 1 {
		t.Errorf("ratio to itself %v", got)
	}
}

func TestQuantilesOfTheLatencies(t *testing.T) {
	t.Parallel()
	c := &contender{}
	for i := 100; i > 0; i-- {
		c.latencies = append(c.latencies, time.Duration(i)*time.Millisecond)
	}
	if p50, p99 := c.quantile(0.5), c.quantile(0.99); p50 != 50*time.Millisecond || p99 != 99*time.Millisecond {
		t.Errorf("p50 %v, p99 %v", p50, p99)
	}
}
