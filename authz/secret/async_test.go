package secret

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

const patience = 20 * time.Second

// looking makes a logger whose lines are looked at before they are in the buffer.
func looking(t *testing.T, f Finder, queue int) (*slog.Logger, *Handler, *syncBuffer, *Guard) {
	t.Helper()
	var out syncBuffer
	g := NewGuard(f, nil)
	h := NewHandler(slog.NewJSONHandler(&out, nil), Options{Guard: g, Queue: queue})
	t.Cleanup(func() { flush(t, h) })
	return slog.New(h), h, &out, g
}

func flush(t *testing.T, h *Handler) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := h.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestWhatAFinderFindsIsNotWritten(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		log   func(*slog.Logger)
		place string
	}{
		{"in the message", func(l *slog.Logger) { l.Info("got " + rare + " here") }, "log message at async_test.go:"},
		{"in a value", func(l *slog.Logger) { l.Info("x", "path", "/"+rare) }, "log attribute path at async_test.go:"},
		{"in an error", func(l *slog.Logger) {
			l.Info("x", "error", fmt.Errorf("look up: %w", errors.New(rare)))
		}, "log attribute error at"},
		{"in a group", func(l *slog.Logger) { l.Info("x", slog.Group("g", "a", 1, "b", rare)) }, "log attribute g at"},
		{"in bytes", func(l *slog.Logger) { l.Info("x", "body", []byte(rare)) }, "log attribute body at"},
		{"in a struct", func(l *slog.Logger) { l.Info("x", "user", struct{ Note string }{rare}) }, "log attribute user at"},
		{"behind a pointer, where only JSON sees it", func(l *slog.Logger) {
			text := rare
			l.Info("x", "user", map[string]*string{"note": &text})
		}, "log attribute user at"},
		{"with the logger", func(l *slog.Logger) { l.With("note", rare).Info("x", "a", 1) }, "log attribute note"},
		{"with the logger, in a group", func(l *slog.Logger) { l.WithGroup("g").With("note", rare).WithGroup("h").Info("x", "a", "b") }, "log attribute note"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l, h, out, g := looking(t, findsMark(rare), 0)
			var heard []Detection
			g.Listen(func(d Detection) { heard = append(heard, d) })
			test.log(l)
			flush(t, h)
			if text := out.String(); strings.Contains(text, rare) || !strings.Contains(text, Mark("mark")) || !json.Valid([]byte(text)) {
				t.Errorf("written: %s", text)
			}
			if len(heard) != 1 || !strings.HasPrefix(heard[0].Place, test.place) || heard[0].Rule != "mark" {
				t.Errorf("heard %+v", heard)
			}
		})
	}
}

func TestWhatScrubKnowsIsHiddenToo(t *testing.T) {
	t.Parallel()
	l, h, out, _ := looking(t, findsMark(rare), 0)
	l.With("password", plain).Info("got "+token, "v", New([]byte(plain)), "url", "redis://:"+plain+"@r")
	flush(t, h)
	if text := out.String(); showsSecret(text) || strings.Contains(text, token) {
		t.Errorf("written: %s", text)
	}
}

func TestALineIsWrittenAsTheNextHandlerWouldHave(t *testing.T) {
	t.Parallel()
	type point struct {
		X int `json:"x"`
		Y int `json:"y"`
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	record := slog.NewRecord(at, slog.LevelWarn, "an <ordinary> line", 0)
	record.AddAttrs(
		slog.Int("n", 3), slog.Duration("d", time.Minute), slog.Bool("b", true), slog.Float64("f", 1.5), slog.Time("t", at),
		slog.Any("list", []string{"a", "b"}), slog.Any("p", point{1, 2}), slog.Any("pp", &point{3, 4}), slog.Any("nil", nil),
		slog.Any("error", errors.New("no such thing")), slog.Any("bytes", []byte("abc")), slog.Any("level", slog.LevelInfo),
		slog.Group("g", "s", "text", slog.Group("h", "i", 1)), slog.Any("at", &at),
	)
	for name, handler := range map[string]func(io.Writer) slog.Handler{
		"json": func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) },
		"text": func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var want, got bytes.Buffer
			plainly, looked := handler(&want), NewHandler(handler(&got), Options{Guard: NewGuard(findsMark(rare), nil)})
			for _, h := range []slog.Handler{plainly, looked} {
				if err := h.WithAttrs([]slog.Attr{slog.String("a", "b")}).WithGroup("x").Handle(t.Context(), record); err != nil {
					t.Fatal(err)
				}
			}
			if err := looked.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got.String() != want.String() {
				t.Errorf("\n%swant\n%s", got.String(), want.String())
			}
		})
	}
}

func TestAValueThatChangesLaterIsWrittenAsItWas(t *testing.T) {
	t.Parallel()
	l, h, out, _ := looking(t, findsMark(rare), 0)
	body, list := []byte("before"), []string{"before"}
	l.Info("x", "list", list, "body", body)
	copy(body, rare)
	list[0] = rare
	flush(t, h)
	if text := out.String(); !strings.Contains(text, `["before"]`) || strings.Contains(text, rare[:6]) {
		t.Errorf("written: %s", text)
	}
}

// gate is a writer that waits until it is opened.
type gate struct {
	syncBuffer
	open    chan struct{}
	waiting chan struct{}
	once    sync.Once
}

func newGate() *gate { return &gate{open: make(chan struct{}), waiting: make(chan struct{})} }

func (g *gate) Write(p []byte) (int, error) {
	g.once.Do(func() { close(g.waiting) })
	<-g.open
	return g.syncBuffer.Write(p)
}

func TestAFullQueueHidesTextsAndThenDropsLinesAndNeverWaits(t *testing.T) {
	t.Parallel()
	const queue = 8
	out := newGate()
	h := NewHandler(slog.NewJSONHandler(out, nil), Options{Guard: NewGuard(findsMark(rare), nil), Queue: queue})
	l := slog.New(h)
	l.Info("known message", "n", -1)
	<-out.waiting // the writer holds a line and nobody reads
	logged := make(chan struct{})
	go func() {
		defer close(logged)
		for n := range 5 * queue {
			l.With("with", "text").Info("known message", "n", n, "text", "a "+rare)
		}
		l.Info("never seen " + rare)
	}()
	select {
	case <-logged:
	case <-time.After(patience):
		t.Fatal("a caller waits for the log's reader")
	}
	close(out.open)
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if strings.Contains(text, rare) {
		t.Errorf("a secret got through: %s", text)
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if n := strings.Count(text, `"text":"[redacted:mark]"`) + strings.Count(text, `"text":"a [redacted:mark]"`); n != queue {
		t.Errorf("%d lines with their texts, want %d", n, queue)
	}
	if n := strings.Count(text, `"text":"[unscanned]"`); n != queue {
		t.Errorf("%d lines without their texts, want %d: %s", n, queue, text)
	}
	if !strings.Contains(text, `"msg":"known message","with":"[unscanned]"`) && !strings.Contains(text, `"msg":"known message","with":"text"`) {
		t.Errorf("a message that is known to be clean was not kept: %s", text)
	}
	if !strings.Contains(text, `"lines":25`) {
		t.Errorf("the lines that were dropped are not told: %s", lines[len(lines)-1])
	}
}

func TestManyBytesFillTheQueueAsManyLinesDo(t *testing.T) {
	t.Parallel()
	out := newGate()
	h := NewHandler(slog.NewJSONHandler(out, nil), Options{Guard: NewGuard(findsMark(rare), nil)})
	l := slog.New(h)
	l.Info("x")
	<-out.waiting
	long := strings.Repeat("long text ", maxString)
	for range maxQueued/maxString + 10 {
		l.Info("x", "text", long)
	}
	if held := h.core.bytes.Load(); held > maxQueued+maxString {
		t.Errorf("%d bytes wait", held)
	}
	close(out.open)
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); !strings.Contains(text, Unscanned) || !strings.Contains(text, cutMark) {
		t.Error("nothing was cut, or nothing was hidden")
	}
	if held := h.core.bytes.Load(); held != 0 {
		t.Errorf("%d bytes are still counted", held)
	}
}

// broken fails over every text.
type broken struct{}

func (broken) Find(string) []Found { panic("a rule fails over " + rare) }

func TestARuleThatFailsCostsTheTextsAndNothingElse(t *testing.T) {
	t.Parallel()
	l, h, out, _ := looking(t, broken{}, 0)
	l.With("a", rare).Info("x "+rare, "b", rare, "n", 7)
	flush(t, h)
	if text := out.String(); strings.Contains(text, rare) || !strings.Contains(text, Unscanned) || !strings.Contains(text, `"n":7`) {
		t.Errorf("written: %s", text)
	}
}

func TestWhatIsFoundAgainAndAgainOrNowhereTakesAllTexts(t *testing.T) {
	t.Parallel()
	for name, finder := range map[string]Finder{"again and again": endless{}, "nowhere": encoded{}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, h, out, _ := looking(t, finder, 0)
			l.Info("some text", "a", "more text", "n", 7)
			flush(t, h)
			if text := out.String(); strings.Contains(text, "ome text") || strings.Contains(text, "more") || !strings.Contains(text, `"n":7`) {
				t.Errorf("written: %s", text)
			}
		})
	}
}

// byName finds any text under a key named secret, as gitleaks' generic rule does.
type byName struct{}

func (byName) Find(text string) (found []Found) {
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " = "); ok && strings.Contains(name, "secret") && len(value) > 10 {
			found = append(found, Found{Rule: "generic-api-key", Line: 1, Secret: New([]byte(strings.Trim(value, `" `)))})
		}
	}
	return found
}

func TestATraceIDUnderAKeyNamedSecretStaysReadable(t *testing.T) {
	t.Parallel()
	const trace, other = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b74bf92f3577b34da6"
	l, h, out, _ := looking(t, byName{}, 0)
	l.Info("x", "secret_trace_id", trace, "secret_trace", other)
	flush(t, h)
	if text := out.String(); !strings.Contains(text, trace) || strings.Contains(text, other) {
		t.Errorf("written: %s", text)
	}
}

func TestOrderIsKeptAndNothingIsLostByManyCallers(t *testing.T) {
	t.Parallel()
	const callers, each = 8, 200
	l, h, out, _ := looking(t, findsMark(rare), callers*each)
	var calling sync.WaitGroup
	for caller := range callers {
		mine := l.With("caller", caller)
		calling.Go(func() {
			for n := range each {
				mine.Info("x", "n", n)
			}
		})
	}
	calling.Wait()
	flush(t, h)
	next := map[int]int{}
	for text := range strings.Lines(out.String()) {
		var line struct{ Caller, N int }
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		if line.N != next[line.Caller] {
			t.Fatalf("caller %d: %d after %d", line.Caller, line.N, next[line.Caller]-1)
		}
		next[line.Caller]++
	}
	for caller := range callers {
		if next[caller] != each {
			t.Errorf("caller %d: %d lines", caller, next[caller])
		}
	}
}

func TestAfterCloseALineIsStillLookedAt(t *testing.T) {
	t.Parallel()
	l, h, out, _ := looking(t, findsMark(rare), 0)
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var late sync.WaitGroup
	for range 4 {
		late.Go(func() { l.Info("late", "a", rare) })
	}
	late.Wait()
	flush(t, h)
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if text := out.String(); strings.Contains(text, rare) || strings.Count(text, "late") != 4 {
		t.Errorf("written: %s", text)
	}
}

func TestCloseAndFlushEndWithTheirContext(t *testing.T) {
	t.Parallel()
	out := newGate()
	h := NewHandler(slog.NewJSONHandler(out, nil), Options{})
	slog.New(h).Info("x")
	<-out.waiting
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Flush: %v", err)
	}
	if err := h.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close: %v", err)
	}
	close(out.open)
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestADetectionThatIsLoggedDoesNotGoRoundInCircles(t *testing.T) {
	t.Parallel()
	l, h, out, g := looking(t, endless{}, 0)
	heard := 0
	g.Listen(func(d Detection) {
		heard++
		l.Warn("a secret was found", "rule", d.Rule, "place", d.Place)
	})
	l.Info("some text")
	flush(t, h)
	flush(t, h)
	if n := strings.Count(out.String(), "\n"); heard != 1 || n != 2 {
		t.Errorf("heard of %d, %d lines", heard, n)
	}
}

func TestAPanicIsContainedAndItsValueScrubbed(t *testing.T) {
	t.Parallel()
	err := Contain("the intake", func() error { panic(fmt.Errorf("no session %s", token)) })
	var p *PanicError
	if !errors.As(err, &p) || strings.Contains(p.Value+err.Error()+p.Stack, token) || !strings.Contains(err.Error(), "the intake panicked: no session ghs_[redacted]") {
		t.Errorf("%v", err)
	}
	if !strings.Contains(p.Stack, "async_test.go") {
		t.Errorf("the stack does not say where: %s", p.Stack)
	}
	if err := Contain("x", func() error { return io.EOF }); !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
}

func BenchmarkALogLine(b *testing.B) {
	log := func(b *testing.B, h slog.Handler) {
		b.Helper()
		l := slog.New(h)
		b.ReportAllocs()
		for b.Loop() {
			l.Info("a session was refused", "reason", "it has expired", "path", "/api/v1/orders/17", "status", 401)
		}
	}
	formatting := func() slog.Handler {
		return slog.NewJSONHandler(io.Discard, nil) //nolint:sloglint // the formatting is what is measured
	}
	b.Run("plain JSON", func(b *testing.B) { log(b, formatting()) })
	b.Run("Redact", func(b *testing.B) { log(b, Redact(formatting())) })
	b.Run("Handler", func(b *testing.B) {
		h := NewHandler(formatting(), Options{Guard: NewGuard(findsMark(rare), nil)})
		log(b, h)
		_ = h.Close(context.Background())
	})
}

func BenchmarkScrub(b *testing.B) {
	for name, text := range map[string]string{
		"a path": "/api/v1/orders/17", "a sentence of 130 bytes": strings.Repeat("the upload is not what it says ", 4), "a hint and no secret": "the key was not found",
		"a token": "/a?t=" + token,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				Scrub(text)
			}
		})
	}
}

func TestALoopsPanicIsTheCauseOfTheEnd(t *testing.T) {
	t.Parallel()
	ctx, fail := context.WithCancelCause(t.Context())
	ContainLoop("a loop", fail, func() {})
	if ctx.Err() != nil || Crash(ctx) != nil {
		t.Error("a loop that ended by itself ended the service")
	}
	ContainLoop("a loop", fail, func() { panic("token=" + plain) })
	if err := Crash(ctx); err == nil || err.Error() != "a loop panicked: token="+Redacted {
		t.Errorf("%v", err)
	}
}
