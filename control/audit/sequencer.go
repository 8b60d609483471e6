package audit

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

const (
	// checkpointEvery is the shortest that tessera's POSIX driver takes.
	checkpointEvery = 100 * time.Millisecond
	// tidyEvery is how often partial tiles that full ones have replaced are removed.
	tidyEvery = time.Minute
	never     = time.Duration(math.MaxInt64)

	treeStateLock = ".state/treeState.lock"
)

// sequencer gives tessera whole batches.
//
// An appender of tessera flushes when its batch is full or has an age, both
// fixed when it is made. Either would cost: an age is waited out by whoever is
// alone, and a size splits the batches of many. So the sequencer, which knows
// how many entries there are, makes an appender of just that batch size, and
// keeps it for as long as the size stays the same (70 µs against the 2 ms of a
// commit). Another appender, which is never given an entry, publishes the
// checkpoints: two that do could publish an older after a newer one.
type sequencer struct {
	dir    string
	driver tessera.Driver
	signer note.Signer
	ctx    context.Context //nolint:containedctx // of the background work that Close ends
	end    context.CancelFunc
	reader tessera.LogReader

	batch    int
	appender *tessera.Appender
	stop     context.CancelFunc // of the appender
}

func openSequencer(dir string, s note.Signer) (*sequencer, error) {
	ctx, end := context.WithCancel(context.Background())
	q := &sequencer{dir: dir, signer: s, ctx: ctx, end: end, stop: func() {}}
	var err error
	if q.driver, err = posix.New(ctx, posix.Config{Path: dir}); err == nil {
		_, _, q.reader, err = tessera.NewAppender(ctx, q.driver, q.options(1).
			WithCheckpointInterval(checkpointEvery).WithGarbageCollectionInterval(tidyEvery))
	}
	if err != nil {
		end()
		return nil, fmt.Errorf("open the audit log: %w", err)
	}
	return q, nil
}

// options are those of an appender that publishes no checkpoint in this life.
func (q *sequencer) options(batch int) *tessera.AppendOptions {
	return tessera.NewAppendOptions().WithCheckpointSigner(q.signer).
		WithBatching(uint(batch), never). // #nosec G115 -- the size of a batch
		WithCheckpointInterval(never).WithCheckpointRepublishInterval(0).WithGarbageCollectionInterval(0)
}

// append makes entries durable and returns the index of the first. After an
// error the log may have them all the same: ask size.
func (q *sequencer) append(entries []*tessera.Entry) (first uint64, err error) {
	if err := q.probe(); err != nil {
		return 0, err
	}
	if q.batch != len(entries) {
		if err := q.resize(len(entries)); err != nil {
			return 0, err
		}
	}
	var begin, end tessera.IndexFuture
	for i, entry := range entries {
		end = q.appender.Add(q.ctx, entry)
		if i == 0 {
			begin = end
		}
	}
	last, err := end()
	if err != nil {
		return 0, err
	}
	index, err := begin()
	if err == nil && last.Index-index.Index != uint64(len(entries)-1) { // #nosec G115 -- at least one entry
		err = fmt.Errorf("a batch of %d entries was given the places %d to %d", len(entries), index.Index, last.Index)
	}
	return index.Index, err
}

func (q *sequencer) resize(batch int) error {
	q.stop()
	ctx, stop := context.WithCancel(q.ctx)
	appender, _, _, err := tessera.NewAppender(ctx, q.driver, q.options(batch))
	if err != nil {
		stop()
		q.batch, q.stop = 0, func() {}
		return err
	}
	q.batch, q.appender, q.stop = batch, appender, stop
	return nil
}

// probe opens the file that tessera is going to lock: where it cannot, because
// the folder has gone or has become read-only, tessera ends the process.
func (q *sequencer) probe() error {
	f, err := os.OpenFile(filepath.Join(q.dir, treeStateLock), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

// size is the number of entries that the log has for good.
func (q *sequencer) size() (uint64, error) { return q.reader.IntegratedSize(q.ctx) }

func (q *sequencer) close() {
	q.stop()
	q.end()
}
