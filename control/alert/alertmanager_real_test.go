package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"gatehouse/authz/event"
	"gatehouse/control/store"
	"gatehouse/e2e/pack"
)

// within bounds what a real Alertmanager is waited for.
const within = 30 * time.Second

// managed is an engine that tells a real Alertmanager, on a clock that the test
// turns. It begins with the true time: Alertmanager has its own.
type managed struct {
	t      *testing.T
	am     *pack.Alertmanager
	engine *Engine
	store  *store.Store

	mu     sync.Mutex
	offset time.Duration
}

func manage(t *testing.T, notify string, rules ...Rule) *managed {
	t.Helper()
	m := &managed{t: t, am: pack.StartAlertmanager(t, notify)}
	s, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + t.TempDir() + "/alerts.db", Now: m.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	m.store = s
	m.engine, err = New(t.Context(), Options{
		Rules: rules, Sinks: []Sink{NewAlertmanager("am", m.am.URL, m.now)}, Store: s, Events: func(event.Event) {},
		Log: slog.New(slog.DiscardHandler), Now: m.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *managed) now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Now().Add(m.offset)
}

// later turns the clock and lets the engine go round.
func (m *managed) later(by time.Duration) {
	m.mu.Lock()
	m.offset += by
	m.mu.Unlock()
	m.settle()
}

func (m *managed) settle() {
	m.engine.step(m.t.Context())
	m.engine.flights.Wait()
}

func (m *managed) observe(n int, e event.Event) {
	for range n {
		e.ID, e.Time = event.NewID(), m.now()
		m.engine.Observe([]event.Event{e})
	}
	m.settle()
}

func (m *managed) firing(want int) []pack.ManagedAlert {
	m.t.Helper()
	var found []pack.ManagedAlert
	pack.Eventually(m.t, within, fmt.Sprintf("%d alerts in Alertmanager", want), func(ctx context.Context) (err error) {
		if found, err = m.am.Alerts(ctx); err == nil && len(found) != want {
			err = fmt.Errorf("%d: %v", len(found), found)
		}
		return err
	})
	return found
}

func TestARealAlertmanagerShowsAnAlertAtItsThresholdWithItsLabels(t *testing.T) {
	t.Parallel()
	m := manage(t, "", rule(2))
	m.observe(2, failure("c:1"))
	m.firing(0)
	m.observe(1, failure("c:1"))
	found := m.firing(1)[0]
	want := map[string]string{"alertname": "r", "client": "c:1", "severity": "warning", "source": "gatehouse"}
	if !maps.Equal(found.Labels, want) {
		t.Errorf("%v, want %v", found.Labels, want)
	}
	if found.Annotations["summary"] != "more than 2 events within 1m0s" || found.Annotations["id"] == "" {
		t.Errorf("%v", found.Annotations)
	}
	if left := time.Until(found.EndsAt); left < 2*resendEvery || left > 4*resendEvery {
		t.Errorf("it is taken for over in %v if nothing more is heard", left)
	}
	m.observe(1, failure("c:2"))
	m.firing(1) // another address is another group
	due, err := m.store.DueDeliveries(t.Context(), "am", 10)
	if err != nil || len(due) != 0 {
		t.Errorf("left to tell: %v %v", due, err)
	}
}

func TestARealAlertmanagerTellsOnThatAnAlertBeganAndThatItIsOver(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var statuses []string
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body struct{ Status string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		statuses = append(statuses, body.Status)
	}))
	t.Cleanup(hook.Close)
	told := func(want ...string) {
		t.Helper()
		pack.Eventually(t, within, fmt.Sprint(want), func(context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			if fmt.Sprint(statuses) != fmt.Sprint(want) {
				return fmt.Errorf("%v", statuses)
			}
			return nil
		})
	}
	m := manage(t, hook.URL, Rule{Name: "r", When: "true", Window: time.Second, Quiet: 2 * time.Second})
	m.observe(1, failure("c:1"))
	m.firing(1)
	told("firing")
	pack.Eventually(t, within, "the group is quiet", func(context.Context) error {
		m.settle() // by the true time: an end that is still to come would not end it
		if found, err := m.am.Alerts(t.Context()); err != nil || len(found) > 0 {
			return fmt.Errorf("%v %w", found, err)
		}
		return nil
	})
	told("firing", "resolved")
}

func TestAnAlertmanagerThatStartsAgainHearsOfWhatFires(t *testing.T) {
	t.Parallel()
	m := manage(t, "", rule(0))
	m.observe(1, failure("c:1"))
	m.firing(1)
	m.am.Kill(t) // it keeps alerts in memory only
	m.observe(1, failure("c:2"))
	m.am.Start(t)
	m.firing(0)
	m.later(resendEvery)
	m.firing(2) // the one again, the other in its turn
}

func TestThatAnAlertBeganIsNotToldAnewAfterItIsOver(t *testing.T) {
	t.Parallel()
	am := pack.StartAlertmanager(t, "")
	sink := NewAlertmanager("am", am.URL, time.Now)
	over := message(true)
	over.Alert.Started, over.Alert.Ended = time.Now().Add(-time.Minute), time.Now().Add(-time.Second)
	began := Message{Alert: over.Alert}
	for _, m := range []Message{over, began} { // as after a failure of the first attempt
		if err := sink.Send(t.Context(), []Message{m}); err != nil {
			t.Fatal(err)
		}
	}
	ahead := message(true)
	ahead.Alert.Labels, ahead.Alert.Started, ahead.Alert.Ended = map[string]string{"client": "c:2"}, time.Now(), time.Now().Add(-time.Second)
	if err := sink.Send(t.Context(), []Message{ahead}); err != nil {
		t.Errorf("the clocks of two machines differ: %v", err)
	}
	pack.Eventually(t, within, "nothing fires", func(ctx context.Context) error {
		if found, err := am.Alerts(ctx); err != nil || len(found) > 0 {
			return fmt.Errorf("%v %w", found, err)
		}
		return nil
	})
}
