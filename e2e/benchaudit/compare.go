package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"

	"gatehouse/authz/event"
	"gatehouse/control/audit"
)

// result is what the rounds of one number of writers gave.
type result struct {
	bare, ours []float64 // events/s
	latencies  []time.Duration
}

// ratio is the median of the rounds' ratios.
func (r *result) ratio() float64 {
	ratios := make([]float64, len(r.bare))
	for i := range ratios {
		ratios[i] = r.ours[i] / r.bare[i]
	}
	return median(ratios)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func quantile(values []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))].Round(10 * time.Microsecond)
}

// sample is an event like those that Envoy's access log gives, some 400 bytes.
func sample() event.Event {
	return event.Event{
		ID: event.NewID(), Time: time.Now().UTC(), Type: event.RequestAllowed, Severity: event.Info, Outcome: event.Allow,
		Source: "envoy", Instance: "envoy-1", RequestID: event.NewID(), Method: "GET", Host: "app.example.com", Path: "/api/things/42",
		Status: 200, Route: "api", Policy: "base", PolicyVersion: "559fa5f206bc7379", Client: "c:6fXb0x6aVt0", Subject: "u:Qm9vYmFyMTIz",
	}
}

func compare(ctx context.Context, s settings, dir string, writers int) (*result, error) {
	place := filepath.Join(dir, fmt.Sprint(writers))
	bare, stop, err := openTessera(ctx, filepath.Join(place, "tessera"), writers)
	if err != nil {
		return nil, err
	}
	defer stop()
	ours, err := openOurs(filepath.Join(place, "ours"), nil)
	if err != nil {
		return nil, err
	}
	r := &result{}
	for range s.rounds {
		rate, _, err := drive(writers, s.turn, bare)
		if err != nil {
			return nil, errors.Join(err, ours.Close())
		}
		r.bare = append(r.bare, rate)
		rate, latencies, err := drive(writers, s.turn, func() error {
			_, err := ours.Append(ctx, []event.Event{sample()})
			return err
		})
		if err != nil {
			return nil, errors.Join(err, ours.Close())
		}
		r.ours = append(r.ours, rate)
		r.latencies = append(r.latencies, latencies...)
	}
	return r, ours.Close()
}

// openTessera is tessera as its documentation has it, with batches that the
// writers fill. What it is given is as large as an event of ours.
func openTessera(ctx context.Context, dir string, writers int) (add func() error, stop func(), err error) {
	key, _, err := note.GenerateKey(rand.Reader, "bench.gatehouse.test")
	if err != nil {
		return nil, nil, err
	}
	signer, err := note.NewSigner(key)
	if err != nil {
		return nil, nil, err
	}
	ctx, stop = context.WithCancel(ctx)
	driver, err := posix.New(ctx, posix.Config{Path: dir})
	if err != nil {
		stop()
		return nil, nil, err
	}
	appender, _, _, err := tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().WithCheckpointSigner(signer).
		WithBatching(uint(writers), 10*time.Millisecond).WithCheckpointInterval(100*time.Millisecond)) // #nosec G115 -- one of three constants
	if err != nil {
		stop()
		return nil, nil, err
	}
	return func() error {
		data := make([]byte, 440)
		_, _ = rand.Read(data) // never fails
		_, err := appender.Add(ctx, tessera.NewEntry(data))()
		return err
	}, stop, nil
}

func openOurs(dir string, index audit.Index) (*audit.Tlog, error) {
	key, _, err := audit.GenerateKey("bench.gatehouse.test")
	if err != nil {
		return nil, err
	}
	return audit.Open(dir, audit.Options{Key: key, Index: index, Log: slog.New(slog.DiscardHandler)})
}

// drive keeps writers busy with one event at a time until the time is over.
func drive(writers int, length time.Duration, add func() error) (perSecond float64, latencies []time.Duration, err error) {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		errs  []error
		begin = time.Now()
	)
	for range writers {
		wg.Go(func() {
			own, err := write(begin.Add(length), add)
			mu.Lock()
			defer mu.Unlock()
			latencies = append(latencies, own...)
			if err != nil {
				errs = append(errs, err)
			}
		})
	}
	wg.Wait()
	return float64(len(latencies)) / time.Since(begin).Seconds(), latencies, errors.Join(errs...)
}

func write(deadline time.Time, add func() error) (latencies []time.Duration, err error) {
	for {
		begin := time.Now()
		if !begin.Before(deadline) {
			return latencies, nil
		}
		if err := add(); err != nil {
			return latencies, err
		}
		latencies = append(latencies, time.Since(begin))
	}
}
