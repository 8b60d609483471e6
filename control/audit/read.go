package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"

	"gatehouse/authz/event"
)

const checkpointName = layout.CheckpointPath

// ErrNoLog says that a folder holds no audit log.
var ErrNoLog = errors.New("no audit log")

// Scan calls fn for each event of the log in dir to which its checkpoint commits,
// the oldest first, until fn or ctx ends it. It checks nothing: see audit/verify.
func Scan(ctx context.Context, dir string, fn func(event.Event) error) error {
	size, err := publishedSize(dir)
	if err != nil {
		return err
	}
	return scan(ctx, dir, 0, size, func(_ uint64, e event.Event) error { return fn(e) })
}

func scan(ctx context.Context, dir string, from, to uint64, fn func(leaf uint64, e event.Event) error) error {
	return folder(dir).entries(ctx, from, to, to, func(leaf uint64, entry []byte) error {
		e, err := decode(entry)
		if err != nil {
			return fmt.Errorf("entry %d of the audit log in %s: %w", leaf, dir, err)
		}
		return fn(leaf, e)
	})
}

// Last returns the last n events that match, the oldest first. It reads no more
// of the log than it needs.
func Last(ctx context.Context, dir string, n int, match func(event.Event) bool) ([]event.Event, error) {
	size, err := publishedSize(dir)
	if err != nil {
		return nil, err
	}
	var last []event.Event
	for end := size; end > 0 && len(last) < n; {
		begin := (end - 1) / layout.EntryBundleWidth * layout.EntryBundleWidth
		var found []event.Event
		err := folder(dir).entries(ctx, begin, end, size, func(leaf uint64, entry []byte) error {
			e, err := decode(entry)
			if err != nil {
				return fmt.Errorf("entry %d of the audit log in %s: %w", leaf, dir, err)
			}
			if match == nil || match(e) {
				found = append(found, e)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		last = append(last, reversed(found)...)
		end = begin
	}
	return reversed(last[:min(n, len(last))]), nil
}

func reversed(events []event.Event) []event.Event {
	slices.Reverse(events)
	return events
}

// At returns the events at the given places of the log, in that order. It waits a
// little for the checkpoint that commits to them, which the index does not.
func At(ctx context.Context, dir string, leaves []uint64) ([]event.Event, error) {
	size, err := publishedSize(dir)
	if err == nil && len(leaves) > 0 && size <= slices.Max(leaves) {
		wait, cancel := context.WithTimeout(ctx, 10*checkpointEvery)
		defer cancel()
		_ = awaitPublished(wait, dir, slices.Max(leaves)+1) // what is missing is told below
		size, err = publishedSize(dir)
	}
	if err != nil {
		return nil, err
	}
	events := make([]event.Event, 0, len(leaves))
	for _, leaf := range leaves {
		entry, err := folder(dir).entry(ctx, leaf, size)
		if err != nil {
			return nil, err
		}
		e, err := decode(entry)
		if err != nil {
			return nil, fmt.Errorf("entry %d of the audit log in %s: %w", leaf, dir, err)
		}
		events = append(events, e)
	}
	return events, nil
}

func decode(entry []byte) (event.Event, error) {
	var e event.Event
	if err := json.Unmarshal(entry, &e); err != nil {
		return e, fmt.Errorf("not an event: %w", err)
	}
	return e, nil
}

// publishedSize reads the size in a log's checkpoint, whose signature is not
// checked.
func publishedSize(dir string) (uint64, error) {
	if err := refuseLines(dir); err != nil {
		return 0, err
	}
	text, err := os.ReadFile(filepath.Join(dir, checkpointName))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%w in %s: name the folder of control's audit log", ErrNoLog, dir)
	}
	if err != nil {
		return 0, fmt.Errorf("read the audit log: %w", err)
	}
	return sizeOf(text, dir)
}

// awaitPublished waits until a checkpoint commits to size entries.
func awaitPublished(ctx context.Context, dir string, size uint64) error {
	ticker := time.NewTicker(checkpointEvery / 10)
	defer ticker.Stop()
	for {
		published, err := publishedSize(dir)
		if err == nil && published >= size {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("wait for the checkpoint of %d entries: %w", size, context.Cause(ctx)), err)
		case <-ticker.C:
		}
	}
}

func sizeOf(checkpoint []byte, dir string) (uint64, error) {
	_, rest, _ := strings.Cut(string(checkpoint), "\n")
	line, _, _ := strings.Cut(rest, "\n")
	size, err := strconv.ParseUint(line, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%s is no checkpoint: run `gatehouse audit verify`", filepath.Join(dir, checkpointName))
	}
	return size, nil
}

// folder reads the entries of a log.
type folder string

// entries calls fn for the entries from one index up to another, of a log of the
// given size.
func (f folder) entries(ctx context.Context, from, to, size uint64, fn func(leaf uint64, entry []byte) error) error {
	for at := from; at < to; {
		if err := ctx.Err(); err != nil {
			return err
		}
		index := at / layout.EntryBundleWidth
		entries, err := f.bundle(index, size)
		if err != nil {
			return err
		}
		first := index * layout.EntryBundleWidth
		for ; at < to && at-first < uint64(len(entries)); at++ {
			if err := fn(at, entries[at-first]); err != nil {
				return err
			}
		}
		if at < to && at-first < layout.EntryBundleWidth {
			return fmt.Errorf("entry %d of the audit log in %s is missing: run `gatehouse audit verify`", at, f)
		}
	}
	return nil
}

func (f folder) entry(ctx context.Context, leaf, size uint64) (entry []byte, err error) {
	if leaf >= size {
		return nil, fmt.Errorf("entry %d is not among the %d of the audit log in %s", leaf, size, f)
	}
	err = f.entries(ctx, leaf, leaf+1, size, func(_ uint64, e []byte) error {
		entry = e
		return nil
	})
	return entry, err
}

func (f folder) bundle(index, size uint64) ([][]byte, error) {
	raw, err := f.read(func(partial uint8) string { return layout.EntriesPath(index, partial) }, layout.PartialTileSize(0, index, size))
	if err != nil {
		return nil, err
	}
	var b api.EntryBundle
	if err := b.UnmarshalText(raw); err != nil {
		return nil, fmt.Errorf("bundle %d of the audit log in %s: %w: run `gatehouse audit verify`", index, f, err)
	}
	return b.Entries, nil
}

// read reads a partial file or, once that has been tidied away, the full one.
func (f folder) read(path func(partial uint8) string, partial uint8) ([]byte, error) {
	raw, err := os.ReadFile(filepath.Join(string(f), path(partial)))
	if partial > 0 && errors.Is(err, fs.ErrNotExist) {
		raw, err = os.ReadFile(filepath.Join(string(f), path(0)))
	}
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	return raw, nil
}
