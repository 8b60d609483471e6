package control

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// watcher tells when the content of files has changed and then stayed the same
// for a while. It believes nobody: a notice only makes it look sooner than it
// would have looked anyway, because a mount may send none, and an editor's
// renames send many.
type watcher struct {
	paths  func() []string // those that matter now
	known  content         // what is in use already
	poll   time.Duration
	settle time.Duration
	log    *slog.Logger
}

// content is what is in the files; nil for one that cannot be read.
type content map[string][]byte

func (w *watcher) read() content {
	c := content{}
	for _, path := range w.paths() {
		data, err := os.ReadFile(path)
		if err != nil {
			data = nil // told by whoever wants to use it
		} else if data == nil {
			data = []byte{}
		}
		c[path] = data
	}
	return c
}

func (c content) equal(other content) bool {
	if len(c) != len(other) {
		return false
	}
	for path, data := range c {
		there, ok := other[path]
		if !ok || (data == nil) != (there == nil) || !bytes.Equal(data, there) {
			return false
		}
	}
	return true
}

// run sends on changed whenever the content is another than what was known or
// sent last, until ctx ends.
func (w *watcher) run(ctx context.Context, changed chan<- struct{}) {
	notices, stop := w.notices()
	defer stop()
	poll := time.NewTicker(w.poll)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-notices:
		case <-poll.C:
		}
		now := w.read()
		if now.equal(w.known) {
			continue
		}
		settled, ok := w.settled(ctx, now)
		if !ok {
			return
		}
		if settled.equal(w.known) {
			continue
		}
		w.known = settled
		select {
		case changed <- struct{}{}:
		case <-ctx.Done():
			return
		}
	}
}

// settled waits until the content is left alone: half a file may be valid.
func (w *watcher) settled(ctx context.Context, seen content) (content, bool) {
	timer := time.NewTimer(w.settle)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, false
		case <-timer.C:
		}
		now := w.read()
		if now.equal(seen) {
			return now, true
		}
		seen = now
		timer.Reset(w.settle)
	}
}

// notices come from the folders: a file that is replaced is another file.
func (w *watcher) notices() (<-chan fsnotify.Event, func()) {
	n, err := fsnotify.NewWatcher()
	if err != nil {
		w.log.Warn("the system sends no notices of edits; looking every so often", "error", err, "every", w.poll)
		return nil, func() {}
	}
	for _, path := range w.paths() {
		if err := n.Add(filepath.Dir(path)); err != nil {
			w.log.Warn("the system sends no notices of edits; looking every so often", "error", err, "every", w.poll)
		}
	}
	go func() {
		for err := range n.Errors {
			w.log.Debug("a notice of an edit was lost", "error", err)
		}
	}()
	return n.Events, func() { _ = n.Close() } // ends the goroutine above as well
}
