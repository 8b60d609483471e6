package secret

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/authz/internal/every"
)

// lookEvery is how often Run looks whether a secret's file has changed.
const lookEvery = time.Second

// Live is a secret that is read again when its file changes: written in place,
// replaced by a rename, mounted anew by Docker, or swapped below by Kubernetes'
// "..data". A new file that is bad changes nothing: the last good secret stays,
// and the log says so, once for each bad file.
//
// A Live needs no goroutine: Fresh looks at the file when it is asked. Run is for
// those who must hear of a change that nobody asks for.
type Live struct {
	file  File
	log   *slog.Logger
	value atomic.Pointer[Value]

	mu      sync.Mutex // one look at a time; guards what follows
	seen    stamp
	problem error
	changed []func(Value)
}

// stamp tells one state of a file from another without reading it. The file that
// a link leads to counts, so a swapped link is another state.
type stamp struct {
	info    fs.FileInfo
	size    int64
	changed time.Time
	mode    fs.FileMode
}

func (s stamp) same(other stamp) bool {
	if s.info == nil || other.info == nil {
		return s.info == nil && other.info == nil
	}
	return os.SameFile(s.info, other.info) && s.size == other.size && s.changed.Equal(other.changed) && s.mode == other.mode
}

// racy says that the file was written so recently that another writing may have
// left the same stamp: clocks of file systems are coarse.
func (s stamp) racy() bool { return s.info != nil && time.Since(s.changed).Abs() < 2*time.Second }

// OpenLive reads the secret; log, which may be nil, hears of what happens to it
// later.
func OpenLive(file File, log *slog.Logger) (*Live, error) {
	l := &Live{file: file, log: log}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	l.seen = l.look() // before the reading: a change in between is seen as one
	v, err := file.Read()
	if err != nil {
		return nil, err
	}
	l.value.Store(&v)
	return l, nil
}

// Fixed is a Live that never changes, for what comes from no file.
func Fixed(text []byte) *Live {
	v := New(text)
	l := &Live{log: slog.New(slog.DiscardHandler)}
	l.value.Store(&v)
	return l
}

// Value is the last good secret; empty of a nil Live. It does not look at the
// file.
func (l *Live) Value() Value {
	if l == nil {
		return Value{}
	}
	return *l.value.Load()
}

// Fresh is Value after a look at the file. It is for what happens seldom, such
// as a new connection, and takes a system call, or the reading of a small file.
func (l *Live) Fresh() Value {
	l.refresh()
	return l.Value()
}

// Problem is what is wrong with the file now, while an earlier secret is used;
// nil if nothing is.
func (l *Live) Problem() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.problem
}

// OnChange has to called with each new secret, by whoever notices it: Run, or a
// caller of Fresh, which must not be called from to.
func (l *Live) OnChange(to func(Value)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changed = append(l.changed, to)
}

// Run looks at the file every second until ctx ends.
func (l *Live) Run(ctx context.Context) { l.run(ctx, lookEvery) }

func (l *Live) run(ctx context.Context, period time.Duration) {
	every.Turn(ctx, period, func(context.Context) { l.refresh() })
}

func (l *Live) look() stamp {
	info, err := os.Stat(l.file.Path)
	if err != nil {
		return stamp{} // Read says what is wrong
	}
	return stamp{info: info, size: info.Size(), changed: info.ModTime(), mode: info.Mode()}
}

func (l *Live) refresh() {
	if l.file.Path == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.look()
	if now.same(l.seen) && !now.racy() && (l.problem == nil || now.info == nil) {
		return
	}
	v, err := l.file.Read()
	l.seen = now
	if err != nil {
		if l.problem == nil || l.problem.Error() != err.Error() {
			l.log.Error("a secret's file has changed and cannot be used; the last good one stays in use", "name", l.file.Name, "error", err)
		}
		l.problem = err
		return
	}
	was := l.Value()
	mended := l.problem != nil
	l.problem = nil
	if v.Equal(was.Reveal()) {
		if mended {
			l.log.Info("a secret's file can be read again; it holds what it held", "name", l.file.Name)
		}
		return
	}
	l.value.Store(&v)
	l.log.Info("a secret was read again from its file", "name", l.file.Name)
	for _, to := range l.changed {
		to(v)
	}
}
