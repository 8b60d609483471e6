package alert

import (
	"context"
	"math/rand/v2"
	"time"

	"gatehouse/authz/event"
	"gatehouse/control/store"
)

const (
	deliverAtOnce = 50
	maxAttempts   = 12 // over about half an hour
	firstRetry    = time.Second
	lastRetry     = 5 * time.Minute
	maxLastError  = 300 // bytes
)

// deliver tells each sink what is due, unless it is being told already: a slow
// one delays no other.
func (e *Engine) deliver(ctx context.Context) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, sink := range e.sinks {
		if e.sending[sink.Name()] || ctx.Err() != nil {
			continue
		}
		e.sending[sink.Name()] = true
		resend := e.resendTo(sink)
		e.flights.Go(func() {
			e.tell(ctx, sink, resend)
			e.mu.Lock()
			delete(e.sending, sink.Name())
			e.mu.Unlock()
		})
	}
}

// resendTo is what fires, if the sink wants to hear of it again. The lock is held.
func (e *Engine) resendTo(sink Sink) []Message {
	r, ok := sink.(resender)
	if now := e.o.Now(); !ok || now.Sub(e.resent[sink.Name()]) < r.Every() {
		return nil
	}
	e.resent[sink.Name()] = e.o.Now()
	var messages []Message
	for _, f := range e.firing {
		if f.kept && !f.ending {
			messages = append(messages, Message{Alert: f.alert})
		}
	}
	return messages
}

func (e *Engine) tell(ctx context.Context, sink Sink, resend []Message) {
	if len(resend) > 0 {
		if err := e.send(ctx, sink, resend); err != nil && ctx.Err() == nil {
			e.o.Log.Warn("a sink was not told again of what fires", "sink", sink.Name(), "error", err)
		}
	}
	due, err := e.o.Store.DueDeliveries(ctx, sink.Name(), deliverAtOnce)
	if err != nil {
		if ctx.Err() == nil {
			e.metrics.storeErrors.Inc()
			e.o.Log.Error("what a sink is to be told cannot be read", "sink", sink.Name(), "error", err)
		}
		return
	}
	for _, d := range due {
		if ctx.Err() != nil {
			return
		}
		if err := e.send(ctx, sink, []Message{{d.Alert, d.Resolved}}); err != nil {
			e.failed(ctx, d, err)
			return // the others would wait for the same
		}
		if err := e.o.Store.Delivered(ctx, d.ID); err != nil {
			e.o.Log.Error("a sink was told and will be told again", "sink", sink.Name(), "error", err)
			return
		}
	}
}

func (e *Engine) send(ctx context.Context, sink Sink, messages []Message) error {
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	err := sink.Send(ctx, messages)
	result := "sent"
	if err != nil {
		result = "failed"
	}
	e.metrics.deliveries.WithLabelValues(sink.Name(), result).Inc()
	return err
}

// failed waits longer each time, and gives up in the end.
func (e *Engine) failed(ctx context.Context, d store.Delivery, cause error) {
	if ctx.Err() != nil {
		return // control ends: the attempt counts for nothing
	}
	reason := cause.Error()
	reason = reason[:min(len(reason), maxLastError)]
	var next time.Time
	if d.Attempts+1 < maxAttempts {
		next = e.o.Now().Add(backoff(int(d.Attempts)))
	}
	if err := e.o.Store.Undelivered(ctx, d.ID, reason, next); err != nil {
		e.o.Log.Error("why a delivery failed cannot be kept; it is tried again at once", "sink", d.Sink, "error", err)
		return
	}
	e.o.Log.Warn("a sink was not told of an alert", "sink", d.Sink, "alert", d.Alert.ID, "attempt", d.Attempts+1, "error", reason, "final", next.IsZero())
	if next.IsZero() {
		e.metrics.dead.WithLabelValues(d.Sink).Inc()
		e.o.Events(event.Event{
			ID: event.DeriveID(string(event.AlertUndelivered), d.ID), Type: event.AlertUndelivered, Severity: event.Critical, Outcome: event.Failure,
			Feature: "alerts", Rule: d.Alert.Rule, Reason: reason, Detail: map[string]string{"alert": d.Alert.ID, "sink": d.Sink},
		})
	}
}

// backoff doubles up to lastRetry, spread by a fifth so that many do not come at
// once.
func backoff(attempts int) time.Duration {
	wait := min(firstRetry<<min(attempts, 20), lastRetry)
	spread := int64(wait) / 5
	return wait - time.Duration(spread/2) + time.Duration(rand.Int64N(spread)) // #nosec G404 -- nothing depends on nobody guessing it
}
