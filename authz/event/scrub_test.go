package event

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/internal/redistest"
	"gatehouse/authz/secret"
	"gatehouse/authz/secret/scan"
	"gatehouse/e2e/planted"
)

func guard(t testing.TB) *secret.Guard {
	t.Helper()
	s, err := scan.Default()
	if err != nil {
		t.Fatal(err)
	}
	return secret.NewGuard(s, nil)
}

// TestNoPlantedSecretReachesTheStream plants a secret of each kind into each text
// of an event that somebody outside may write.
func TestNoPlantedSecretReachesTheStream(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	g := guard(t)
	w := newWriter(t, client, func(o *Options) { o.Guard = g })
	detections := 0
	g.Listen(func(d secret.Detection) {
		detections++
		w.Append(OfSecret(d))
	})
	secrets := planted.New(4 * planted.Kinds())
	for i, s := range secrets {
		e := Event{Type: RequestDenied, Detail: map[string]string{"filename": "report.pdf"}}
		switch i % 4 {
		case 0:
			e.Path = "/files/" + s.Text
		case 1:
			e.Reason = "the upstream said: " + s.Text
		case 2:
			e.Detail["response_code_details"] = s.Text + ".pdf"
		case 3:
			e.Path, e.Host, e.RequestID = "/"+s.Text, s.Text, s.Text
		}
		w.Append(e)
	}
	closed(t, w)
	events := stream(t, client)
	text, err := json.Marshal(events)
	if err != nil {
		t.Fatal(err)
	}
	if came := planted.In(text, secrets); len(came) > 0 {
		t.Errorf("in the stream: %q", came)
	}
	if detections == 0 || detections > planted.Kinds() {
		t.Errorf("%d detections", detections)
	}
	if !strings.Contains(string(text), string(SecretDetected)) || !strings.Contains(string(text), "event request_denied") {
		t.Error("no secret_detected event says where")
	}
}

// TestASecretInTheLastEventIsTold has the look at an event begin after Close.
func TestASecretInTheLastEventIsTold(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	g := guard(t)
	w := newWriter(t, client, func(o *Options) { o.Guard = g })
	told := make(chan struct{})
	g.Listen(func(d secret.Detection) {
		<-told
		w.Append(OfSecret(d))
	})
	w.Append(Event{Type: RequestDenied, Path: "/files/" + planted.New(1)[0].Text})
	eventually(t, "the event is looked at", func() bool { return len(w.queue) == 0 })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- w.Close(ctx) }()
	eventually(t, "Close has been called", func() bool {
		w.mu.RLock()
		defer w.mu.RUnlock()
		return w.closed
	})
	close(told)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	events := stream(t, client)
	if len(events) != 2 || events[1].Type != SecretDetected {
		t.Errorf("in the stream: %+v", events)
	}
	if w.Append(Event{Type: RequestDenied}); w.lost.Load() != 1 {
		t.Errorf("%d events lost after the end, want 1", w.lost.Load())
	}
}

func TestAnEventKeepsItsCallersDetail(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	w := newWriter(t, client, func(o *Options) { o.Guard = guard(t) })
	detail := map[string]string{"filename": planted.New(1)[0].Text}
	before := detail["filename"]
	w.Append(Event{Type: FileUploadRejected, Detail: detail})
	closed(t, w)
	if detail["filename"] != before {
		t.Error("the caller's map was changed")
	}
	if got := stream(t, client)[0].Detail["filename"]; got != "[redacted:aws-access-token]" {
		t.Errorf("in the stream: %q", got)
	}
}

func TestWithTheQueueHalfFullTextIsHiddenUnseen(t *testing.T) {
	t.Parallel()
	w := &Writer{queue: make(chan *Event, 4), guard: guard(t)} // nobody empties it
	for range 3 {
		w.queue <- &Event{Type: RequestAllowed}
	}
	e := Event{Path: "/x/" + planted.New(1)[0].Text, Reason: "ordinary", Detail: map[string]string{"a": "abc123def456"}}
	w.clean(&e)
	if e.Path != secret.Unscanned || e.Reason != "ordinary" || e.Detail["a"] != secret.Unscanned {
		t.Errorf("%+v", e)
	}
}

// newBenchWriter makes a Writer whose queue nobody empties.
func newBenchWriter(b *testing.B) *Writer {
	b.Helper()
	m, err := newMetrics(nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	return &Writer{queue: make(chan *Event, 1), metrics: m, log: slog.New(slog.DiscardHandler), now: time.Now}
}

func BenchmarkAppend(b *testing.B) {
	w := newBenchWriter(b)
	e := Event{Type: RequestAllowed, Path: "/api/v1/orders/17", RequestID: "5f0c8a9e-1111-4222-8333-444455556666", Detail: map[string]string{"limit": "api_calls"}}
	b.ReportAllocs()
	for b.Loop() {
		w.Append(e)
	}
}

func BenchmarkClean(b *testing.B) {
	w := newBenchWriter(b)
	w.guard = guard(b)
	for name, path := range map[string]string{"an ordinary path": "/api/v1/orders/17", "a path known to be clean": "/assets/app.0a1b2c3d4e5f.js"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				e := Event{Type: RequestAllowed, Path: path}
				w.clean(&e)
			}
		})
	}
}
