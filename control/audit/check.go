package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"gatehouse/authz/event"
	"gatehouse/control/audit/verify"
)

const treeStatePath = ".state/treeState"

// behind is how many entries before the window are read to learn how old the
// events are that the window does not know.
const behind = 256

// refuseLines recognises a folder in the format of earlier versions.
func refuseLines(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "events.jsonl")); err != nil {
		return nil //nolint:nilerr // not there, or not to be seen: then the log is not, either
	}
	return fmt.Errorf("%s is an audit log in the JSON lines of an earlier version, which cannot be continued: move its events*.jsonl to another folder, and keep them", dir)
}

// check looks at what is in the folder before tessera does, which would begin
// anew where its state is missing. It asks the verifier about the checkpoint,
// the edge of the tree and the newest entries, and remembers their ids.
func (l *Tlog) check() error {
	state, head, err := l.heads()
	if err == nil && state != nil {
		err = l.checkTree(*state, *head)
	}
	var bad *verify.Fault
	if errors.As(err, &bad) {
		return fmt.Errorf("the audit log in %s is damaged and is not written to: %w: run `gatehouse audit verify`, keep the folder as evidence, and restore it from a copy or move it away", l.dir, err)
	}
	return err
}

func damaged(file, format string, args ...any) error {
	return &verify.Fault{Kind: verify.Checkpoint, File: file, Index: -1, Problem: fmt.Sprintf(format, args...)}
}

// heads reads tessera's own state, which is not signed, and the checkpoint; both
// are nil where there is no log yet.
func (l *Tlog) heads() (state, head *verify.Tree, err error) {
	v, err := verifier(l.o.Key)
	if err != nil {
		return nil, nil, err
	}
	state, err = readTreeState(filepath.Join(l.dir, treeStatePath))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	text, err := os.ReadFile(filepath.Join(l.dir, checkpointName))
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, nil, fmt.Errorf("read the audit log: %w", err)
	case err != nil && (state == nil || state.Size == 0):
		return nil, nil, nil // new, or killed while it was made
	case err != nil:
		return nil, nil, damaged(checkpointName, "it is missing, and the log has %d entries", state.Size)
	case state == nil:
		return nil, nil, damaged(treeStatePath, "it is missing, and there is a checkpoint")
	}
	h, err := verify.OpenCheckpoint(text, checkpointName, v)
	if err != nil {
		return nil, nil, err
	}
	return state, &verify.Tree{Size: h.Size, Root: h.Root}, nil
}

func readTreeState(path string) (*verify.Tree, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	var s struct {
		Size uint64 `json:"size"`
		Root []byte `json:"root"`
	}
	if err := json.Unmarshal(text, &s); err != nil || len(s.Root) != tlog.HashSize || s.Size > math.MaxInt64 {
		return nil, damaged(treeStatePath, "it is not a size and a root hash")
	}
	return &verify.Tree{Size: int64(s.Size), Root: tlog.Hash(s.Root)}, nil
}

// checkTree fills the window on its way.
func (l *Tlog) checkTree(state, head verify.Tree) error {
	ctx := context.Background()
	source := verify.Dir(l.dir)
	window := state.Size - int64(l.o.window)
	if _, err := verify.Walk(ctx, source, state, max(0, window-behind), func(index int64, entry []byte) error {
		var e event.Event
		if err := json.Unmarshal(entry, &e); err != nil {
			return &verify.Fault{Kind: verify.Entry, Index: index, Problem: "it is no event"}
		}
		if index < window {
			l.seen.forget(e.Time)
		} else {
			l.seen.add(e.ID, e.Time, uint64(index)) // #nosec G115 -- not negative
		}
		return nil
	}); err != nil {
		return err
	}
	l.size.Store(uint64(state.Size)) // #nosec G115 -- read as unsigned above
	return verify.Continues(ctx, source, state, head)
}

// remember adds the events from an index on to the window.
func (l *Tlog) remember(from, to uint64) error {
	return folder(l.dir).entries(context.Background(), from, to, to, func(leaf uint64, entry []byte) error {
		e, err := decode(entry)
		if err != nil {
			return err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.seen.add(e.ID, e.Time, leaf)
		return nil
	})
}
