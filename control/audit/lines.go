package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"gatehouse/authz/event"
)

const (
	activeName = "events.jsonl"
	lockName   = ".lock"
	// DefaultMaxSize of one file, in bytes.
	DefaultMaxSize = 64 << 20
	// Window is the number of ids by which a repeated event is recognised.
	Window = 100_000

	dirMode  = 0o700
	fileMode = 0o600
)

// Options of Open.
type Options struct {
	// MaxSize begins a new file once the current one has so many bytes; 0 means
	// DefaultMaxSize.
	MaxSize int64
	Log     *slog.Logger
	Now     func() time.Time
}

// Lines is a Log of JSON lines in a folder: events.jsonl, and the files that
// were full before it, named by the time at which they were closed.
type Lines struct {
	dir  string
	o    Options
	lock *os.File

	mu   sync.Mutex
	file *os.File
	size int64 // of what is whole and synced
	// torn says that there may be bytes behind size.
	torn bool
	seen *window
}

var _ Log = (*Lines)(nil)

// Open opens the log in dir, made if absent, for writing.
func Open(dir string, o Options) (*Lines, error) {
	if o.MaxSize <= 0 {
		o.MaxSize = DefaultMaxSize
	}
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, fmt.Errorf("make the audit log's folder: %w", err)
	}
	lock, err := acquire(filepath.Join(dir, lockName))
	if err != nil {
		return nil, err
	}
	l := &Lines{dir: dir, o: o, lock: lock, seen: newWindow(Window)}
	if err := l.open(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	if err := l.remember(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
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

func (l *Lines) open() error {
	f, err := os.OpenFile(filepath.Join(l.dir, activeName), os.O_CREATE|os.O_RDWR, fileMode)
	if err != nil {
		return fmt.Errorf("open the audit log: %w", err)
	}
	size, torn, err := wholeSize(f)
	if err == nil && torn > 0 {
		l.o.Log.Warn("the audit log ended in the middle of a line; the rest of that line is cut off", "bytes", torn)
		err = f.Truncate(size)
	}
	if err == nil {
		err = errors.Join(f.Sync(), syncDir(l.dir))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("repair the audit log: %w", err), f.Close())
	}
	l.file, l.size, l.torn = f, size, false
	return nil
}

// wholeSize is the length up to the last line end, and what follows it.
func wholeSize(f *os.File) (whole, torn int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, 0, err
	}
	const step = 64 << 10
	buffer := make([]byte, step)
	for end := info.Size(); end > 0; {
		begin := max(0, end-step)
		part := buffer[:end-begin]
		if _, err := f.ReadAt(part, begin); err != nil && !errors.Is(err, io.EOF) {
			return 0, 0, err
		}
		if i := bytes.LastIndexByte(part, '\n'); i >= 0 {
			whole = begin + int64(i) + 1
			return whole, info.Size() - whole, nil
		}
		end = begin
	}
	return 0, info.Size(), nil
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Append implements Log.
func (l *Lines) Append(ctx context.Context, events []event.Event) ([]event.Event, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	fresh, lines, err := l.encode(events)
	if err != nil || len(fresh) == 0 {
		return nil, err
	}
	if err := l.write(lines); err != nil {
		return nil, fmt.Errorf("append to the audit log: %w", err)
	}
	for _, e := range fresh {
		l.seen.add(e.ID)
	}
	return fresh, nil
}

// encode leaves out what the log has, or what the batch has twice.
func (l *Lines) encode(events []event.Event) ([]event.Event, []byte, error) {
	var fresh []event.Event
	var lines bytes.Buffer
	batch := make(map[string]bool, len(events))
	encoder := json.NewEncoder(&lines)
	encoder.SetEscapeHTML(false)
	for _, e := range events {
		if batch[e.ID] || l.seen.has(e.ID) {
			continue
		}
		batch[e.ID] = true
		if err := encoder.Encode(e); err != nil {
			return nil, nil, fmt.Errorf("write event %s as JSON: %w", e.ID, err)
		}
		fresh = append(fresh, e)
	}
	return fresh, lines.Bytes(), nil
}

func (l *Lines) write(lines []byte) error {
	if err := l.repair(); err != nil {
		return err
	}
	if l.size >= l.o.MaxSize {
		if err := l.rotate(); err != nil {
			return err
		}
	}
	l.torn = true
	if _, err := l.file.WriteAt(lines, l.size); err != nil {
		return errors.Join(err, l.repair())
	}
	if err := l.file.Sync(); err != nil {
		return errors.Join(err, l.repair())
	}
	l.size += int64(len(lines))
	l.torn = false
	return nil
}

// repair removes what a failed write may have left.
func (l *Lines) repair() error {
	if !l.torn {
		return nil
	}
	if err := l.file.Truncate(l.size); err != nil {
		return fmt.Errorf("cut off what a failed write has left: %w", err)
	}
	l.torn = false
	return nil
}

// rotate closes the current file under a name that sorts before its own and
// behind all earlier ones.
func (l *Lines) rotate() error {
	name := "events-" + l.o.Now().UTC().Format("20060102T150405.000000000Z") + ".jsonl"
	if err := os.Rename(filepath.Join(l.dir, activeName), filepath.Join(l.dir, name)); err != nil {
		return fmt.Errorf("begin a new file: %w", err)
	}
	former := l.file
	if err := l.open(); err != nil {
		return err
	}
	return former.Close()
}

// Close implements Log.
func (l *Lines) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.file.Close(), l.lock.Close())
}
