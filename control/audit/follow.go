package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"gatehouse/authz/event"
)

// pollEvery is how often Follow looks for more.
const pollEvery = 200 * time.Millisecond

// Follow calls fn for each event that is appended to the log in dir from now
// on, until fn or ctx ends it. It waits for a log that is not there yet. ready is
// called first, when everything from then on is sure to reach fn.
func Follow(ctx context.Context, dir string, ready func() error, fn func(event.Event) error) error {
	f := follower{path: filepath.Join(dir, activeName), fn: fn}
	defer f.close()
	if err := f.open(io.SeekEnd); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := ready(); err != nil {
		return err
	}
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		if err := f.step(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

type follower struct {
	path  string
	file  *os.File
	lines *lineReader
	fn    func(event.Event) error
}

func (f *follower) open(whence int) error {
	file, err := os.Open(f.path)
	if err != nil {
		return err
	}
	if whence == io.SeekEnd {
		// Not the very end: a line that is being written belongs to what follows.
		whole, _, err := wholeSize(file)
		if err == nil {
			_, err = file.Seek(whole, io.SeekStart)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("read the audit log: %w", err), file.Close())
		}
	}
	f.close()
	f.file, f.lines = file, newLineReader(file)
	return nil
}

func (f *follower) close() {
	if f.file != nil {
		_ = f.file.Close() // was only read
	}
}

// step reads what there is, and goes on in a new file once the old one has been
// read to its end.
func (f *follower) step() error {
	for {
		renamed, err := f.renamed()
		if err != nil {
			return err
		}
		if err := f.drain(); err != nil {
			return err
		}
		if !renamed {
			return nil
		}
		if err := f.open(io.SeekStart); errors.Is(err, os.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// renamed says whether the log goes on in another file. It is asked before the
// old one is drained: what is renamed gets no more lines.
func (f *follower) renamed() (bool, error) {
	now, err := os.Stat(f.path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the audit log: %w", err)
	}
	if f.file == nil {
		return true, nil
	}
	open, err := f.file.Stat()
	if err != nil {
		return false, fmt.Errorf("read the audit log: %w", err)
	}
	return !os.SameFile(now, open), nil
}

func (f *follower) drain() error {
	if f.file == nil {
		return nil
	}
	for {
		line, err := f.lines.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the audit log: %w", err)
		}
		var e event.Event
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("%s: not an event: %w", f.path, err)
		}
		if err := f.fn(e); err != nil {
			return err
		}
	}
}
