package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/redis/go-redis/v9"

	"gatehouse/authz/event"
	"gatehouse/control/audit"
	"gatehouse/control/audit/audittest"
	"gatehouse/control/internal/redistest"
	"gatehouse/e2e/pack"
)

const within = 15 * time.Second

func count(t *testing.T, c prometheus.Counter) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}

type fixture struct {
	server *redistest.Server
	redis  *redis.Client
	dir    string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	s := redistest.Start(t)
	return &fixture{server: s, redis: s.Client(), dir: t.TempDir()}
}

func (f *fixture) log(t *testing.T) *audit.Tlog {
	t.Helper()
	return audittest.Open(t, filepath.Join(f.dir, "audit"))
}

// start runs an intake until the returned function is called.
func (f *fixture) start(t *testing.T, consumer string, log audit.Log) (*Intake, func()) {
	t.Helper()
	return f.startWith(t, log, func(o *Options) { o.Consumer = consumer })
}

func (f *fixture) send(t *testing.T, ids ...string) {
	t.Helper()
	for _, id := range ids {
		text, err := json.Marshal(event.Event{ID: id, Type: event.RequestAllowed, Outcome: event.Allow})
		if err != nil {
			t.Fatal(err)
		}
		f.sendText(t, string(text))
	}
}

func (f *fixture) sendText(t *testing.T, text string) {
	t.Helper()
	args := &redis.XAddArgs{Stream: event.StreamKey, Values: map[string]any{event.StreamField: text}}
	if err := f.redis.XAdd(context.Background(), args).Err(); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) kept(t *testing.T) []string {
	t.Helper()
	var ids []string
	err := audit.Scan(context.Background(), filepath.Join(f.dir, "audit"), func(e event.Event) error {
		ids = append(ids, e.ID)
		return nil
	})
	if err != nil && !errors.Is(err, audit.ErrNoLog) {
		t.Fatal(err)
	}
	return ids
}

func (f *fixture) await(t *testing.T, want ...string) {
	t.Helper()
	pack.Eventually(t, within, "the log has what was sent", func(context.Context) error {
		if got := f.kept(t); !slices.Equal(got, want) {
			return fmt.Errorf("the log has %v, want %v", got, want)
		}
		return nil
	})
}

func (f *fixture) awaitNothingPending(t *testing.T) {
	t.Helper()
	pack.Eventually(t, within, "everything is acknowledged", func(ctx context.Context) error {
		p, err := f.redis.XPending(ctx, event.StreamKey, Group).Result()
		if err != nil {
			return err
		}
		if p.Count != 0 {
			return fmt.Errorf("%d are pending", p.Count)
		}
		return nil
	})
}

func TestEventsReachTheLogInOrderAndOnce(t *testing.T) {
	f := newFixture(t)
	f.send(t, "a", "b")
	i, stop := f.start(t, "one", f.log(t))
	f.await(t, "a", "b")
	f.send(t, "b", "c")
	f.await(t, "a", "b", "c")
	f.awaitNothingPending(t)
	stop()
	if n := count(t, i.metrics.duplicates); n != 1 {
		t.Errorf("%v duplicates", n)
	}
	if n := count(t, i.metrics.events.WithLabelValues("request_allowed", "allow")); n != 3 {
		t.Errorf("%v events", n)
	}
}

// crash appends and then fails, as a process does that dies before it could
// acknowledge.
type crash struct {
	audit.Log
	crashed chan struct{}
}

func (c *crash) Append(ctx context.Context, events []event.Event) ([]event.Event, error) {
	if _, err := c.Log.Append(ctx, events); err != nil {
		return nil, err
	}
	select {
	case <-c.crashed:
	default:
		close(c.crashed)
	}
	return nil, errors.New("died before the acknowledgement")
}

func TestACrashBetweenAppendAndAcknowledgementLosesAndRepeatsNothing(t *testing.T) {
	for name, successor := range map[string]string{"the same control comes back": "one", "another takes over": "two"} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.send(t, "a", "b", "c")
			dying := &crash{Log: f.log(t), crashed: make(chan struct{})}
			_, stop := f.start(t, "one", dying)
			<-dying.crashed
			stop()
			if p, err := f.redis.XPending(context.Background(), event.StreamKey, Group).Result(); err != nil || p.Count != 3 {
				t.Fatalf("%+v %v, want 3 pending", p, err)
			}
			f.send(t, "d")
			_, stop = f.start(t, successor, f.log(t))
			defer stop()
			f.await(t, "a", "b", "c", "d")
			f.awaitNothingPending(t)
		})
	}
}

func TestAControlThatDiedBeforeAppendingIsTakenOverFrom(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	if err := f.redis.XGroupCreateMkStream(ctx, event.StreamKey, Group, "0").Err(); err != nil {
		t.Fatal(err)
	}
	f.send(t, "a", "b")
	err := f.redis.XReadGroup(ctx, &redis.XReadGroupArgs{Group: Group, Consumer: "dead", Streams: []string{event.StreamKey, ">"}}).Err()
	if err != nil {
		t.Fatal(err)
	}
	_, stop := f.start(t, "alive", f.log(t))
	defer stop()
	f.await(t, "a", "b")
	f.awaitNothingPending(t)
}

func TestWhatIsNoEventDoesNotHoldUpTheOthers(t *testing.T) {
	f := newFixture(t)
	f.send(t, "a")
	f.sendText(t, "no JSON at all \xff")
	f.sendText(t, `{"id":"untyped"}`)
	if err := f.redis.XAdd(context.Background(), &redis.XAddArgs{Stream: event.StreamKey, Values: map[string]any{"other": "field"}}).Err(); err != nil {
		t.Fatal(err)
	}
	f.send(t, "b")
	i, stop := f.start(t, "one", f.log(t))
	f.await(t, "a", "b")
	f.awaitNothingPending(t)
	stop()
	text, err := os.ReadFile(filepath.Join(f.dir, "dead-letters.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"no JSON at all", "untyped", "has no type", "other", "has no field"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is missing in %s", want, text)
		}
	}
	if n := count(t, i.metrics.dead); n != 3 {
		t.Errorf("%v dead letters", n)
	}
}

func TestAnEventWithoutAnIDGetsTheSameOneEachTime(t *testing.T) {
	f := newFixture(t)
	f.sendText(t, `{"type":"request_allowed"}`)
	dying := &crash{Log: f.log(t), crashed: make(chan struct{})}
	_, stop := f.start(t, "one", dying)
	<-dying.crashed
	stop()
	_, stop = f.start(t, "one", f.log(t))
	defer stop()
	f.awaitNothingPending(t)
	if got := f.kept(t); len(got) != 1 || got[0] == "" {
		t.Errorf("the log has %q", got)
	}
}

func TestRedisMayComeBackEmpty(t *testing.T) {
	f := newFixture(t)
	_, stop := f.start(t, "one", f.log(t))
	defer stop()
	f.send(t, "a")
	f.await(t, "a")
	f.server.Stop()
	f.server.Restart()
	f.send(t, "b")
	f.await(t, "a", "b")
}

// full fails until it has room.
type full struct {
	audit.Log
	room   chan struct{}
	failed chan struct{}
}

func (f *full) Append(ctx context.Context, events []event.Event) ([]event.Event, error) {
	select {
	case <-f.room:
		return f.Log.Append(ctx, events)
	default:
	}
	select {
	case f.failed <- struct{}{}:
	default:
	}
	return nil, errors.New("no space left on device")
}

func TestNothingIsAcknowledgedThatTheLogDidNotTake(t *testing.T) {
	f := newFixture(t)
	f.send(t, "a", "b")
	log := &full{Log: f.log(t), room: make(chan struct{}), failed: make(chan struct{}, 1)}
	_, stop := f.start(t, "one", log)
	defer stop()
	<-log.failed
	if p, err := f.redis.XPending(context.Background(), event.StreamKey, Group).Result(); err != nil || p.Count != 2 {
		t.Errorf("%+v %v, want 2 pending", p, err)
	}
	close(log.room)
	f.await(t, "a", "b")
	f.awaitNothingPending(t)
}

func TestTheStreamIsTrimmedToWhatIsNotTakenIn(t *testing.T) {
	for name, c := range map[string]struct{ delivered, pending, want string }{
		"nothing delivered yet":      {"0-0", "", "0-0"},
		"all taken in: a minute":     {"1000000-5", "", "940000-0"},
		"an old one is pending":      {"1000000-5", "500000-3", "500000-0"},
		"a young one is pending":     {"1000000-5", "999999-3", "940000-0"},
		"an id that is none of time": {"x-y", "", "0-0"},
	} {
		if got := trimBound(c.delivered, c.pending); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestOldEntriesLeaveTheStream(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	text := `{"id":"x%d","type":"request_allowed"}`
	// Whole nodes of the stream go at once (100 entries by default).
	for n := range 300 {
		args := &redis.XAddArgs{Stream: event.StreamKey, ID: fmt.Sprintf("%d-1", 1000+n), Values: map[string]any{event.StreamField: fmt.Sprintf(text, n)}}
		if err := f.redis.XAdd(ctx, args).Err(); err != nil {
			t.Fatal(err)
		}
	}
	f.send(t, "now")
	_, stop := f.start(t, "one", f.log(t))
	defer stop()
	pack.Eventually(t, within, "the stream is trimmed", func(ctx context.Context) error {
		if n, err := f.redis.XLen(ctx, event.StreamKey).Result(); err != nil || n > 200 {
			return fmt.Errorf("%d entries, %w", n, err)
		}
		return nil
	})
	pack.Eventually(t, within, "the log has all", func(context.Context) error {
		if got := f.kept(t); len(got) != 301 {
			return fmt.Errorf("the log has %d events", len(got))
		}
		return nil
	})
}

func FuzzParse(f *testing.F) {
	f.Add(`{"id":"a","type":"request_allowed","detail":{"a":"b"}}`)
	f.Add(`{"time":"x"}`)
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		e, _, err := parse(redis.XMessage{ID: "1-1", Values: map[string]any{event.StreamField: text}})
		if err == nil && (e.ID == "" || e.Type == "") {
			t.Errorf("%q passes as %+v", text, e)
		}
	})
}
