package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"gatehouse/authz/event"
	"gatehouse/control/store"
)

const (
	batchesPerSecond = 50
	lookEvery        = time.Millisecond
	foundWithin      = 30 * time.Second
)

// searchable times events from Append's begin until a search finds them, while
// the log takes a steady load.
func searchable(ctx context.Context, s settings, dir string) (latencies []time.Duration, err error) {
	index, err := store.Open(ctx, store.Options{URL: "sqlite:" + filepath.Join(dir, "index.db")})
	if err != nil {
		return nil, err
	}
	log, err := openOurs(filepath.Join(dir, "search"), index)
	if err != nil {
		return nil, errors.Join(err, index.Close())
	}
	defer func() { err = errors.Join(err, log.Close(), index.Close()) }()
	load, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- every(load, time.Second/batchesPerSecond, func() error {
			events := make([]event.Event, max(1, s.rate/batchesPerSecond))
			for i := range events {
				events[i] = sample()
			}
			_, err := log.Append(ctx, events)
			return err
		})
	}()
	for range s.probes {
		e := sample()
		begin := time.Now()
		if _, err := log.Append(ctx, []event.Event{e}); err != nil {
			return nil, err
		}
		if err := awaitFound(ctx, index, e.ID); err != nil {
			return nil, err
		}
		latencies = append(latencies, time.Since(begin))
	}
	stop()
	return latencies, <-ended
}

// every calls fn at an interval until ctx ends.
func every(ctx context.Context, interval time.Duration, fn func() error) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := fn(); err != nil {
			return err
		}
	}
}

var errFound = errors.New("found")

func awaitFound(ctx context.Context, index *store.Store, id string) error {
	ctx, cancel := context.WithTimeout(ctx, foundWithin)
	defer cancel()
	err := every(ctx, lookEvery, func() error {
		page, err := index.SearchEvents(ctx, store.EventQuery{ID: id, Limit: 1})
		if err == nil && len(page.Events) > 0 {
			err = errFound
		}
		return err
	})
	if errors.Is(err, errFound) {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("event %s could not be searched for within %v", id, foundWithin)
	}
	return err
}
