package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"gatehouse/authz/event"
	"gatehouse/control/store"
	"gatehouse/control/store/storetest"
)

var start = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// recorder is a sink that keeps what it is told, or refuses it.
type recorder struct {
	mu   sync.Mutex
	told []Message
	down error
}

func (*recorder) Name() string { return "test" }

func (r *recorder) Send(_ context.Context, messages []Message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down != nil {
		return r.down
	}
	r.told = append(r.told, messages...)
	return nil
}

func (r *recorder) rules() (raised, resolved []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.told {
		if m.Resolved {
			resolved = append(resolved, m.Alert.Rule)
		} else {
			raised = append(raised, m.Alert.Rule)
		}
	}
	return raised, resolved
}

// bench is an engine on a store, with its clock.
type bench struct {
	t      *testing.T
	engine *Engine
	sink   *recorder
	now    time.Time
	events []event.Event
	next   int
}

func newBench(t *testing.T, s Store, rules ...Rule) *bench {
	t.Helper()
	b := &bench{t: t, sink: &recorder{}, now: start}
	b.open(s, rules...)
	return b
}

func (b *bench) open(s Store, rules ...Rule) {
	b.t.Helper()
	var err error
	b.engine, err = New(b.t.Context(), Options{
		Rules: rules, Sinks: []Sink{b.sink}, Store: s, Events: func(e event.Event) { b.events = append(b.events, e) },
		Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return b.now },
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// at gives the engine n events, a second apart, the first at the offset.
func (b *bench) at(offset time.Duration, n int, e event.Event) {
	for i := range n {
		b.next++
		e.ID, e.Time = fmt.Sprintf("e%d", b.next), start.Add(offset+time.Duration(i)*time.Second)
		b.engine.Observe([]event.Event{e})
	}
}

// settle lets the loop go round and waits for what is being sent.
func (b *bench) settle() {
	b.engine.step(b.t.Context())
	b.engine.flights.Wait()
}

func failure(client string) event.Event {
	return event.Event{Type: event.AuthenticationAttempt, Outcome: event.Failure, Client: client}
}

func TestTheFiveTriggersFireAtTheirThresholdAndNotBefore(t *testing.T) {
	t.Parallel()
	const c = "c:1"
	for _, test := range []struct {
		rule  string
		below int // as many raise nothing, one more does
		e     event.Event
	}{
		{"failed-sign-ins", 5, failure(c)},
		{"failed-sign-ins-of-user", 5, event.Event{Type: event.AuthenticationAttempt, Outcome: event.Failure, Subject: "u:1"}},
		{"malicious-upload", 0, event.Event{Type: event.FileUploadRejected, Rule: "unsafe_pdf", Client: c}},
		{"limit-violations", 100, event.Event{Type: event.RateLimitExceeded, Client: c}},
		{"data-access-request", 0, event.Event{Type: event.SubjectRequestReceived, Subject: "u:1", Detail: map[string]string{"kind": "access"}}},
		{"secret-detected", 0, event.Event{Type: event.SecretDetected, Rule: "aws-access-token"}},
	} {
		t.Run(test.rule, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			b := newBench(t, s, Defaults()...)
			for range test.below {
				b.at(0, 1, test.e)
			}
			b.settle()
			if raised, _ := b.sink.rules(); len(raised) != 0 {
				t.Fatalf("after %d: %v", test.below, raised)
			}
			b.at(time.Second, 1, test.e)
			b.settle()
			if raised, _ := b.sink.rules(); !slices.Equal(raised, []string{test.rule}) {
				t.Errorf("one more: %v", raised)
			}
		})
	}
}

func TestWhatIsNoAttackRaisesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, open(t), Defaults()...)
	b.at(0, 10, event.Event{Type: event.AuthenticationAttempt, Outcome: event.Success, Client: "c:1", Subject: "u:1"})
	b.at(0, 10, event.Event{Type: event.FileUploadRejected, Rule: "type_not_allowed", Client: "c:1"})
	b.at(0, 10, event.Event{Type: event.SubjectRequestReceived, Subject: "u:1", Detail: map[string]string{"kind": "erasure"}})
	b.at(0, 10, event.Event{Type: event.SubjectRequestReceived, Subject: "u:1"})
	for i := range 10 {
		b.at(0, 5, failure(fmt.Sprintf("c:%d", i))) // five each
	}
	b.at(0, 6, event.Event{Type: event.AuthenticationAttempt, Outcome: event.Failure}) // of nobody
	b.settle()
	if raised, _ := b.sink.rules(); len(raised) != 0 {
		t.Errorf("%v", raised)
	}
}

func rule(moreThan int) Rule {
	return Rule{Name: "r", When: `event.outcome == "failure"`, MoreThan: moreThan, Window: time.Minute, GroupBy: []string{"client"}}
}

func TestAWindowIsExactByTheEventsOwnTimes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		offsets []time.Duration // more than 2 within a minute
		raised  int
	}{
		{"three at once", []time.Duration{0, 0, 0}, 1},
		{"three within the minute", []time.Duration{0, 30 * time.Second, time.Minute}, 1},
		{"the third a moment late", []time.Duration{0, 30 * time.Second, time.Minute + time.Millisecond}, 0},
		{"pairs that are apart", []time.Duration{0, 0, 2 * time.Minute, 2 * time.Minute, 4 * time.Minute, 4 * time.Minute}, 0},
		{"in another order", []time.Duration{50 * time.Second, 10 * time.Second, 30 * time.Second}, 1},
		{"one that comes late completes three", []time.Duration{0, 20 * time.Second, 5 * time.Minute, 40 * time.Second}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, open(t), rule(2))
			for _, offset := range test.offsets {
				b.at(offset, 1, failure("c:1"))
			}
			b.now = start.Add(30 * time.Second)
			b.settle()
			if raised, _ := b.sink.rules(); len(raised) != test.raised {
				t.Errorf("%v", raised)
			}
		})
	}
}

func TestAnAlertIsOneUntilItsGroupIsQuiet(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s, rule(1))
		b.at(0, 2, failure("c:1"))
		b.at(0, 2, failure("c:2"))
		b.at(2*time.Second, 20, failure("c:1"))
		b.now = start.Add(30 * time.Second)
		b.settle()
		b.settle()
		if raised, resolved := b.sink.rules(); len(raised) != 2 || len(resolved) != 0 {
			t.Fatalf("%v %v", raised, resolved)
		}
		b.now = start.Add(time.Minute + 10*time.Second) // c:2 is quiet, c:1 was active for longer
		b.settle()
		if _, resolved := b.sink.rules(); len(resolved) != 1 {
			t.Fatalf("%v", resolved)
		}
		b.now = start.Add(5 * time.Minute)
		b.settle()
		found, _, err := s.Alerts(t.Context(), "", "resolved", 10, "")
		if err != nil || len(found) != 2 || found[0].Events+found[1].Events != 24 {
			t.Fatalf("%+v %v", found, err)
		}
		b.at(5*time.Minute, 2, failure("c:1"))
		b.settle()
		if raised, _ := b.sink.rules(); len(raised) != 3 {
			t.Errorf("another one: %v", raised)
		}
		var types []event.Type
		for _, e := range b.events {
			types = append(types, e.Type)
		}
		if n := len(types); n != 5 || !slices.Contains(types, event.AlertResolved) || types[0] != event.AlertRaised {
			t.Errorf("%v", types)
		}
	})
}

func TestACrashLosesNoAlertAndRaisesNoneTwice(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := newBench(t, s, rule(1))
	b.at(0, 3, failure("c:1"))
	// Nothing was kept: the process is killed. The next one is told of the same events.
	b.next = 0
	b.open(s, rule(1))
	b.at(0, 3, failure("c:1"))
	b.settle()
	if raised, _ := b.sink.rules(); len(raised) != 1 {
		t.Fatalf("%v", raised)
	}
	// Killed again, after it was kept and told.
	b.next = 0
	b.open(s, rule(1))
	b.at(0, 3, failure("c:1"))
	b.settle()
	b.settle()
	if raised, _ := b.sink.rules(); len(raised) != 1 {
		t.Errorf("twice: %v", raised)
	}
	// And once it was over, the same events raise nothing.
	b.now = start.Add(time.Hour)
	b.settle()
	b.next = 0
	b.open(s, rule(1))
	b.at(0, 3, failure("c:1"))
	b.settle()
	b.settle()
	if raised, resolved := b.sink.rules(); len(raised) != 1 || len(resolved) != 1 {
		t.Errorf("%v %v", raised, resolved)
	}
}

func TestASinkThatIsAwayIsToldLaterAndThenNoMore(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := newBench(t, s, rule(0))
	b.sink.down = errors.New("away")
	b.at(0, 1, failure("c:1"))
	for range 2 * maxAttempts {
		b.settle()
	}
	dead, err := s.DeadDeliveries(t.Context(), 10)
	if err != nil || len(dead) != 1 || dead[0].LastError != "away" || dead[0].Sink != "test" {
		t.Fatalf("%+v %v", dead, err)
	}
	last := b.events[len(b.events)-1]
	if last.Type != event.AlertUndelivered || last.Detail["sink"] != "test" {
		t.Errorf("%+v", last)
	}
	b.sink.down = nil
	b.settle()
	if raised, _ := b.sink.rules(); len(raised) != 0 {
		t.Fatalf("a dead letter was sent by itself: %v", raised)
	}
	if n, err := s.Revive(t.Context()); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	b.settle()
	if raised, _ := b.sink.rules(); len(raised) != 1 {
		t.Errorf("%v", raised)
	}
}

// broken is a store that is away.
type broken struct {
	Store
	err error
}

func (s *broken) RaiseAlert(ctx context.Context, a store.Alert, sinks []string) (bool, error) {
	if s.err != nil {
		return false, s.err
	}
	return s.Store.RaiseAlert(ctx, a, sinks)
}

func TestAStoreThatIsAwayDelaysAndLosesNothing(t *testing.T) {
	t.Parallel()
	s := &broken{open(t), errors.New("away")}
	b := newBench(t, s, rule(0))
	b.at(0, 1, failure("c:1"))
	b.settle()
	b.settle()
	s.err = nil
	b.settle()
	b.settle()
	if raised, _ := b.sink.rules(); len(raised) != 1 {
		t.Errorf("%v", raised)
	}
}

func TestTheEnginesOwnReportsRaiseNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, open(t), Rule{Name: "all", When: "true", Window: time.Minute})
	b.at(0, 3, event.Event{Type: event.AlertRaised})
	b.at(0, 3, event.Event{Type: event.AlertUndelivered})
	b.settle()
	if raised, _ := b.sink.rules(); len(raised) != 0 {
		t.Errorf("%v", raised)
	}
}

func TestAnEditKeepsWhatAnUnchangedRuleHasCounted(t *testing.T) {
	t.Parallel()
	b := newBench(t, open(t), rule(2))
	b.at(0, 2, failure("c:1"))
	other := Rule{Name: "other", When: "true", MoreThan: 100, Window: time.Minute}
	if err := b.engine.Configure([]Rule{other, rule(2)}, []Sink{b.sink}); err != nil {
		t.Fatal(err)
	}
	if err := b.engine.Configure([]Rule{{Name: "bad"}}, nil); err == nil {
		t.Fatal("a bad rule is taken")
	}
	b.at(2*time.Second, 1, failure("c:1"))
	b.settle()
	if raised, _ := b.sink.rules(); len(raised) != 1 {
		t.Errorf("%v", raised)
	}
}

func TestGroupsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWindows()
	for i := range maxGroups + 10 {
		if _, evicted := w.add(fmt.Sprint(i), start, 1, time.Minute); evicted != (i >= maxGroups) {
			t.Fatalf("%d: %v", i, evicted)
		}
	}
	if len(w.groups) != maxGroups || w.order.Len() != maxGroups {
		t.Errorf("%d groups", len(w.groups))
	}
}

func open(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + t.TempDir() + "/alerts.db", Now: func() time.Time { return start.Add(24 * time.Hour) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// interrupted is a store during whose answer more events come.
type interrupted struct {
	Store
	during func()
}

func (s *interrupted) ResolveAlert(ctx context.Context, id string, sinks []string) (bool, error) {
	if s.during != nil {
		s.during()
		s.during = nil
	}
	return s.Store.ResolveAlert(ctx, id, sinks)
}

func TestEventsThatComeWhileAnAlertEndsAreNotLost(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name                       string
		moreThan, meanwhile, later int
		raised                     int
	}{
		{"enough by themselves", 1, 2, 0, 2},
		{"one that is enough by itself", 0, 1, 0, 2},
		{"not enough", 1, 1, 0, 1},
		{"enough with what follows", 1, 1, 1, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := &interrupted{Store: open(t)}
			b := newBench(t, s, rule(test.moreThan))
			b.at(0, test.moreThan+1, failure("c:1"))
			b.settle()
			b.now = start.Add(time.Hour)
			s.during = func() { b.at(time.Hour, test.meanwhile, failure("c:1")) }
			b.settle()
			b.at(time.Hour+10*time.Second, test.later, failure("c:1"))
			b.settle()
			b.settle()
			if raised, resolved := b.sink.rules(); len(raised) != test.raised || len(resolved) != 1 {
				t.Errorf("%v %v", raised, resolved)
			}
		})
	}
}
