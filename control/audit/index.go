package audit

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/transparency-dev/merkle/rfc6962"

	"gatehouse/authz/event"
	"gatehouse/control/store"
)

// Index is where the events can be searched for: *store.Store.
type Index interface {
	// EventIndex says of which log the index is, and how many of its entries it has.
	EventIndex(ctx context.Context) (store.IndexState, error)
	// ResetEventIndex empties the index and makes it that of another log.
	ResetEventIndex(ctx context.Context, log string) error
	// IndexEvents adds the entries from index from on; store.ErrIndexMoved if the
	// index does not end there.
	IndexEvents(ctx context.Context, from uint64, events []store.IndexedEvent) error
	// KnownEvents says which of the ids the index has.
	KnownEvents(ctx context.Context, ids []string) (map[string]bool, error)
	// EventLeaf says where the event of an id lies; store.ErrNoEvent if nowhere.
	EventLeaf(ctx context.Context, id string) (uint64, error)
}

var errNoIndex = errors.New("the audit log has no index")

const (
	indexBatch   = 1000
	indexFor     = 30 * time.Second
	indexRetry   = time.Second
	indexRefresh = 5 * time.Second // in case somebody else has emptied the index
)

// indexer brings the index up to the log, in batches, behind the log.
type indexer struct {
	dir   string
	index Index
	// log tells this log from another that was in the folder before.
	log string
	// begun says that the index is known to be of this log.
	begun bool
	next  uint64
}

func (l *Tlog) startIndex() {
	l.metrics.indexLag.Set(float64(l.size.Load()))
	if l.o.Index == nil {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	l.stopIndex = stop
	l.indexed.Go(func() { l.runIndex(ctx) })
}

// runIndex works until ctx ends. What fails is tried again; the log does not
// wait for it.
func (l *Tlog) runIndex(ctx context.Context) {
	x := &indexer{dir: l.dir, index: l.o.Index}
	failing := false
	for ctx.Err() == nil {
		last, err := x.catchUp(ctx, l.size.Load)
		l.metrics.indexLag.Set(float64(l.size.Load() - min(x.next, l.size.Load())))
		wait := indexRefresh
		switch {
		case err != nil && ctx.Err() == nil:
			l.metrics.indexFailures.Inc()
			if !failing {
				l.o.Log.Error("the audit log's index cannot be brought up to date; events are kept, and cannot be searched for yet", "error", err)
			}
			failing, wait = true, indexRetry
		case err == nil && failing:
			l.o.Log.Info("the audit log's index is brought up to date again")
			failing = false
		}
		if !last.IsZero() {
			l.metrics.indexDelay.Set(max(0, time.Since(last).Seconds()))
		}
		l.pauseIndex(ctx, wait, failing)
		x.begun = x.begun && !failing
	}
}

// pauseIndex waits until the log has grown or, after a failure, for a while.
func (l *Tlog) pauseIndex(ctx context.Context, wait time.Duration, failing bool) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	grown := l.grown
	if failing {
		grown = nil
	}
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-grown:
	}
}

// catchUp indexes what is missing up to the log's size, and returns the time of
// the newest event that it has added.
func (x *indexer) catchUp(ctx context.Context, size func() uint64) (last time.Time, err error) {
	for {
		to := size()
		if to == 0 {
			return last, nil
		}
		if !x.begun {
			if err := x.begin(ctx, to); err != nil {
				return last, err
			}
		}
		if x.next >= to {
			return last, nil
		}
		at, err := x.step(ctx, to)
		if errors.Is(err, store.ErrIndexMoved) {
			x.begun = false
			continue
		}
		if err != nil {
			return last, err
		}
		last = at
	}
}

// begin finds out where to go on. An index of another log, or of more entries
// than there are, is emptied.
func (x *indexer) begin(ctx context.Context, size uint64) error {
	ctx, cancel := context.WithTimeout(ctx, indexFor)
	defer cancel()
	if x.log == "" {
		entry, err := folder(x.dir).entry(ctx, 0, size)
		if err != nil {
			return err
		}
		x.log = hex.EncodeToString(rfc6962.DefaultHasher.HashLeaf(entry))
	}
	state, err := x.index.EventIndex(ctx)
	if err != nil {
		return err
	}
	if state.Log != x.log || state.Next > size {
		if err := x.index.ResetEventIndex(ctx, x.log); err != nil {
			return err
		}
		state.Next = 0
	}
	x.next, x.begun = state.Next, true
	return nil
}

func (x *indexer) step(ctx context.Context, size uint64) (last time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, indexFor)
	defer cancel()
	to := min(size, x.next+indexBatch)
	rows := make([]store.IndexedEvent, 0, to-x.next)
	err = folder(x.dir).entries(ctx, x.next, to, size, func(leaf uint64, entry []byte) error {
		e, err := decode(entry)
		if err != nil {
			return fmt.Errorf("entry %d of the audit log in %s: %w", leaf, x.dir, err)
		}
		rows = append(rows, row(leaf, e))
		last = e.Time
		return nil
	})
	if err != nil {
		return last, err
	}
	if err := x.index.IndexEvents(ctx, x.next, rows); err != nil {
		return last, err
	}
	x.next = to
	return last, nil
}

func row(leaf uint64, e event.Event) store.IndexedEvent {
	return store.IndexedEvent{
		Leaf: leaf, ID: e.ID, Time: e.Time, Type: string(e.Type), Severity: string(e.Severity), Outcome: string(e.Outcome),
		Subject: e.Subject, Client: e.Client, RequestID: e.RequestID, Feature: e.Feature, Rule: e.Rule,
		Text: strings.TrimSpace(e.Rule + " " + e.Reason),
	}
}

// Reindex empties the index and fills it from the log in dir, up to its
// checkpoint. It may run while control fills the same index: each batch is added
// once.
func Reindex(ctx context.Context, dir string, index Index) (events uint64, err error) {
	size, err := publishedSize(dir)
	if err != nil {
		return 0, err
	}
	x := &indexer{dir: dir, index: index}
	if size > 0 {
		if err := x.begin(ctx, size); err != nil {
			return 0, err
		}
	}
	if err := index.ResetEventIndex(ctx, x.log); err != nil {
		return 0, err
	}
	x.begun = false
	_, err = x.catchUp(ctx, func() uint64 { return size })
	return size, err
}
