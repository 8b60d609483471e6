package e2e

import (
	"crypto/sha256"
	"net/http"
	"net/netip"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/e2e/pack"
)

const limitsConfig = preamble + `
policies:
  by_ip:
    session: none
    limits: [{name: api_calls, by: [ip], rate: 100/60s}]
  by_user:
    session: required
    limits: [{name: user_calls, by: [user], rate: 100/60s}]
  by_user_gcra:
    session: required
    limits: [{name: user_burst, by: [user], rate: 100/1h, algorithm: gcra, burst: 100}]
routes:
  - {path: /by-ip, upstream: app, policy: by_ip}
  - {path: /by-user, upstream: app, policy: by_user}
  - {path: /by-user-gcra, upstream: app, policy: by_user_gcra}
`

// burst sends n requests from the given number of workers and returns all
// responses.
func burst(t *testing.T, c *http.Client, n, workers int, request func() *http.Request) []pack.Response {
	t.Helper()
	var (
		wg        sync.WaitGroup
		work      = make(chan *http.Request)
		responses = make(chan pack.Response, n)
	)
	for range workers {
		wg.Go(func() {
			for r := range work {
				responses <- pack.Do(t, c, r)
			}
		})
	}
	for range n {
		work <- request()
	}
	close(work)
	wg.Wait()
	close(responses)
	all := make([]pack.Response, 0, n)
	for r := range responses {
		all = append(all, r)
	}
	return all
}

func TestOfAThousandRequestsExactlyAHundredPassTheLimit(t *testing.T) {
	t.Parallel()
	p := pack.Start(t, pack.Options{Config: limitsConfig})
	overEach(t, func(t *testing.T, c *http.Client) {
		mark := pack.NewMark()
		for name, make := range map[string]func() *http.Request{
			"by IP": func() *http.Request {
				return pack.Request(t, http.MethodGet, p.URL("/by-ip"), nil, pack.From(addressFor(t)), pack.Marked(mark))
			},
			"by user, a sliding window": asNewUser(t, p, "/by-user", mark),
			"by user, GCRA":             asNewUser(t, p, "/by-user-gcra", mark),
		} {
			t.Run(name, func(t *testing.T) {
				before := len(p.App.Requests(t, mark))
				expectExactly(t, burst(t, c, 1000, 10, make), 100)
				if got := len(p.App.Requests(t, mark)) - before; got != 100 {
					t.Errorf("%d requests reached the upstream, want 100", got)
				}
			})
		}
	})
	t.Run("as hey sees it", func(t *testing.T) {
		out, err := exec.Command(pack.Hey(t), "-n", "1000", "-c", "10", "-host", "shop.example",
			"-H", "X-Forwarded-For: "+addressFor(t), p.URL("/by-ip")).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		_, distribution, _ := strings.Cut(string(out), "Status code distribution:")
		want := []string{"[200]", "100", "responses", "[429]", "900", "responses"}
		if got := strings.Fields(distribution); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
	p.Envoy.MustRun(t)
}

// addressFor gives each test an address of its own (RFC 2544 appendix
// C.2.2: the block for measurements).
func addressFor(t *testing.T) string {
	sum := sha256.Sum256([]byte(t.Name()))
	return netip.AddrFrom4([4]byte{198, 18, sum[0], sum[1]}).String()
}

// asNewUser signs a fresh user in, whose counters nobody has touched.
func asNewUser(t *testing.T, p *pack.Pack, path, mark string) func() *http.Request {
	t.Helper()
	name := "user-" + pack.NewMark()
	p.AddUser(t, name, pack.Password)
	token := p.Token(t, p.TrySignIn(t, name, pack.Password))
	return func() *http.Request {
		return pack.Request(t, http.MethodGet, p.URL(path), nil, pack.Bearer(token), pack.Marked(mark))
	}
}

func expectExactly(t *testing.T, responses []pack.Response, admitted int) {
	t.Helper()
	count := map[int]int{}
	for _, r := range responses {
		count[r.Status]++
		expectLimitFields(t, r)
	}
	if count[http.StatusOK] != admitted || count[http.StatusTooManyRequests] != len(responses)-admitted {
		t.Errorf("got %v, want %d×200 and %d×429", count, admitted, len(responses)-admitted)
	}
}

// expectLimitFields checks what draft-ietf-httpapi-ratelimit-headers and RFC
// 9110 section 10.2.3 ask of a limited response.
func expectLimitFields(t *testing.T, r pack.Response) {
	t.Helper()
	if r.Header.Get("RateLimit") == "" || r.Header.Get("RateLimit-Policy") == "" {
		t.Fatalf("status %d without RateLimit fields: %v", r.Status, r.Header)
	}
	if r.Status != http.StatusTooManyRequests {
		return
	}
	after, err := strconv.Atoi(r.Header.Get("Retry-After"))
	if err != nil || after < 1 || time.Duration(after)*time.Second > time.Hour {
		t.Fatalf("429 with Retry-After %q", r.Header.Get("Retry-After"))
	}
	r.Problem(t)
}
