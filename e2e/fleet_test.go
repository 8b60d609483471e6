package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/e2e/pack"
)

// fleetLimit is that of the keys whose window outlasts the test, in
// testdata/fleet/limits; fleetSecond that of those of a second.
const (
	fleetLimit  = 1500
	fleetSecond = 20
)

var fleetPaths = []string{"/plain", "/leased", "/second", "/second-leased"}

// TestThreeReplicasNeverAdmitMoreThanTheLimitWhateverFails counts where it matters, at
// the application behind Envoy: three replicas under load, of which some are killed
// with SIGKILL, while Redis is slowed down by 200 ms and killed and started again.
// Redis keeps what it has answered (appendfsync always), so that the bound is the limit
// itself: what fails may only admit less.
func TestThreeReplicasNeverAdmitMoreThanTheLimitWhateverFails(t *testing.T) {
	t.Parallel()
	admitted := map[string]*atomic.Int64{}
	for _, path := range fleetPaths {
		admitted[path] = &atomic.Int64{}
	}
	app := pack.StartUpstream(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { admitted[r.URL.Path].Add(1) }))
	f := startFleet(t, 3, app)
	began := time.Now()
	var next atomic.Int64
	load := pack.StartLoad(t, pack.HTTP1(), 16, 10*time.Millisecond, func() *http.Request {
		path := fleetPaths[int(next.Add(1))%len(fleetPaths)]
		r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, f.URL(path), nil)
		if err != nil {
			t.Error(err)
		}
		return r
	})
	// more waits until so many further answers of that status came.
	more := func(what string, n int, status func(int) bool) {
		t.Helper()
		count := func() (all int) {
			for s, n := range load.Peek().Status {
				if status(s) {
					all += n
				}
			}
			return all
		}
		from := count()
		pack.Eventually(t, 20*time.Second, what, func(context.Context) error {
			if got := count() - from; got < n {
				return fmt.Errorf("%d of %d answers; all: %v", got, n, load.Peek())
			}
			return nil
		})
	}
	passed := func(s int) bool { return s == http.StatusOK }
	failed := func(s int) bool { return s >= http.StatusInternalServerError }

	more("all is well", 150, passed)
	f.Slow.Delay(30 * time.Millisecond)
	more("answers of a slow Redis", 50, passed)
	f.Slow.Delay(200 * time.Millisecond)
	f.Replicas[2].Kill(t) // with slices in its hands
	more("without answers in time", 50, failed)
	f.Slow.Delay(0)
	f.Replicas[2].Start(t)
	more("answers in time again", 100, passed)

	f.Redis.Kill(t)
	more("without Redis", 50, failed)
	f.Redis.Start(t)
	more("Redis is back", 100, passed)

	victim := rand.IntN(3) //nolint:gosec // whichever
	f.Replicas[victim].Kill(t)
	f.Redis.Kill(t)
	more("without Redis and a replica", 50, failed)
	f.Redis.Start(t)
	f.Replicas[victim].Start(t)
	more("all are back", 100, passed)

	// To the end: nothing passes any more but what a new second brings.
	pack.Eventually(t, 25*time.Second, "much of the long windows is used", func(context.Context) error {
		for _, path := range fleetPaths[:2] {
			if n := admitted[path].Load(); n < fleetLimit/5 {
				return fmt.Errorf("%s: %d", path, n)
			}
		}
		return nil
	})
	more("refusals", 300, func(s int) bool { return s == http.StatusTooManyRequests })
	tally := load.Stop()
	ended := time.Now()

	windows := ended.Unix() - began.Unix() + 1
	for _, path := range fleetPaths {
		bound := int64(fleetLimit)
		if path == "/second" || path == "/second-leased" {
			// Replicas' estimates of Redis's clock are half a round trip apart at most:
			// a second before the first, and one after the last.
			bound = fleetSecond * (windows + 2)
		}
		got := admitted[path].Load()
		t.Logf("%s: %d admitted, bound %d", path, got, bound)
		if got > bound {
			t.Errorf("%s: the application saw %d requests, and the limit allows %d", path, got, bound)
		}
	}
	t.Logf("%v in %v", tally, ended.Sub(began))
}

func startFleet(t *testing.T, replicas int, app *pack.Upstream) *pack.Fleet {
	t.Helper()
	folder := filepath.Join(pack.Root(t), "e2e", "testdata", "fleet")
	config, err := os.ReadFile(filepath.Join(folder, "envoy.yaml.in")) //nolint:gosec // a file of the repository
	if err != nil {
		t.Fatal(err)
	}
	return pack.StartFleet(t, replicas, filepath.Join(folder, "limits"), string(config), app)
}

// TestAPlaceIsFreeWhenItsRequestHasEnded has real Envoy carry the places of a
// concurrency limit from the answer of ShouldRateLimit to its access log.
func TestAPlaceIsFreeWhenItsRequestHasEnded(t *testing.T) {
	t.Parallel()
	app := newPlaces()
	f := startFleet(t, 2, pack.StartUpstream(t, app))
	c := pack.HTTP1()
	defer c.CloseIdleConnections()
	get := func() int { return pack.Do(t, c, pack.Request(t, http.MethodGet, f.URL("/open"), nil)).Status }
	app.hold(t, 3, get, func() {
		for range 5 {
			if got := get(); got != http.StatusTooManyRequests {
				t.Fatalf("a fourth got %d", got)
			}
		}
	})
}
