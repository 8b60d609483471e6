package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/event"
)

func TestFollowSeesWhatIsAppendedAcrossBundles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	add(t, l, "before")
	if err := awaitPublished(t.Context(), dir, 1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ready, seen, done := make(chan struct{}), make(chan string, 2000), make(chan error, 1)
	go func() {
		done <- Follow(ctx, dir, func() error { close(ready); return nil }, func(e event.Event) error {
			seen <- e.ID
			return nil
		})
	}()
	<-ready
	for batch := range 3 {
		ids := numbered(300)
		for i, id := range ids {
			ids[i] = fmt.Sprintf("%d-%s", batch, id)
		}
		add(t, l, ids...)
		for _, id := range ids {
			select {
			case got := <-seen:
				if got != id {
					t.Fatalf("saw %s, want %s", got, id)
				}
			case <-ctx.Done():
				t.Fatalf("%s was not seen", id)
			}
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestFollowWaitsForALog(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "later")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	enough := errors.New("enough")
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- Follow(ctx, dir, func() error { close(ready); return nil }, func(event.Event) error { return enough })
	}()
	<-ready
	add(t, open(t, dir), "a")
	if err := <-done; !errors.Is(err, enough) {
		t.Errorf("error %v", err)
	}
}

func TestFollowSaysThatALogWasRolledBack(t *testing.T) {
	t.Parallel()
	dir, old := t.TempDir(), t.TempDir()
	l := open(t, dir)
	add(t, l, "a")
	closed(t, l)
	if err := os.CopyFS(filepath.Join(old, "audit"), os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir)
	add(t, l, "b")
	closed(t, l)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := Follow(ctx, dir, func() error {
		text, err := os.ReadFile(filepath.Join(old, "audit", checkpointName))
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, checkpointName), text, 0o600)
	}, func(event.Event) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "rolled back") {
		t.Errorf("error %v", err)
	}
}

func TestAFolderWithoutALogSaysSo(t *testing.T) {
	t.Parallel()
	none := t.TempDir()
	if _, err := Last(t.Context(), none, 1, nil); !errors.Is(err, ErrNoLog) {
		t.Errorf("error %v", err)
	}
	if err := Scan(t.Context(), none, nil); !errors.Is(err, ErrNoLog) {
		t.Errorf("error %v", err)
	}
	if _, err := ProveLeaf(t.Context(), none, 0); !errors.Is(err, ErrNoLog) {
		t.Errorf("error %v", err)
	}
	if err := os.WriteFile(filepath.Join(none, checkpointName), []byte("no checkpoint"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := At(t.Context(), none, nil); err == nil || !strings.Contains(err.Error(), "audit verify") {
		t.Errorf("error %v", err)
	}
}
