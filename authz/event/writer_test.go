package event

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/redis/go-redis/v9"

	"gatehouse/authz/internal/redistest"
)

const patience = 15 * time.Second

func newWriter(t *testing.T, client redis.UniversalClient, change func(*Options)) *Writer {
	t.Helper()
	o := Options{
		Redis: client, Source: "authz", Instance: "test", Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&o)
	}
	w, err := NewWriter(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // a test that wants to know closes by itself
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = w.Close(ctx)
	})
	return w
}

// closed drains the writer.
func closed(t *testing.T, w *Writer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s did not happen within %s", what, patience)
		}
	}
}

func value(c prometheus.Counter) float64 {
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		return -1
	}
	return m.GetCounter().GetValue()
}

func stream(t *testing.T, client redis.UniversalClient) []Event {
	t.Helper()
	entries, err := client.XRange(context.Background(), StreamKey, "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	events := make([]Event, len(entries))
	for i, entry := range entries {
		text, ok := entry.Values[StreamField].(string)
		if !ok || len(entry.Values) != 1 {
			t.Fatalf("entry %v", entry.Values)
		}
		if err := json.Unmarshal([]byte(text), &events[i]); err != nil {
			t.Fatal(err)
		}
	}
	return events
}

func TestAnEventReachesTheStreamWithItsBlanksFilled(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	w := newWriter(t, client, func(o *Options) { o.Now = func() time.Time { return now } })
	given := Event{ID: "given", Time: now.Add(-time.Hour), Source: "envoy", Instance: "edge-1", Type: RequestDenied}
	w.Append(Event{Type: SessionCreated, Detail: map[string]string{"session": "1"}})
	w.Append(given)
	w.Append(Event{Type: RequestAllowed, Time: time.Date(99999, 1, 1, 0, 0, 0, 0, time.UTC)})
	closed(t, w)
	got := stream(t, client)
	if len(got) != 3 {
		t.Fatalf("%d events", len(got))
	}
	first := got[0]
	if !uuid.MatchString(first.ID) || !first.Time.Equal(now) || first.Source != "authz" || first.Instance != "test" || first.Detail["session"] != "1" {
		t.Errorf("filled: %+v", first)
	}
	if got[1].ID != given.ID || !got[1].Time.Equal(given.Time) || got[1].Source != given.Source || got[1].Instance != given.Instance {
		t.Errorf("given: %+v", got[1])
	}
	if !got[2].Time.Equal(now) {
		t.Errorf("a time that JSON cannot hold became %s", got[2].Time)
	}
}

func TestTheCallersDetailIsItsOwn(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	w := newWriter(t, client, nil)
	detail := map[string]string{"n": "0"}
	for i := range 500 {
		detail["n"] = strconv.Itoa(i) // under -race this is an error if it is shared
		w.Append(Event{Type: RequestAllowed, Detail: detail})
	}
	closed(t, w)
	for i, e := range stream(t, client) {
		if e.Detail["n"] != strconv.Itoa(i) {
			t.Fatalf("event %d says %s", i, e.Detail["n"])
		}
	}
}

func TestRedisAwayLosesNothingWithinTheQueue(t *testing.T) {
	t.Parallel()
	server := redistest.StartDurable(t)
	client := server.Client()
	registry := prometheus.NewRegistry()
	w := newWriter(t, client, func(o *Options) { o.Registerer = registry })
	const each = 2000
	send := func(from int) {
		for i := range each {
			w.Append(Event{ID: strconv.Itoa(from + i), Type: RequestAllowed})
		}
	}
	send(0)
	server.Stop()
	send(each)
	eventually(t, "an attempt that failed", func() bool { return value(w.metrics.streamErrors) > 0 })
	if w.Queued() == 0 {
		t.Error("nothing is queued, with Redis away")
	}
	server.Restart()
	send(2 * each)
	start := time.Now()
	eventually(t, "the queue's draining", func() bool { return w.Queued() == 0 })
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it took %s after Redis's return", took)
	}
	closed(t, w)

	times := map[string]int{}
	for _, e := range stream(t, client) {
		times[e.ID]++
		if e.Type == EventsLost {
			t.Errorf("%+v", e)
		}
	}
	for i := range 3 * each {
		if times[strconv.Itoa(i)] == 0 {
			t.Fatalf("event %d is missing", i)
		}
	}
	if len(times) != 3*each {
		t.Errorf("%d ids for %d events", len(times), 3*each)
	}
	if families, err := registry.Gather(); err != nil || len(families) != 4 {
		t.Errorf("%d metrics, %v", len(families), err)
	}
	if appended := value(w.metrics.appended); appended != 3*each {
		t.Errorf("%g appended", appended)
	}
}

func TestALongAbsenceDropsTheNewestAndSaysHowMany(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := server.Client()
	server.Stop()
	w := newWriter(t, client, func(o *Options) { o.Queue = 100 })
	w.Append(Event{ID: "0", Type: RequestAllowed})
	// Once the first is in the writer's hands the queue itself is empty.
	eventually(t, "an attempt that failed", func() bool { return value(w.metrics.streamErrors) > 0 })
	for i := range 149 {
		w.Append(Event{ID: strconv.Itoa(1 + i), Type: RequestAllowed})
	}
	server.Restart()
	eventually(t, "the report of the loss", func() bool {
		return client.XLen(context.Background(), StreamKey).Val() >= 102
	})
	w.Append(Event{ID: "after", Type: RequestAllowed})
	closed(t, w)
	var kept []string
	lost := 0
	for _, e := range stream(t, client) {
		if e.Type != EventsLost {
			kept = append(kept, e.ID)
			continue
		}
		n, err := strconv.Atoi(e.Detail["count"])
		if err != nil || e.Severity != Critical || e.Source != "authz" || e.ID == "" {
			t.Errorf("%+v", e)
		}
		lost += n
	}
	if lost != 49 || value(w.metrics.lost) != 49 {
		t.Errorf("%d reported as lost, %g counted, want 49", lost, value(w.metrics.lost))
	}
	if len(kept) != 102 || kept[0] != "0" || kept[100] != "100" || kept[101] != "after" {
		t.Errorf("kept %d: %q", len(kept), kept)
	}
}

func TestCloseSaysWhatItCouldNotDeliver(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := server.Client()
	server.Stop()
	w := newWriter(t, client, nil)
	for range 700 {
		w.Append(Event{Type: RequestAllowed})
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	err := w.Close(ctx)
	if !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "700") {
		t.Errorf("%v", err)
	}
	if n := value(w.metrics.lost); n != 700 {
		t.Errorf("%g counted as lost", n)
	}
}

func TestAppendAfterCloseIsCountedAsLost(t *testing.T) {
	t.Parallel()
	w := newWriter(t, redistest.Start(t).Client(), nil)
	closed(t, w)
	w.Append(Event{Type: RequestAllowed})
	if n := value(w.metrics.lost); n != 1 {
		t.Errorf("%g counted as lost", n)
	}
	if err := w.Close(context.Background()); !errors.Is(err, ErrLost) {
		t.Errorf("a second Close: %v", err)
	}
}

func TestManyAppendersBesideCloseLoseNothingUncounted(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	w := newWriter(t, client, nil)
	var appenders sync.WaitGroup
	for range 8 {
		appenders.Go(func() {
			for range 500 {
				w.Append(Event{Type: RequestAllowed})
			}
		})
	}
	eventually(t, "the first event", func() bool { return value(w.metrics.appended) > 0 })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = w.Close(ctx) // whether it lost any is the next question
	appenders.Wait()
	var arrived int64
	for _, e := range stream(t, client) {
		if e.Type != EventsLost { // which tells of the lost ones itself
			arrived++
		}
	}
	if lost := int64(value(w.metrics.lost)); arrived+lost != 4000 {
		t.Errorf("%d arrived and %d were counted as lost, of 4000", arrived, lost)
	}
}

func TestARedisThatRefusesToWriteIsAskedAgain(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	ctx := context.Background()
	// A key of another type refuses XADD, as a full memory does.
	if err := client.Set(ctx, StreamKey, "in the way", 0).Err(); err != nil {
		t.Fatal(err)
	}
	w := newWriter(t, client, nil)
	w.Append(Event{ID: "a", Type: RequestAllowed})
	eventually(t, "a refusal", func() bool { return value(w.metrics.streamErrors) > 0 })
	if err := client.Del(ctx, StreamKey).Err(); err != nil {
		t.Fatal(err)
	}
	closed(t, w)
	if got := stream(t, client); len(got) != 1 || got[0].ID != "a" {
		t.Errorf("%+v", got)
	}
}

func TestMetricsRegisteredTwiceAreAnError(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	client := redistest.Deaf(t)
	newWriter(t, client, func(o *Options) { o.Registerer = registry })
	if w, err := NewWriter(Options{Redis: client, Registerer: registry}); err == nil {
		_ = w.Close(context.Background())
		t.Error("no error")
	}
}

func TestLongTextsAreCut(t *testing.T) {
	t.Parallel()
	detail := map[string]string{}
	for i := range 100 {
		detail[strings.Repeat("k", 100)+strconv.Itoa(i)] = strings.Repeat("ä", 5000)
	}
	long := strings.Repeat("x", 100_000)
	e := clipped(Event{ID: long, Path: "/" + long, Host: long, Reason: "a" + strings.Repeat("ä", 5000), Detail: detail})
	text, err := json.Marshal(e)
	if err != nil || len(text) > 60_000 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	if strings.ContainsRune(e.Reason, '\uFFFD') || !strings.HasSuffix(e.Reason, "ä") {
		t.Error("a character was cut in two")
	}
	if short := clipped(Event{Path: "/a"}); short.Path != "/a" || short.Detail != nil {
		t.Errorf("%+v", short)
	}
}

func TestAnEventIsWrittenWithoutItsEmptyFields(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(Event{ID: "1", Time: time.Unix(0, 0).UTC(), Type: EventsLost, Severity: Critical, Outcome: Failure, Source: "authz"})
	const want = `{"id":"1","time":"1970-01-01T00:00:00Z","type":"events_lost","severity":"CRITICAL","outcome":"failure","source":"authz"}`
	if err != nil || string(text) != want {
		t.Errorf("%s, %v", text, err)
	}
}
