package pack

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
)

// Load sends requests at a steady pace until it is stopped.
type Load struct {
	stop chan struct{}
	done sync.WaitGroup

	mu    sync.Mutex
	tally Tally
}

// Tally is what came of a load.
type Tally struct {
	Status map[int]int
	// Errors are requests without a whole response.
	Errors []error
	// RequestIDs are those that the upstream saw or that a refusal named.
	RequestIDs []string
}

// Total is the number of requests.
func (a Tally) Total() int {
	n := len(a.Errors)
	for _, count := range a.Status {
		n += count
	}
	return n
}

// Only fails the test if there was an error or a status other than the given.
func (a Tally) Only(t TB, statuses ...int) {
	t.Helper()
	allowed := map[int]bool{}
	for _, s := range statuses {
		allowed[s] = true
	}
	for status, n := range a.Status {
		if !allowed[status] {
			t.Errorf("%d responses with status %d; all: %v", n, status, a)
		}
	}
	for i, err := range a.Errors {
		t.Errorf("request lost: %v", err)
		if i == 4 {
			t.Errorf("... and %d more", len(a.Errors)-5)
			break
		}
	}
}

func (a Tally) String() string {
	parts := make([]string, 0, len(a.Status)+1)
	for status, n := range a.Status {
		parts = append(parts, fmt.Sprintf("%d×%d", n, status))
	}
	sort.Strings(parts)
	return strings.Join(append(parts, fmt.Sprintf("%d errors", len(a.Errors))), ", ")
}

// StartLoad sends what next makes, from each of the workers, one request each
// interval at most, over kept connections.
func StartLoad(t TB, c *http.Client, workers int, interval time.Duration, next func() *http.Request) *Load {
	t.Helper()
	l := &Load{stop: make(chan struct{}), tally: Tally{Status: map[int]int{}}}
	for range workers {
		l.done.Go(func() {
			ticker := time.NewTicker(interval)
			defer ticker.Stop()
			for {
				select {
				case <-l.stop:
					return
				case <-ticker.C:
					l.count(do(c, next()))
				}
			}
		})
	}
	t.Cleanup(func() { l.Stop(); c.CloseIdleConnections() })
	return l
}

func (l *Load) count(r Response, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.tally.Errors = append(l.tally.Errors, err)
		return
	}
	l.tally.Status[r.Status]++
	if id := r.RequestID(); id != "" {
		l.tally.RequestIDs = append(l.tally.RequestIDs, id)
	}
}

// Stop ends the load, waits for the requests under way and returns the tally.
func (l *Load) Stop() Tally {
	l.mu.Lock()
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.mu.Unlock()
	l.done.Wait()
	return l.tally
}

// Cut returns the tally so far and begins a new one.
func (l *Load) Cut() Tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	tally := l.tally
	l.tally = Tally{Status: map[int]int{}}
	return tally
}

// Peek returns the tally so far.
func (l *Load) Peek() Tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Tally{
		Status:     maps.Clone(l.tally.Status),
		Errors:     slices.Clone(l.tally.Errors),
		RequestIDs: slices.Clone(l.tally.RequestIDs),
	}
}
