package e2e

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/e2e/pack"
)

// places is an application that keeps each request until it is told to let one end.
type places struct {
	under, most atomic.Int64
	end         chan struct{}
}

func newPlaces() *places { return &places{end: make(chan struct{})} }

func (p *places) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	n := p.under.Add(1)
	defer p.under.Add(-1)
	for seen := p.most.Load(); n > seen && !p.most.CompareAndSwap(seen, n); seen = p.most.Load() {
	}
	select {
	case <-p.end:
	case <-r.Context().Done():
	}
}

// hold takes all places with get, calls whileFull, and sees that one that ends frees
// one, and no more.
func (p *places) hold(t *testing.T, all int, get func() int, whileFull func()) {
	t.Helper()
	ended := make(chan int, all)
	open := func() { go func() { ended <- get() }() }
	for range all {
		open()
	}
	pack.Eventually(t, 10*time.Second, "all places are taken", func(context.Context) error {
		if n := p.under.Load(); n != int64(all) {
			return fmt.Errorf("%d", n)
		}
		return nil
	})
	whileFull()
	p.end <- struct{}{}
	if got := <-ended; got != http.StatusOK {
		t.Fatalf("%d", got)
	}
	open()
	pack.Eventually(t, 10*time.Second, "another takes the place", func(context.Context) error {
		if p.under.Load() == int64(all) {
			return nil
		}
		select {
		case status := <-ended:
			open()
			return fmt.Errorf("%d", status)
		default:
			return fmt.Errorf("%d under way", p.under.Load())
		}
	})
	close(p.end)
	for range all {
		if got := <-ended; got != http.StatusOK {
			t.Errorf("%d", got)
		}
	}
	if n := p.most.Load(); n > int64(all) {
		t.Errorf("%d at once", n)
	}
}
