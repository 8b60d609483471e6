package event

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"gatehouse/authz/secret"
)

// The stream, and the field of its entries that holds the event's JSON.
const (
	StreamKey   = "gatehouse:events"
	StreamField = "event"
)

// DefaultQueue is the number of events that wait for Redis before new ones are
// dropped: some minutes of a busy replica.
const DefaultQueue = 65_536

const (
	maxBatch     = 256
	writeTimeout = 2 * time.Second
	firstRetry   = 50 * time.Millisecond
	lastRetry    = time.Second
)

// Options of a Writer.
type Options struct {
	Redis redis.UniversalClient
	// Source and Instance fill events that come without.
	Source, Instance string
	// Transit seals the events' Personal; nil drops it.
	Transit    *Transit
	Queue      int                   // 0 means DefaultQueue
	Registerer prometheus.Registerer // may be nil
	Logger     *slog.Logger          // nil means slog.Default()
	Now        func() time.Time      // nil means time.Now
	// Guard looks at what others wrote before it leaves the process; nil does not.
	Guard *secret.Guard
}

// Writer appends events to the stream in the background. It is safe for
// concurrent use.
type Writer struct {
	redis            redis.UniversalClient
	source, instance string
	transit          *Transit
	log              *slog.Logger
	now              func() time.Time
	guard            *secret.Guard
	metrics          *metrics

	mu     sync.RWMutex // guards closed against a send on queue
	closed bool
	queue  chan *Event
	late   []*Event     // appended between Close and the end; mu guards it
	ended  bool         // the writing is over: nothing is taken any more
	lost   atomic.Int64 // not yet told of by an events_lost event
	held   atomic.Int64 // taken from the queue, not yet in the stream

	stop context.CancelFunc
	done chan struct{}
}

// NewWriter starts a Writer; Close ends it. The error is that of registering
// the metrics.
func NewWriter(o Options) (*Writer, error) {
	w := &Writer{
		redis: o.Redis, source: o.Source, instance: o.Instance,
		transit: o.Transit, log: o.Logger, now: o.Now, guard: o.Guard,
		queue: make(chan *Event, cmp.Or(o.Queue, DefaultQueue)),
		done:  make(chan struct{}),
	}
	if w.log == nil {
		w.log = slog.Default()
	}
	if w.now == nil {
		w.now = time.Now
	}
	var err error
	w.metrics, err = newMetrics(o.Registerer, func() float64 { return float64(w.Queued()) })
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	go w.run(ctx)
	return w, nil
}

// Append queues e, with ID, Time, Source and Instance filled where they are
// empty, long texts cut, what looks like a secret hidden, and Personal sealed. It never waits. With the queue full, or after
// Close, the event is dropped and counted; an events_lost event tells how many
// as soon as Redis takes events again.
func (w *Writer) Append(e Event) {
	e = clipped(e)
	if e.Time.IsZero() || e.Time.Year() < 1 || e.Time.Year() > 9999 { // what JSON cannot hold (RFC 3339)
		e.Time = w.now()
	}
	if e.ID == "" {
		e.ID = newID(e.Time)
	}
	e.Source = cmp.Or(e.Source, w.source)
	e.Instance = cmp.Or(e.Instance, w.instance)
	scrub(&e)
	if !w.enqueue(&e) {
		w.lose(1)
	}
}

func (w *Writer) enqueue(e *Event) bool {
	w.mu.RLock()
	if w.closed {
		w.mu.RUnlock()
		return w.follow(e)
	}
	defer w.mu.RUnlock()
	select {
	case w.queue <- e:
		return true
	default:
		return false
	}
}

func (w *Writer) lose(n int64) {
	w.metrics.lost.Add(float64(n))
	if w.lost.Add(n) == n {
		w.log.Error("events are being lost: the queue is full or closed", "queue", cap(w.queue))
	}
}

// Queued is the number of events that are not yet in the stream.
func (w *Writer) Queued() int { return len(w.queue) + int(w.held.Load()) }

// Close waits until all events that are queued, and those that the look at them
// brings up, are in the stream, or ctx is done; then no more are taken. Its error
// says how many were lost for that.
func (w *Writer) Close(ctx context.Context) error {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.queue)
	}
	w.mu.Unlock()
	defer w.stop()
	select {
	case <-w.done:
	case <-ctx.Done():
		w.stop()
		<-w.done
	}
	if left := w.lost.Load(); left > 0 {
		return fmt.Errorf("the event writer closed with %d events lost: %w", left, errors.Join(ErrLost, ctx.Err()))
	}
	return nil
}

// ErrLost is in the chain of Close's error when events were lost.
var ErrLost = errors.New("events lost")
