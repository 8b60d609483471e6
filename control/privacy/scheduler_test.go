package privacy

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"gatehouse/authz/event"
	"gatehouse/control/privacy/connector"
	"gatehouse/control/store"
)

const day = 24 * time.Hour

func (f *fixture) tick() {
	f.t.Helper()
	if err := f.Tick(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

func TestADeadlineIsWarnedOfOnceEach(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		r, err := f.Receive(f.t.Context(), f.person("ann@example.com"), Ask{Kind: connector.Access})
		if err != nil {
			f.t.Fatal(err)
		}
		closed, err := f.Receive(f.t.Context(), f.person("bob@example.com"), Ask{Kind: connector.Access})
		if err == nil {
			_, err = f.Cancel(f.t.Context(), closed.ID, "dpo", "taken back")
		}
		if err != nil {
			f.t.Fatal(err)
		}
		for _, step := range []struct {
			at   time.Time
			want int
		}{
			{r.Due.Add(-15 * day), 0}, {r.Due.Add(-14 * day), 1}, {r.Due.Add(-14*day + time.Hour), 1}, {r.Due.Add(-7 * day), 2},
			{r.Due.Add(-day), 3}, {r.Due.Add(-time.Second), 3}, {r.Due, 4}, {r.Due.Add(30 * day), 4},
		} {
			f.clock.set(step.at)
			f.tick()
			f.tick()
			if got := len(f.events.of(event.DeadlineWarning)); got != step.want {
				f.t.Errorf("at %s: %d warnings, want %d", step.at, got, step.want)
			}
		}
		warned := f.events.of(event.DeadlineWarning)
		if warned[0].Severity != event.Warning || warned[0].Detail["hours_left"] != "336" || warned[3].Severity != event.Critical || warned[3].Subject != r.Pseudonym {
			f.t.Errorf("%+v", warned)
		}
	})
}

func TestOnlyTheMostPressingWarningIsGivenAfterAPause(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sqlite:"+t.TempDir()+"/s.db", nil)
	r, err := f.Receive(t.Context(), f.person("ann@example.com"), Ask{Kind: connector.Access})
	if err != nil {
		t.Fatal(err)
	}
	f.clock.set(r.Due.Add(-6 * day)) // control was down for weeks
	f.tick()
	if got := f.events.of(event.DeadlineWarning); len(got) != 1 || got[0].Detail["hours_left"] != "144" {
		t.Errorf("%+v", got)
	}
	if _, err := f.Extend(t.Context(), r.ID, "dpo", "many systems"); err != nil {
		t.Fatal(err)
	}
	f.clock.set(f.request(r.ID).Due.Add(-14 * day)) // the extended clock warns anew
	f.tick()
	if got := f.events.of(event.DeadlineWarning); len(got) != 2 {
		t.Errorf("%+v", got)
	}
}

func TestABreachIsRemindedOfUntilTheAuthorityKnows(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		ctx := f.t.Context()
		b, err := f.RecordBreach(ctx, "dpo", start.Add(-time.Hour), Facts{Title: "a lost laptop"})
		if err != nil {
			f.t.Fatal(err)
		}
		quiet, err := f.RecordBreach(ctx, "dpo", start, Facts{Title: "another", Risk: RiskSome})
		if err == nil {
			_, err = f.Notify(ctx, quiet.ID, "dpo", Notice{Whom: "authority"})
		}
		if err != nil {
			f.t.Fatal(err)
		}
		for _, step := range []struct {
			after time.Duration
			want  int
		}{{23 * time.Hour, 0}, {24 * time.Hour, 1}, {47 * time.Hour, 1}, {48 * time.Hour, 2}, {66 * time.Hour, 3}, {71 * time.Hour, 3}, {72 * time.Hour, 4}, {100 * time.Hour, 4}} {
			f.clock.set(b.Aware.Add(step.after))
			f.tick()
			f.tick()
			if got := len(f.events.of(event.DeadlineWarning)); got != step.want {
				f.t.Errorf("after %s: %d reminders, want %d", step.after, got, step.want)
			}
		}
		told := f.events.of(event.DeadlineWarning)
		if told[0].Detail["breach"] != b.ID || told[0].Detail["hours_left"] != "48" || told[3].Severity != event.Critical || told[3].Outcome != event.Failure {
			f.t.Errorf("%+v", told)
		}
	})
}

// log is an audit log that has what it was told, and fails when a test says so.
type log struct {
	mu   sync.Mutex
	has  map[string]bool
	fail error
}

func (l *log) Has(_ context.Context, id string) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.has[id], l.fail
}

func (l *log) Proof(_ context.Context, id string) (string, error) {
	if l.has[id] {
		return "proof of " + id, nil
	}
	return "", ErrNotLogged
}

func TestAnEventThatGotLostIsSentUntilTheLogHasIt(t *testing.T) {
	t.Parallel()
	l := &log{has: map[string]bool{}}
	f := newFixture(t, "sqlite:"+t.TempDir()+"/s.db", func(o *Options) { o.Log = l })
	f.events.twice = true
	f.events.lose = true // as if the process were killed right after the commit
	c, err := f.Record(t.Context(), f.person("ann@example.com"), Entry{Purpose: "news", State: store.ConsentGiven, NoticeVersion: "1"})
	if err != nil {
		t.Fatal(err)
	}
	f.events.lose = false
	f.tick()
	if len(f.events.types()) != 0 {
		t.Fatal("sent again before the log could have it")
	}
	for n := range 3 {
		f.clock.move(30 * time.Second)
		f.tick()
		f.tick() // not at once again
		sent := f.events.of(event.ConsentGiven)
		if len(sent) != n+1 || sent[n].ID != c.ID || !sent[n].Time.Equal(c.Time) {
			t.Fatalf("%d: %+v", n, sent)
		}
	}
	l.fail = errors.New("the index is away")
	f.clock.move(30 * time.Second)
	if err := f.Tick(t.Context()); !errors.Is(err, l.fail) {
		t.Errorf("%v", err)
	}
	l.fail, l.has[c.ID] = nil, true
	f.tick()
	f.clock.move(time.Hour)
	f.tick()
	if sent := f.events.of(event.ConsentGiven); len(sent) != 3 {
		t.Errorf("sent %d times", len(sent))
	}
	if left, err := f.o.Store.UnloggedEvents(t.Context(), f.clock.now().Add(day), 10); err != nil || len(left) != 0 {
		t.Errorf("%+v %v", left, err)
	}
	if proof, err := f.ConsentProof(t.Context(), c.ID); err != nil || proof != "proof of "+c.ID {
		t.Errorf("%q %v", proof, err)
	}
}

func TestRunDoesWhatIsStarted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sqlite:"+t.TempDir()+"/s.db", func(o *Options) { o.Timing.Tick = time.Hour })
	r := f.verified(f.person("ann@example.com"), Ask{Kind: connector.Access})
	done := make(chan struct{})
	f.crm.hook = func(string) { close(done) }
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { f.Run(ctx) })
	if _, err := f.Start(ctx, r.ID, "dpo"); err != nil { // it does not wait for the tick
		t.Fatal(err)
	}
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Error("nothing was done")
	}
	cancel()
	running.Wait()
}

func TestAServiceSaysWhatItLacks(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{}); err == nil {
		t.Error("without anything")
	}
	f := newFixture(t, "sqlite:"+t.TempDir()+"/s.db", nil)
	o := f.o
	o.Key = []byte("short")
	if _, err := New(o); err == nil {
		t.Error("with a short key")
	}
	if !slices.Equal(openStates(), []string{"received", "verified", "in_progress"}) || !Refused.Closed() || InProgress.Closed() {
		t.Error("states")
	}
}
