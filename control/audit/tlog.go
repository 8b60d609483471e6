package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"gatehouse/authz/secret"
)

const (
	lockName = ".lock"
	// Window is the number of ids by which a repeated event is recognised.
	Window = 100_000
	// maxPending bounds the events that wait to be written.
	maxPending = 16_384
	// publishFor bounds how long Close waits for the last checkpoint.
	publishFor = 2 * time.Second

	dirMode  = 0o700
	fileMode = 0o600
)

// Options of Open.
type Options struct {
	// Key signs the checkpoints: GATEHOUSE_AUDIT_KEY_FILE's content.
	Key secret.Value
	// Index makes the events searchable, and knows the old ones; nil does without.
	Index      Index
	Registerer prometheus.Registerer // nil registers no metrics
	Log        *slog.Logger

	window int // for tests; 0 means Window
}

// Tlog is a Log in the tlog-tiles layout in a folder. It is safe for concurrent
// use.
type Tlog struct {
	dir       string
	o         Options
	lock      *os.File
	sequencer *sequencer
	metrics   *metrics
	room      *semaphore.Weighted

	// size is the number of entries that are durable.
	size atomic.Uint64

	mu      sync.Mutex
	seen    *window
	claimed map[string]*call
	pending []*call
	target  int // callers of the last commit
	closed  bool

	wake    chan struct{} // pending has grown
	grown   chan struct{} // the log has
	written chan struct{} // closed when nothing is written any more
	// doubt says that a write failed and may have left something. It belongs to
	// the goroutine that commits.
	doubt bool
	took  time.Duration // by the last commit; of the same goroutine

	stopIndex context.CancelFunc
	indexed   sync.WaitGroup
}

// Open opens the log in dir, made if absent, for writing. It refuses a log of
// another key, one that was damaged, and one that another process writes.
func Open(dir string, o Options) (*Tlog, error) {
	sign, err := Signer(o.Key)
	if err != nil {
		return nil, err
	}
	if err := refuseLines(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, fmt.Errorf("make the audit log's folder: %w", err)
	}
	lock, err := acquire(filepath.Join(dir, lockName))
	if err != nil {
		return nil, err
	}
	l := &Tlog{
		dir: dir, o: o, lock: lock, claimed: map[string]*call{}, room: semaphore.NewWeighted(maxPending),
		wake: make(chan struct{}, 1), grown: make(chan struct{}, 1), written: make(chan struct{}), stopIndex: func() {},
	}
	if o.window <= 0 {
		l.o.window = Window
	}
	l.seen = newWindow(l.o.window)
	l.metrics, err = newMetrics(o.Registerer, l)
	if err == nil {
		err = l.check()
	}
	if err == nil {
		l.sequencer, err = openSequencer(dir, sign)
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	go l.commits()
	l.startIndex()
	return l, nil
}

// acquire keeps a second writer out for as long as this process lives.
func acquire(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, fileMode)
	if err != nil {
		return nil, fmt.Errorf("lock the audit log: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil { // #nosec G115 -- a file descriptor
		return nil, errors.Join(fmt.Errorf("another control writes the audit log in %s: stop it, or choose another --state-dir", filepath.Dir(path)), f.Close())
	}
	return f, nil
}

// Size is the number of events that are durable.
func (l *Tlog) Size() uint64 { return l.size.Load() }

// Published waits until a checkpoint commits to all that is durable now: readers
// of the folder see no further.
func (l *Tlog) Published(ctx context.Context) error { return awaitPublished(ctx, l.dir, l.size.Load()) }

// Close implements Log. It waits for what is being written, and a little for the
// checkpoint that commits to it.
func (l *Tlog) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.mu.Unlock()
	signal(l.wake)
	<-l.written
	l.stopIndex()
	l.indexed.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), publishFor)
	defer cancel()
	if err := awaitPublished(ctx, l.dir, l.size.Load()); err != nil {
		l.o.Log.Warn("the audit log was closed before its last checkpoint; the next start writes it", "error", err)
	}
	l.sequencer.close()
	l.metrics.unregister()
	return l.lock.Close()
}
