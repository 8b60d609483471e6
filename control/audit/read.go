package audit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gatehouse/authz/event"
)

// maxLine bounds a line that is read, in bytes; an event is far below.
const maxLine = 1 << 20

// ErrNoLog says that a folder holds no audit log.
var ErrNoLog = errors.New("no audit log")

// files lists the log's files from the oldest to the newest.
func files(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("list the audit log's files: %w", err)
	}
	var paths []string
	for _, e := range entries {
		if e.Type().IsRegular() && strings.HasPrefix(e.Name(), "events") && strings.HasSuffix(e.Name(), ".jsonl") {
			paths = append(paths, filepath.Join(dir, e.Name())) // ReadDir has sorted: "events-" before "events."
		}
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%w in %s: name the folder of control's audit log", ErrNoLog, dir)
	}
	return paths, nil
}

// Scan calls fn for each event of the log in dir, the oldest first, until fn or
// ctx ends it. A line that is still being written is not an event yet.
func Scan(ctx context.Context, dir string, fn func(event.Event) error) error {
	paths, err := files(dir)
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := scanFile(ctx, path, fn); err != nil {
			return err
		}
	}
	return nil
}

// Last returns the last n events that match, the oldest first. It reads only as
// many files as it needs.
func Last(ctx context.Context, dir string, n int, match func(event.Event) bool) ([]event.Event, error) {
	paths, err := files(dir)
	if err != nil {
		return nil, err
	}
	var last []event.Event
	for i := len(paths) - 1; i >= 0 && len(last) < n; i-- {
		found, err := lastOf(ctx, paths[i], n-len(last), match)
		if err != nil {
			return nil, err
		}
		last = append(found, last...)
	}
	return last, nil
}

func lastOf(ctx context.Context, path string, n int, match func(event.Event) bool) ([]event.Event, error) {
	var found []event.Event
	err := scanFile(ctx, path, func(e event.Event) error {
		if match(e) {
			found = append(found, e)
		}
		if len(found) >= 2*n {
			found = slices.Clone(found[len(found)-n:])
		}
		return nil
	})
	return found[max(0, len(found)-n):], err
}

func scanFile(ctx context.Context, path string, fn func(event.Event) error) (err error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil // renamed just now: it is read under its new name next time
	}
	if err != nil {
		return fmt.Errorf("read the audit log: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r := newLineReader(f)
	for number := 1; ; number++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		line, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %w", path, number, err)
		}
		var e event.Event
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("%s:%d: not an event: %w", path, number, err)
		}
		if err := fn(e); err != nil {
			return err
		}
	}
}

// lineReader gives whole lines only.
type lineReader struct {
	r *bufio.Reader
	// begun is what has been read of a line that has no end yet.
	begun []byte
}

func newLineReader(r io.Reader) *lineReader { return &lineReader{r: bufio.NewReaderSize(r, 64<<10)} }

// next is io.EOF as long as there is no further whole line; it may be called
// again when there is more.
func (l *lineReader) next() ([]byte, error) {
	for {
		part, err := l.r.ReadSlice('\n')
		l.begun = append(l.begun, part...)
		switch {
		case len(l.begun) > maxLine:
			return nil, fmt.Errorf("a line is longer than %d bytes", maxLine)
		case errors.Is(err, bufio.ErrBufferFull):
		case err != nil:
			return nil, err
		default:
			line := bytes.TrimSuffix(l.begun, []byte("\n"))
			l.begun = nil
			return line, nil
		}
	}
}

// remember fills the window from the newest files.
func (l *Lines) remember() error {
	paths, err := files(l.dir)
	if err != nil {
		return err
	}
	var ids [][]string
	count := 0
	for i := len(paths) - 1; i >= 0 && count < Window; i-- {
		var of []string
		err := scanFile(context.Background(), paths[i], func(e event.Event) error {
			of = append(of, e.ID)
			return nil
		})
		if err != nil {
			return fmt.Errorf("the audit log cannot be continued: %w: move the file away to begin a new one", err)
		}
		ids = append(ids, of)
		count += len(of)
	}
	for _, of := range slices.Backward(ids) {
		for _, id := range of {
			l.seen.add(id)
		}
	}
	return nil
}
