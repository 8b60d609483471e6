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
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/transparency-dev/tessera"

	"gatehouse/authz/event"
	"gatehouse/authz/secret"
	"gatehouse/control/audit/verify"
)

var testKey = sync.OnceValue(func() secret.Value {
	key, _, err := GenerateKey("audit.gatehouse.test")
	if err != nil {
		return secret.Value{} // Open says so
	}
	return key
})

func open(t *testing.T, dir string, options ...func(*Options)) *Tlog {
	t.Helper()
	o := Options{Key: testKey(), Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Registerer: prometheus.NewRegistry()}
	for _, set := range options {
		set(&o)
	}
	l, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func events(ids ...string) []event.Event {
	var out []event.Event
	for _, id := range ids {
		out = append(out, event.Event{ID: id, Time: time.Unix(1e9, 0).UTC(), Type: event.RequestAllowed, Outcome: event.Allow, RequestID: "r-" + id, Reason: "a<b"})
	}
	return out
}

// numbered are n ids that sort.
func numbered(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("e%06d", i)
	}
	return ids
}

func idsOf(events []event.Event) []string {
	ids := []string{}
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	return ids
}

func add(t *testing.T, l *Tlog, ids ...string) []string {
	t.Helper()
	fresh, err := l.Append(t.Context(), events(ids...))
	if err != nil {
		t.Fatal(err)
	}
	return idsOf(fresh)
}

func closed(t *testing.T, l *Tlog) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// all are the ids to which the checkpoint commits.
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

// verified checks the whole log from outside.
func verified(t *testing.T, dir string) verify.Report {
	t.Helper()
	v, err := verifier(testKey())
	if err != nil {
		t.Fatal(err)
	}
	r, err := verify.Log(t.Context(), verify.Options{Source: verify.Dir(dir), Verifier: v})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAnEventIsKeptOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	expect(t, "first", add(t, l, "a", "b", "a"), "a", "b")
	expect(t, "again", add(t, l, "b", "c"), "c")
	expect(t, "nothing new", add(t, l, "a", "b", "c"))
	expect(t, "nothing at all", add(t, l))
	closed(t, l)
	l = open(t, dir)
	expect(t, "after a restart", add(t, l, "c", "d"), "d")
	closed(t, l)
	expect(t, "log", all(t, dir), "a", "b", "c", "d")
	if r := verified(t, dir); r.Size != 4 || r.Events != 4 || r.Origin != "audit.gatehouse.test" {
		t.Errorf("%+v", r)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "tile/entries/000.p/4"))
	if err != nil || !strings.Contains(string(raw), `"reason":"a<b"`) {
		t.Errorf("%v: %q", err, raw)
	}
}

func TestManyWritersAtATimeWriteEachEventOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	const writers, each = 32, 60
	ids := numbered(writers * each / 2) // two writers have each event
	var mu sync.Mutex
	fresh := map[string]int{}
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range each {
				n := (w/2*each + i) % len(ids)
				got, err := l.Append(t.Context(), events(ids[n]))
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				for _, e := range got {
					fresh[e.ID]++
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	for _, id := range ids {
		if fresh[id] != 1 {
			t.Errorf("%s was fresh %d times", id, fresh[id])
		}
	}
	closed(t, l)
	got := all(t, dir)
	slices.Sort(got)
	expect(t, "log", got, ids...)
	verified(t, dir)
}

func TestALogOfManyBundlesIsReadFromEachEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	ids := numbered(1100)
	for i := 0; i < len(ids); i += 100 {
		expect(t, "fresh", add(t, l, ids[i:i+100]...), ids[i:i+100]...)
	}
	closed(t, l)
	expect(t, "log", all(t, dir), ids...)
	verified(t, dir)
	for name, c := range map[string]struct {
		n    int
		ask  func(event.Event) bool
		want []string
	}{
		"the last 700":              {700, func(event.Event) bool { return true }, ids[400:]},
		"the last of all":           {1, nil, ids[1099:]},
		"the last two that match":   {2, func(e event.Event) bool { return e.ID < "e000005" }, ids[3:5]},
		"more than there are":       {5000, nil, ids},
		"none are asked for":        {0, nil, nil},
		"none match what is wanted": {3, func(event.Event) bool { return false }, nil},
	} {
		last, err := Last(t.Context(), dir, c.n, c.ask)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, name, idsOf(last), c.want...)
	}
	at, err := At(t.Context(), dir, []uint64{1099, 0, 256})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "at", idsOf(at), ids[1099], ids[0], ids[256])
	if _, err := At(t.Context(), dir, []uint64{1100}); err == nil {
		t.Error("an entry behind the last is there")
	}
	l = open(t, dir)
	expect(t, "ids of all bundles are known", add(t, l, ids...))
}

func TestTwoWritersAreNotLetIn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, dir)
	if _, err := Open(dir, Options{Key: testKey(), Log: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), "another control") {
		t.Errorf("error %v", err)
	}
}

func TestAWaitThatIsGivenUpDoesNotUnwriteTheEvent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Append(ctx, events("a")); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, err := l.Append(t.Context(), events("a", "b")); err != nil {
		t.Error(err)
	}
	closed(t, l)
	expect(t, "log", all(t, dir), "a", "b")
	if _, err := l.Append(t.Context(), events("c")); !errors.Is(err, ErrClosed) {
		t.Errorf("error %v", err)
	}
}

func TestAFolderThatHasGoneIsAnErrorAndNotTheEnd(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "audit")
	l := open(t, dir)
	add(t, l, "a")
	away := dir + ".away"
	if err := os.Rename(dir, away); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), events("b")); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %v", err)
	}
	if _, err := l.Append(t.Context(), events("b")); err == nil {
		t.Error("no error the second time")
	}
	if err := os.Rename(away, dir); err != nil {
		t.Fatal(err)
	}
	expect(t, "again", add(t, l, "b", "a"), "b")
	closed(t, l)
	expect(t, "log", all(t, dir), "a", "b")
	verified(t, dir)
}

// A write that fails after tessera has moved on is the one case in which an
// error does not mean that nothing was kept.
func TestWhatAFailedWriteHasLeftIsNotWrittenAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	add(t, l, "a")
	other, err := openSequencer(dir, mustSign(t)) // writes behind the log's back
	if err != nil {
		t.Fatal(err)
	}
	c := &call{events: events("b", "c")}
	if err := l.prepare(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if _, err := other.append(c.entries); err != nil {
		t.Fatal(err)
	}
	other.close()
	l.doubt = true
	expect(t, "retried", add(t, l, "b", "x", "c"), "b", "x", "c")
	closed(t, l)
	expect(t, "log", all(t, dir), "a", "b", "c", "x")
	verified(t, dir)
}

func TestAnEventThatIsTooLargeIsShortened(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	large := event.Event{ID: "large", Time: time.Unix(1e9, 0), Type: event.RequestDenied, Sealed: strings.Repeat("s", 70_000), Detail: map[string]string{}}
	large.Path, large.Reason = strings.Repeat("\x01", 30_000), strings.Repeat("é", 20_000)
	for i := range 40 {
		large.Detail[fmt.Sprint(i)] = strings.Repeat("d", 2000)
	}
	if _, err := l.Append(t.Context(), append(events("a"), large)); err != nil {
		t.Fatal(err)
	}
	closed(t, l)
	last, err := Last(t.Context(), dir, 1, nil)
	if err != nil || last[0].ID != "large" || last[0].Detail[shortened] != "true" || last[0].Sealed != "" || !strings.HasPrefix(last[0].Path, "\x01") {
		t.Errorf("%v %+v", err, last)
	}
	if len(large.Detail) != 40 {
		t.Error("the caller's event was changed")
	}
	verified(t, dir)
	if _, err := encode(event.Event{ID: strings.Repeat("i", MaxEntry)}); err == nil {
		t.Error("an id of that size has become an entry")
	}
}

func mustSign(t *testing.T) interface {
	Name() string
	KeyHash() uint32
	Sign([]byte) ([]byte, error)
} {
	t.Helper()
	s, err := Signer(testKey())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestACommitEndsWithTheLastBundleThatItFills(t *testing.T) {
	t.Parallel()
	calls := func(entries ...int) []*call {
		var out []*call
		for _, n := range entries {
			out = append(out, &call{entries: make([]*tessera.Entry, n)})
		}
		return out
	}
	many := func(n int) []*call {
		var out []*call
		for range n {
			out = append(out, calls(1)...)
		}
		return out
	}
	for name, c := range map[string]struct {
		calls []*call
		size  uint64
		want  int
	}{
		"nothing":                      {nil, 7, 0},
		"one":                          {many(1), 7, 1},
		"one that fills a bundle":      {many(1), 255, 1},
		"a few in the middle":          {many(64), 10, 64},
		"a bundle and a few":           {many(300), 0, 256},
		"a large rest":                 {many(512), 256 - 10, 266},
		"a rest of half":               {many(500), 6, 250},
		"one that fills, many behind":  {many(64), 255, 1},
		"four bundles, nearly":         {many(1023), 0, 768},
		"batches that end in a bundle": {calls(512, 512, 100), 0, 2},
		"batches that do not":          {calls(512, 512, 100), 3, 3},
	} {
		if got := whole(c.calls, c.size); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
