package audit

import (
	"context"
	"errors"
	"testing"
	"time"

	"gatehouse/authz/event"
	"gatehouse/control/store"
)

func at(second int64, id string) event.Event {
	return event.Event{ID: id, Type: event.RequestAllowed, Time: time.Unix(second, 0).UTC()}
}

func TestTheWindowForgetsTheOldest(t *testing.T) {
	t.Parallel()
	w := newWindow(3)
	if w.old(at(1, "x")) {
		t.Error("nothing was forgotten, and an event is too old")
	}
	for i, id := range []string{"a", "b", "b", "c", "d"} {
		w.add(id, time.Unix(int64(100+i), 0), uint64(i))
	}
	for id, want := range map[string]bool{"a": false, "b": true, "c": true, "d": true} {
		if _, ok := w.leaf(id); ok != want {
			t.Errorf("%s: %v", id, ok)
		}
	}
	if leaf, _ := w.leaf("d"); leaf != 4 || len(w.known) != 3 {
		t.Errorf("leaf %d of %d ids", leaf, len(w.known))
	}
	if !w.old(at(100, "a")) || w.old(at(101, "b")) {
		t.Error("the horizon is not the time of what was forgotten")
	}
}

// fakeIndex answers as it is told.
type fakeIndex struct {
	Index

	known map[string]bool
	err   error
}

func (f *fakeIndex) KnownEvents(_ context.Context, ids []string) (map[string]bool, error) {
	known := map[string]bool{}
	for _, id := range ids {
		known[id] = f.known[id]
	}
	return known, f.err
}

func (f *fakeIndex) EventIndex(context.Context) (store.IndexState, error) {
	return store.IndexState{}, errors.New("away")
}

func TestAnEventOlderThanTheWindowIsLookedUpInTheIndex(t *testing.T) {
	t.Parallel()
	index := &fakeIndex{known: map[string]bool{"old1": true, "old2": true}}
	dir := t.TempDir()
	small := func(o *Options) { o.window, o.Index = 4, index }
	l := open(t, dir, small)
	put := func(events ...event.Event) []string {
		t.Helper()
		fresh, err := l.Append(t.Context(), events)
		if err != nil {
			t.Fatal(err)
		}
		return idsOf(fresh)
	}
	put(at(1, "old1"), at(2, "old2"), at(11, "c"), at(12, "d"), at(13, "e"), at(14, "f"))
	expect(t, "known to the index", put(at(1, "old1"), at(2, "late"), at(2, "old2")), "late")
	expect(t, "young ones are not asked about", put(at(20, "old1-but-young")), "old1-but-young")

	closed(t, l)
	l = open(t, dir, small)
	expect(t, "known to the index after a restart", put(at(1, "old1")))

	index.err = errors.New("the database is away")
	expect(t, "kept while the index is away", put(at(1, "old1"), at(30, "g")), "old1", "g")
	if n := counted(t, l.metrics.unchecked); n != 1 {
		t.Errorf("%v events were counted as unchecked", n)
	}
	l.o.Index = nil
	expect(t, "kept without an index", put(at(2, "old2")), "old2")
}
