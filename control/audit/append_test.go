package audit

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"gatehouse/authz/event"
)

func TestAnEventThatAnotherCallIsWritingIsWaitedFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		outcome error
		fresh   []string
	}{
		"the other has written it":     {nil, []string{"mine"}},
		"the other could not write it": {errors.New("disk full"), []string{"mine", "shared"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := open(t, t.TempDir())
			other := &call{events: events("shared"), done: make(chan struct{})}
			l.mu.Lock()
			l.claimed["shared"] = other
			l.mu.Unlock()
			got := make(chan []string, 1)
			go func() {
				fresh, err := l.Append(t.Context(), events("mine", "shared"))
				if err != nil {
					t.Error(err)
				}
				got <- idsOf(fresh)
			}()
			awaitSize(t, l, 1) // its own event does not wait
			select {
			case fresh := <-got:
				t.Fatalf("it has not waited: %v", fresh)
			default:
			}
			l.mu.Lock()
			l.release(other.events)
			other.err = c.outcome
			l.mu.Unlock()
			close(other.done)
			fresh := <-got
			slices.Sort(fresh)
			expect(t, "fresh", fresh, c.fresh...)
		})
	}
}

func awaitSize(t *testing.T, l *Tlog, size uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for l.Size() < size {
		select {
		case <-ctx.Done():
			t.Fatalf("the log has %d entries, want %d", l.Size(), size)
		case <-ticker.C:
		}
	}
}

func TestWhatWaitsToBeWrittenIsBounded(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	if err := l.room.Acquire(t.Context(), maxPending); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := l.Append(ctx, events("a")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	l.room.Release(maxPending)
	// One call larger than all that may wait is let in alone.
	large := make([]event.Event, maxPending+1)
	copy(large, events("a", "b"))
	for i := range large[2:] {
		large[i+2].ID, large[i+2].Type = "b", event.RequestAllowed
	}
	fresh, err := l.Append(t.Context(), large)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "fresh", idsOf(fresh), "a", "b")
}

func TestASteadyLoadSettlesIntoBatchesOfAllItsCallers(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	const callers, rounds = 16, 20
	done := make(chan error, callers)
	for c := range callers {
		go func() {
			var err error
			for r := 0; r < rounds && err == nil; r++ {
				_, err = l.Append(t.Context(), []event.Event{{ID: event.DeriveID(string(rune('a'+c)), string(rune('a'+r))), Type: event.RequestAllowed}})
			}
			done <- err
		}()
	}
	for range callers {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	// Alone, each event would be a commit: 320. Some callers are late on a busy machine.
	if n := counted(t, l.metrics.commits); n > callers*rounds/2 {
		t.Errorf("%v commits for %d events of %d callers", n, callers*rounds, callers)
	}
}
