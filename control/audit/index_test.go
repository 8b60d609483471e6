package audit_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/authz/event"
	"gatehouse/control/audit"
	"gatehouse/control/audit/audittest"
	"gatehouse/control/store"
	"gatehouse/control/store/storetest"
	"gatehouse/e2e/pack"
)

const within = 20 * time.Second

func numbered(from, to int) []event.Event {
	var events []event.Event
	for i := from; i < to; i++ {
		events = append(events, event.Event{
			ID: fmt.Sprintf("e%05d", i), Time: time.UnixMilli(int64(1e12 + i)), Type: event.RequestDenied, Severity: event.Warning,
			Outcome: event.Deny, Subject: fmt.Sprintf("u:%d", i%10), Rule: "limit", Reason: fmt.Sprintf("more than %d", i),
		})
	}
	return events
}

func put(t *testing.T, l *audit.Tlog, events []event.Event) {
	t.Helper()
	if _, err := l.Append(t.Context(), events); err != nil {
		t.Fatal(err)
	}
}

// awaitIndexed waits until the index has size entries.
func awaitIndexed(t *testing.T, s audit.Index, size uint64) {
	t.Helper()
	pack.Eventually(t, within, "the index has all", func(ctx context.Context) error {
		state, err := s.EventIndex(ctx)
		if err == nil && state.Next != size {
			err = fmt.Errorf("it has %d of %d", state.Next, size)
		}
		return err
	})
}

func TestTheIndexFollowsTheLogAndCatchesUpAfterARestart(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		dir := t.TempDir()
		l := audittest.OpenWith(t, dir, audit.Options{Index: s})
		put(t, l, numbered(0, 1500))
		awaitIndexed(t, s, 1500)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = audittest.Open(t, dir) // without the index
		put(t, l, numbered(1500, 1700))
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = audittest.OpenWith(t, dir, audit.Options{Index: s})
		awaitIndexed(t, s, 1700)

		page, err := s.SearchEvents(t.Context(), store.EventQuery{Text: "MORE THAN 1699"})
		if err != nil || len(page.Events) != 1 || page.Events[0].Leaf != 1699 {
			t.Fatalf("%+v %v", page, err)
		}
		found, err := audit.At(t.Context(), dir, []uint64{page.Events[0].Leaf})
		if err != nil || found[0].ID != "e01699" {
			t.Errorf("%+v %v", found, err)
		}
		p, err := l.Proof(t.Context(), "e00003")
		if err != nil || p.Index != 3 {
			t.Errorf("%+v %v", p, err)
		}
	})
}

func TestTheIndexIsRebuiltFromTheLogAlone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		dir := t.TempDir()
		l := audittest.OpenWith(t, dir, audit.Options{Index: s})
		put(t, l, numbered(0, 1200))
		awaitIndexed(t, s, 1200)
		// While control goes on to fill it, too.
		if _, err := l.Proof(t.Context(), "e01199"); err != nil { // waits for the checkpoint
			t.Fatal(err)
		}
		n, err := audit.Reindex(t.Context(), dir, s)
		if err != nil || n != 1200 {
			t.Fatalf("%d %v", n, err)
		}
		put(t, l, numbered(1200, 1300))
		awaitIndexed(t, s, 1300)
		seen := map[uint64]bool{}
		for q := (store.EventQuery{Limit: store.MaxPage}); ; {
			page, err := s.SearchEvents(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Events {
				seen[e.Leaf] = true
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
		if len(seen) != 1300 {
			t.Errorf("%d entries are found", len(seen))
		}
	})
}

func TestTheIndexOfAnotherLogIsEmptied(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, "sqlite:"+filepath.Join(t.TempDir(), "s.db"))
	l := audittest.OpenWith(t, t.TempDir(), audit.Options{Index: s})
	put(t, l, numbered(0, 5))
	awaitIndexed(t, s, 5)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = audittest.OpenWith(t, t.TempDir(), audit.Options{Index: s})
	put(t, l, numbered(100, 102))
	awaitIndexed(t, s, 2)
	if known, err := s.KnownEvents(t.Context(), []string{"e00001", "e00101"}); err != nil || known["e00001"] || !known["e00101"] {
		t.Errorf("%v %v", known, err)
	}
}

// away is an index that can be away.
type away struct {
	*store.Store

	gone  atomic.Bool
	asked chan struct{}
}

func (a *away) EventIndex(ctx context.Context) (store.IndexState, error) {
	if a.gone.Load() {
		select {
		case a.asked <- struct{}{}:
		default:
		}
		return store.IndexState{}, errors.New("the database is away")
	}
	return a.Store.EventIndex(ctx)
}

func (a *away) IndexEvents(ctx context.Context, from uint64, events []store.IndexedEvent) error {
	if a.gone.Load() {
		return errors.New("the database is away")
	}
	return a.Store.IndexEvents(ctx, from, events)
}

func TestTheLogDoesNotWaitForAStoreThatIsAway(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, "sqlite:"+filepath.Join(t.TempDir(), "s.db"))
	index := &away{Store: s, asked: make(chan struct{}, 1)}
	index.gone.Store(true)
	l := audittest.OpenWith(t, t.TempDir(), audit.Options{Index: index, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	put(t, l, numbered(0, 10))
	select {
	case <-index.asked:
	case <-time.After(within):
		t.Fatal("the index was not asked")
	}
	put(t, l, numbered(10, 20))
	index.gone.Store(false)
	awaitIndexed(t, s, 20)
}
