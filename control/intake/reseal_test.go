package intake

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/authz/event"
	"gatehouse/authz/secret"
	"gatehouse/control/audit"
	"gatehouse/control/audit/seal"
	"gatehouse/control/store"
	"gatehouse/control/store/storetest"
	"gatehouse/e2e/pack"
)

const pseudonymKey = "0123456789abcdef"

// planted are texts that nothing else has.
var planted = map[string]string{
	event.PersonalName: "Wilhelmina-Testfrau", event.PersonalIP: "203.0.113.77", event.PersonalFilename: "diagnosis-of-wilhelmina.pdf",
}

func transit(t *testing.T, key string) *event.Transit {
	t.Helper()
	tr, err := event.NewTransit([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func keyring(t *testing.T, s seal.Store) *seal.Keyring {
	t.Helper()
	m, err := seal.ParseMaster(secret.New([]byte(strings.Repeat("ab", 32))))
	if err != nil {
		t.Fatal(err)
	}
	k, err := seal.New(t.Context(), seal.Options{Store: s, Master: m})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// report sends events as authz does.
func (f *fixture) report(t *testing.T, key *event.Transit, events ...event.Event) {
	t.Helper()
	w, err := event.NewWriter(event.Options{Redis: f.redis, Source: "authz", Transit: key, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		e.Type = event.AuthenticationAttempt
		w.Append(e)
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if err := w.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

// sealing starts an intake that seals; its log is what it says.
func (f *fixture) sealing(t *testing.T, s Sealer, log *bytes.Buffer) (*Intake, func()) {
	t.Helper()
	return f.startWith(t, f.log(t), func(o *Options) {
		o.Transit, o.Seal = transit(t, pseudonymKey), s
		if log != nil {
			o.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		}
	})
}

func (f *fixture) events(t *testing.T) map[string]event.Event {
	t.Helper()
	events := map[string]event.Event{}
	err := audit.Scan(t.Context(), filepath.Join(f.dir, "audit"), func(e event.Event) error {
		events[e.ID] = e
		return nil
	})
	if err != nil && !errors.Is(err, audit.ErrNoLog) {
		t.Fatal(err)
	}
	return events
}

func TestReadableFieldsAreKeptUnderKeysThatCanBeDestroyed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t)
		k := keyring(t, s)
		var log bytes.Buffer
		f.report(t, transit(t, pseudonymKey),
			event.Event{ID: "a", Subject: "u:anna", Personal: planted}, event.Event{ID: "b", Subject: "u:ben", Personal: planted},
			event.Event{ID: "c", Personal: planted}, event.Event{ID: "d", Subject: "u:anna"})
		_, stop := f.sealing(t, k, &log)
		f.await(t, "a", "b", "c", "d")
		stop()
		events := f.events(t)
		for _, id := range []string{"a", "b", "c"} {
			e := events[id]
			if got, err := k.Open(t.Context(), e.Sealed, e.Subject); err != nil || !maps.Equal(got, planted) {
				t.Errorf("%s: %v %v", id, got, err)
			}
		}
		if events["d"].Sealed != "" {
			t.Errorf("%+v", events["d"])
		}
		if err := k.Destroy(t.Context(), "u:anna"); err != nil {
			t.Fatal(err)
		}
		if _, err := k.Open(t.Context(), events["a"].Sealed, "u:anna"); !errors.Is(err, seal.ErrShredded) {
			t.Errorf("%v", err)
		}
		f.expectNoneInClear(t, log.Bytes())
	})
}

// expectNoneInClear looks through everything that intake has written.
func (f *fixture) expectNoneInClear(t *testing.T, more []byte) {
	t.Helper()
	all := more
	err := filepath.WalkDir(f.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all = append(all, text...)
		return err
	})
	if err != nil || len(all) == 0 {
		t.Fatalf("%d bytes, %v", len(all), err)
	}
	for name, value := range planted {
		if bytes.Contains(all, []byte(value)) {
			t.Errorf("%s %q is there in clear", name, value)
		}
	}
	if bytes.Contains(all, []byte("t1.")) {
		t.Error("something is kept as it was sealed for the way: destroying a key does not reach it")
	}
}

func TestWhatDoesNotOpenIsDroppedAndTheEventStays(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var log bytes.Buffer
	k := keyring(t, storetest.Open(t, "sqlite:"+filepath.Join(t.TempDir(), "g.db")))
	f.report(t, transit(t, "another-pseudonym-key"), event.Event{ID: "a", Subject: "u:anna", Personal: planted})
	for id, sealed := range map[string]string{"b": "203.0.113.77", "c": "s1.s.AAAA"} {
		text, err := json.Marshal(event.Event{ID: id, Type: event.RequestAllowed, Sealed: sealed})
		if err != nil {
			t.Fatal(err)
		}
		f.sendText(t, string(text))
	}
	f.sendText(t, `{"id":"no event","sealed":"t1.AAAA"}`)
	i, stop := f.sealing(t, k, &log)
	pack.Eventually(t, within, "all are kept", func(context.Context) error {
		if n := len(f.events(t)); n != 3 {
			return fmt.Errorf("%d events", n)
		}
		return nil
	})
	stop()
	for id, e := range f.events(t) {
		if e.Sealed != "" {
			t.Errorf("%s: %q", id, e.Sealed)
		}
	}
	if n := count(t, i.metrics.sealDropped.WithLabelValues(droppedUnreadable)); n != 3 {
		t.Errorf("%v dropped", n)
	}
	if !strings.Contains(log.String(), "do not open") {
		t.Errorf("nothing is said: %s", log.String())
	}
	f.expectNoneInClear(t, log.Bytes())
}

func TestAnErasedPersonsFieldsAreDroppedAndSoAreAllWithoutAKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k := keyring(t, storetest.Open(t, "sqlite:"+filepath.Join(t.TempDir(), "g.db")))
	if err := k.Destroy(t.Context(), "u:anna"); err != nil {
		t.Fatal(err)
	}
	f.report(t, transit(t, pseudonymKey), event.Event{ID: "a", Subject: "u:anna", Personal: planted})
	i, stop := f.sealing(t, k, nil)
	f.await(t, "a")
	stop()
	if n := count(t, i.metrics.sealDropped.WithLabelValues(droppedErased)); n != 1 {
		t.Errorf("%v dropped for an erased person", n)
	}
	f.report(t, transit(t, pseudonymKey), event.Event{ID: "b", Subject: "u:ben", Personal: planted})
	i, stop = f.sealing(t, nil, nil)
	f.await(t, "a", "b")
	stop()
	if n := count(t, i.metrics.sealDropped.WithLabelValues(droppedNoKey)); n != 1 {
		t.Errorf("%v dropped without a master key", n)
	}
	f.expectNoneInClear(t, nil)
}

// away is a store of keys that can be cut off.
type away struct {
	seal.Store
	down  atomic.Bool
	asked chan struct{}
}

var errAway = errors.New("the store is away")

func (a *away) SubjectKeys(ctx context.Context, names []string) (map[string]store.SubjectKey, error) {
	if a.down.Load() {
		select {
		case a.asked <- struct{}{}:
		default:
		}
		return nil, errAway
	}
	return a.Store.SubjectKeys(ctx, names)
}

func TestWhileTheKeysAreAwayEventsWaitInTheStreamSealed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := &away{Store: storetest.Open(t, "sqlite:"+filepath.Join(t.TempDir(), "g.db")), asked: make(chan struct{}, 1)}
	k := keyring(t, s)
	s.down.Store(true)
	f.report(t, transit(t, pseudonymKey), event.Event{ID: "a", Subject: "u:anna", Personal: planted}, event.Event{ID: "b"})
	var log bytes.Buffer
	i, stop := f.sealing(t, k, &log)
	for range 2 { // it is tried again
		select {
		case <-s.asked:
		case <-time.After(within):
			t.Fatal("nobody asks for keys")
		}
	}
	if got := f.kept(t); len(got) != 0 {
		t.Errorf("the log has %v already", got)
	}
	if n, err := f.redis.XLen(t.Context(), event.StreamKey).Result(); err != nil || n != 2 {
		t.Errorf("%d in the stream, %v", n, err)
	}
	s.down.Store(false)
	f.await(t, "a", "b")
	f.awaitNothingPending(t)
	stop()
	e := f.events(t)["a"]
	if got, err := k.Open(t.Context(), e.Sealed, e.Subject); err != nil || !maps.Equal(got, planted) {
		t.Errorf("%v %v", got, err)
	}
	if count(t, i.metrics.failures) == 0 {
		t.Error("the failures are not counted")
	}
	f.expectNoneInClear(t, log.Bytes())
}

var _ Sealer = (*seal.Keyring)(nil)

// startWith runs an intake with changed options until the returned function is
// called.
func (f *fixture) startWith(t *testing.T, log audit.Log, change func(*Options)) (*Intake, func()) {
	t.Helper()
	o := Options{
		Redis: f.redis, Log: log, Consumer: "one", DeadLetters: filepath.Join(f.dir, "dead-letters.jsonl"),
		TakeOverAfter: 50 * time.Millisecond, TidyEvery: 20 * time.Millisecond,
		Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: time.Now,
	}
	change(&o)
	i, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		i.Run(ctx)
	}()
	return i, func() {
		cancel()
		<-done
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	}
}
