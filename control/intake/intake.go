package intake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"gatehouse/authz/event"
	"gatehouse/authz/secret"
	"gatehouse/control/audit"
)

// Group is the consumer group of control on the stream.
const Group = "control"

const (
	batchSize  = 512
	blockFor   = 500 * time.Millisecond
	commandFor = 5 * time.Second
	firstRetry = 100 * time.Millisecond
	lastRetry  = time.Second
)

// Options of an Intake.
type Options struct {
	Redis redis.UniversalClient
	Log   audit.Log
	// Transit opens what authz has sealed for the way; nil drops it.
	Transit *event.Transit
	// Seal seals it for good; nil drops it.
	Seal Sealer
	// Consumer is this control's name in the group; the same after a restart.
	Consumer string
	// DeadLetters is the file of entries that are no events.
	DeadLetters string
	// TakeOverAfter is how long an entry may wait for the consumer that it was
	// given to before another takes it; 0 means 5 s.
	TakeOverAfter time.Duration
	// TidyEvery is how often abandoned entries are looked for and the stream is
	// trimmed; 0 means 2 s.
	TidyEvery time.Duration
	// Observe is given what is new in the log; it must not wait. May be nil.
	Observe    func([]event.Event)
	Registerer prometheus.Registerer
	Logger     *slog.Logger
	// Guard looks at events and dead letters once more before they are kept:
	// whatever else writes to the stream has not. Nil looks at nothing.
	Guard *secret.Guard
	Now   func() time.Time
}

// Intake moves events from the stream into the log.
type Intake struct {
	o       Options
	metrics *metrics
	tidied  time.Time
	// grouped says that the group is known to exist.
	grouped bool
	// resumed says that what an earlier run was given has been taken up.
	resumed bool
}

// New makes an Intake; the error is that of registering its metrics.
func New(o Options) (*Intake, error) {
	if o.TakeOverAfter <= 0 {
		o.TakeOverAfter = 5 * time.Second
	}
	if o.TidyEvery <= 0 {
		o.TidyEvery = 2 * time.Second
	}
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, err
	}
	return &Intake{o: o, metrics: m}, nil
}

// Run works until ctx ends. What fails is tried again.
func (i *Intake) Run(ctx context.Context) {
	retry := firstRetry
	failing := false
	for ctx.Err() == nil {
		err := i.step(ctx)
		if err == nil {
			if failing {
				i.o.Logger.Info("events are taken in again")
			}
			failing, retry = false, firstRetry
			continue
		}
		if ctx.Err() != nil {
			return
		}
		i.metrics.failures.Inc()
		if !failing {
			i.o.Logger.Error("events cannot be taken in; they wait in the stream", "error", err)
			failing = true
		}
		// Whatever was given to us and not finished is asked for anew.
		i.resumed = false
		if noGroup(err) {
			i.grouped = false
		}
		wait(ctx, retry)
		retry = min(2*retry, lastRetry)
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// noGroup recognises a Redis that has come back without its data.
func noGroup(err error) bool { return strings.Contains(err.Error(), "NOGROUP") }

// step takes one batch.
func (i *Intake) step(ctx context.Context) error {
	if !i.grouped {
		if err := i.join(ctx); err != nil {
			return err
		}
	}
	if !i.resumed {
		return i.resume(ctx)
	}
	if now := i.o.Now(); now.Sub(i.tidied) >= i.o.TidyEvery {
		i.tidied = now
		if err := i.tidy(ctx); err != nil {
			return err
		}
	}
	entries, err := i.read(ctx, ">", blockFor)
	if err != nil {
		return err
	}
	return i.take(ctx, entries)
}

// join makes the group, and the stream, if they are not there.
func (i *Intake) join(ctx context.Context) error {
	err := i.o.Redis.XGroupCreateMkStream(ctx, event.StreamKey, Group, "0").Err()
	if err != nil && !strings.HasPrefix(err.Error(), "BUSYGROUP") {
		return fmt.Errorf("join the stream's consumer group: %w", err)
	}
	i.grouped = true
	return nil
}

// resume takes up what an earlier run was given and has not acknowledged.
func (i *Intake) resume(ctx context.Context) error {
	entries, err := i.read(ctx, "0", -1)
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		i.resumed = true
		return nil
	}
	i.o.Logger.Info("taking up events that were not finished", "events", len(entries))
	return i.take(ctx, entries)
}

func (i *Intake) read(ctx context.Context, from string, block time.Duration) ([]redis.XMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, commandFor)
	defer cancel()
	streams, err := i.o.Redis.XReadGroup(ctx, &redis.XReadGroupArgs{
		Group: Group, Consumer: i.o.Consumer, Streams: []string{event.StreamKey, from},
		Count: batchSize, Block: block,
	}).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the event stream: %w", err)
	}
	var entries []redis.XMessage
	for _, s := range streams {
		entries = append(entries, s.Messages...)
	}
	return entries, nil
}

// take makes a batch durable, then acknowledges it. A crash in between repeats
// the batch, and the log knows what it has.
func (i *Intake) take(ctx context.Context, entries []redis.XMessage) error {
	if len(entries) == 0 {
		return nil
	}
	batch := i.sort(entries)
	if err := i.bury(batch.dead); err != nil {
		return err
	}
	if err := i.reseal(ctx, batch.events); err != nil {
		return err
	}
	fresh, err := i.o.Log.Append(ctx, batch.events)
	if err != nil {
		return fmt.Errorf("append to the audit log: %w", err)
	}
	i.metrics.took(batch, fresh, i.o.Now())
	if i.o.Observe != nil && len(fresh) > 0 {
		i.o.Observe(fresh)
	}
	acknowledge, cancel := context.WithTimeout(context.WithoutCancel(ctx), commandFor)
	defer cancel()
	if err := i.o.Redis.XAck(acknowledge, event.StreamKey, Group, batch.ids...).Err(); err != nil {
		return fmt.Errorf("acknowledge events: %w", err)
	}
	return nil
}
