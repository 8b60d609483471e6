package secret

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// defaultQueue is how many log lines wait to be looked at.
	defaultQueue = 4096
	// maxQueued bounds what the waiting lines hold, in bytes.
	maxQueued = 16 << 20
	// Unscanned stands for a text of a log line that nobody had the time to look at.
	Unscanned = "[unscanned]"
)

// Options of a Handler.
type Options struct {
	// Guard finds what Scrub does not know and hears of it. Nil finds nothing.
	Guard *Guard
	// Queue is how many lines may wait with all their texts; 0 means 4096. As
	// many again may wait without.
	Queue int
}

// Handler is a slog.Handler that writes no secret. What Redact would hide is
// hidden at once, in the caller's time; the line then waits in a bounded queue
// for one goroutine that looks at it with the rules of a Finder and writes it.
// Lines are written in the order in which they came.
//
// With the queue full, a line is written with Unscanned in the place of its
// texts; beyond twice that it is dropped, and a line tells how many were. Handle
// never waits for the one who reads the log. Lines that wait when the process is
// killed are lost.
type Handler struct {
	core *core
	// steps are what With and WithGroup were given, from the first to the last.
	steps []step
	// ready is the next handler after all steps, once they were looked at.
	ready *atomic.Pointer[slog.Handler]
}

// step is one call of WithGroup or, with an empty group, of WithAttrs.
type step struct {
	group string
	attrs []slog.Attr
}

// core is what all Handlers that were derived from one share.
type core struct {
	next    slog.Handler
	guard   *Guard
	lines   int // of queue that may keep their texts
	clean   remembered
	bytes   atomic.Int64 // held by queue
	dropped atomic.Int64 // not yet told

	mu     sync.RWMutex // guards closed against a send on queue
	closed bool
	queue  chan line
	done   chan struct{}
	late   sync.Mutex // held to write after Close
}

// line waits to be written, or, with flushed set, tells that all before it are.
type line struct {
	from    *Handler
	record  slog.Record
	size    int64
	hurried bool // write it without its texts
	flushed chan<- struct{}
}

// NewHandler starts a Handler before next; Close ends it.
func NewHandler(next slog.Handler, o Options) *Handler {
	lines := cmp.Or(o.Queue, defaultQueue)
	c := &core{
		next: next, guard: o.Guard, lines: lines, clean: newRemembered(),
		queue: make(chan line, 2*lines), done: make(chan struct{}),
	}
	go c.run()
	return c.handler(nil)
}

func (c *core) handler(steps []step) *Handler {
	return &Handler{core: c, steps: steps, ready: &atomic.Pointer[slog.Handler]{}}
}

// Enabled implements slog.Handler.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.core.next.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	kept := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		kept[i] = freeze(a)
	}
	return h.with(step{attrs: kept})
}

// WithGroup implements slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.with(step{group: name})
}

func (h *Handler) with(s step) *Handler {
	return h.core.handler(append(h.steps[:len(h.steps):len(h.steps)], s))
}

// Handle implements slog.Handler. Its error is always nil: whoever logs has
// nobody to tell.
func (h *Handler) Handle(_ context.Context, r slog.Record) error {
	kept := slog.NewRecord(r.Time, r.Level, cut(Scrub(r.Message)), r.PC)
	size := int64(len(kept.Message))
	r.Attrs(func(a slog.Attr) bool {
		a = freeze(a)
		size += sizeOf(a)
		kept.AddAttrs(a)
		return true
	})
	h.core.enqueue(line{from: h, record: kept, size: size})
	return nil
}

func (c *core) enqueue(l line) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		c.late.Lock()
		defer c.late.Unlock()
		c.write(l)
		return
	}
	if len(c.queue) >= c.lines || c.bytes.Load()+l.size > maxQueued {
		l.record, l.hurried = unscanned(l.record, c.clean), true
		l.size = int64(len(l.record.Message))
	}
	c.bytes.Add(l.size)
	select {
	case c.queue <- l:
	default:
		c.bytes.Add(-l.size)
		c.dropped.Add(1)
	}
}

func (c *core) run() {
	defer close(c.done)
	for l := range c.queue {
		if l.flushed != nil {
			close(l.flushed)
			continue
		}
		c.write(l)
		c.bytes.Add(-l.size)
		c.confess()
	}
	c.confess()
}

// confess tells how many lines are missing here.
func (c *core) confess() {
	n := c.dropped.Swap(0)
	if n == 0 {
		return
	}
	r := slog.NewRecord(time.Now(), slog.LevelWarn, "log lines were dropped: more came than could be written", 0)
	r.AddAttrs(slog.Int64("lines", n))
	_ = c.next.Handle(context.Background(), r) // who logs has nobody to tell
}

// Flush waits until all that was logged before is written, or ctx is done.
func (h *Handler) Flush(ctx context.Context) error {
	flushed := make(chan struct{})
	if !h.core.askFlush(ctx, flushed) {
		return ctx.Err()
	}
	select {
	case <-flushed:
		return nil
	case <-h.core.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// askFlush is false if ctx ended first.
func (c *core) askFlush(ctx context.Context, flushed chan<- struct{}) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return true
	}
	select {
	case c.queue <- line{flushed: flushed}:
		return true
	case <-ctx.Done():
		return false
	}
}

// Close writes what waits, until ctx is done. What is logged later is looked at
// and written in the caller's time.
func (h *Handler) Close(ctx context.Context) error {
	c := h.core
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.queue)
	}
	c.mu.Unlock()
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
