package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/event"
)

func open(t *testing.T, dir string, maxSize int64) *Lines {
	t.Helper()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	l, err := Open(dir, Options{MaxSize: maxSize, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: func() time.Time {
		at = at.Add(time.Second)
		return at
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func events(ids ...string) []event.Event {
	var out []event.Event
	for _, id := range ids {
		out = append(out, event.Event{ID: id, Type: event.RequestAllowed, Outcome: event.Allow, RequestID: "r-" + id, Reason: "a<b"})
	}
	return out
}

func idsOf(events []event.Event) []string {
	ids := []string{}
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	return ids
}

func add(t *testing.T, l *Lines, ids ...string) []string {
	t.Helper()
	fresh, err := l.Append(context.Background(), events(ids...))
	if err != nil {
		t.Fatal(err)
	}
	return idsOf(fresh)
}

func all(t *testing.T, dir string) []string {
	t.Helper()
	var got []event.Event
	err := Scan(context.Background(), dir, func(e event.Event) error {
		got = append(got, e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return idsOf(got)
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestAnEventIsKeptOnce(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, 0)
	expect(t, "first", add(t, l, "a", "b", "a"), "a", "b")
	expect(t, "again", add(t, l, "b", "c"), "c")
	expect(t, "nothing new", add(t, l, "a", "b", "c"))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir, 0)
	expect(t, "after a restart", add(t, l, "c", "d"), "d")
	expect(t, "log", all(t, dir), "a", "b", "c", "d")
	text, err := os.ReadFile(filepath.Join(dir, activeName))
	if err != nil || !strings.Contains(string(text), `"reason":"a<b"`) {
		t.Errorf("%v: %s", err, text)
	}
}

func TestALineThatACrashHasTornIsCutOff(t *testing.T) {
	for name, torn := range map[string]string{
		"half a line":            `{"id":"torn","ti`,
		"a line without its end": `{"id":"torn"}`,
		"zeros of a power cut":   strings.Repeat("\x00", 4096),
		"more than one block":    strings.Repeat("x", 200<<10),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := open(t, dir, 0)
			add(t, l, "a")
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			appendText(t, dir, torn)
			l = open(t, dir, 0)
			expect(t, "added", add(t, l, "torn", "b"), "torn", "b")
			expect(t, "log", all(t, dir), "a", "torn", "b")
		})
	}
}

func appendText(t *testing.T, dir, text string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, activeName), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(text)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestAFailedWriteLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, 0)
	add(t, l, "a")
	whole := l.file
	readOnly, err := os.Open(filepath.Join(dir, activeName))
	if err != nil {
		t.Fatal(err)
	}
	defer readOnly.Close()
	l.file = readOnly // every write fails
	if _, err := l.Append(context.Background(), events("b")); err == nil {
		t.Fatal("no error")
	}
	l.file = whole
	appendText(t, dir, `{"id":"b"`) // what a write may have left
	expect(t, "again", add(t, l, "b"), "b")
	expect(t, "log", all(t, dir), "a", "b")
}

func TestAFullFileIsFollowedByAnother(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, 300)
	var want []string
	for i := range 12 {
		id := fmt.Sprintf("e%02d", i)
		want = append(want, id)
		add(t, l, id)
	}
	paths, err := files(dir)
	if err != nil || len(paths) < 3 {
		t.Fatalf("%v %v", paths, err)
	}
	expect(t, "log", all(t, dir), want...)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir, 300)
	expect(t, "ids of older files are known", add(t, l, want...))

	last, err := Last(context.Background(), dir, 7, func(event.Event) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "last 7", idsOf(last), want[5:]...)
	last, err = Last(context.Background(), dir, 2, func(e event.Event) bool { return e.ID < "e05" })
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "last 2 that match", idsOf(last), "e03", "e04")
}

func TestTwoWritersAreNotLetIn(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, 0)
	if _, err := Open(dir, Options{Log: slog.New(slog.DiscardHandler), Now: time.Now}); err == nil || !strings.Contains(err.Error(), "another control") {
		t.Errorf("error %v", err)
	}
}

func TestALogThatIsNotOneIsNotContinued(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, activeName), []byte("{\"id\":\"a\"}\nnot JSON\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dir, Options{Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err == nil || !strings.Contains(err.Error(), "events.jsonl:2") {
		t.Errorf("error %v", err)
	}
	if _, err := Last(context.Background(), t.TempDir(), 1, nil); !errors.Is(err, ErrNoLog) {
		t.Errorf("error %v", err)
	}
}

func TestFollowSeesWhatIsAppendedAcrossFiles(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, 200)
	add(t, l, "before")
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	ready, seen, done := make(chan struct{}), make(chan string, 100), make(chan error, 1)
	go func() {
		done <- Follow(ctx, dir, func() error { close(ready); return nil }, func(e event.Event) error {
			seen <- e.ID
			return nil
		})
	}()
	<-ready
	for i := range 10 {
		id := fmt.Sprintf("e%d", i)
		add(t, l, id)
		select {
		case got := <-seen:
			if got != id {
				t.Fatalf("saw %s, want %s", got, id)
			}
		case <-ctx.Done():
			t.Fatalf("%s was not seen", id)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestFollowWaitsForALog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	enough := errors.New("enough")
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- Follow(ctx, dir, func() error { close(ready); return nil }, func(event.Event) error { return enough })
	}()
	<-ready
	add(t, open(t, dir, 0), "a")
	if err := <-done; !errors.Is(err, enough) {
		t.Errorf("error %v", err)
	}
}

func TestTheWindowForgetsTheOldest(t *testing.T) {
	w := newWindow(3)
	for _, id := range []string{"a", "b", "b", "c", "d"} {
		w.add(id)
	}
	for id, want := range map[string]bool{"a": false, "b": true, "c": true, "d": true} {
		if w.has(id) != want {
			t.Errorf("%s: %v", id, !want)
		}
	}
	if len(w.known) != 3 {
		t.Errorf("%d ids are kept", len(w.known))
	}
}

func FuzzScanNeverTakesAHalfLine(f *testing.F) {
	f.Add([]byte("{\"id\":\"a\"}\n{\"id\":\"b\"}"))
	f.Add([]byte("\n\n{}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r := newLineReader(strings.NewReader(string(text)))
		var lines int
		for {
			if _, err := r.next(); err != nil {
				break
			}
			lines++
		}
		if lines > strings.Count(string(text), "\n") {
			t.Errorf("%d lines of %q", lines, text)
		}
	})
}
