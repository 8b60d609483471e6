package secret

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// syncBuffer may be written and read at the same time.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func openLive(t *testing.T, path string) (*Live, *syncBuffer) {
	t.Helper()
	var log syncBuffer
	l, err := OpenLive(File{Name: "KEY", Path: path}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return l, &log
}

// rename replaces a file as editors and careful programs do.
func rename(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.Rename(write(t, path+".new", text, mode), path); err != nil {
		t.Fatal(err)
	}
}

// mountKubernetes lays a secret out as the kubelet does, at the first call and
// at each swap.
func mountKubernetes(t *testing.T, dir, version, text string) string {
	t.Helper()
	write(t, filepath.Join(dir, "..at_"+version, "key"), text, 0o644)
	if err := os.Symlink("..at_"+version, filepath.Join(dir, "..data_tmp")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "key")
	if _, err := os.Lstat(path); os.IsNotExist(err) {
		if err := os.Symlink("..data/key", path); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestALiveSecretFollowsItsFile(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		make   func(t *testing.T, dir string) string
		change func(t *testing.T, dir, path string)
	}{
		{
			"written in place",
			func(t *testing.T, dir string) string { return write(t, filepath.Join(dir, "key"), "first", 0o600) },
			func(t *testing.T, _, path string) { write(t, path, "other", 0o600) },
		},
		{
			"replaced by a rename",
			func(t *testing.T, dir string) string { return write(t, filepath.Join(dir, "key"), "first", 0o600) },
			func(t *testing.T, _, path string) { rename(t, path, "other", 0o600) },
		},
		{
			"removed and made again",
			func(t *testing.T, dir string) string { return write(t, filepath.Join(dir, "key"), "first", 0o600) },
			func(t *testing.T, _, path string) {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
				write(t, path, "other", 0o600)
			},
		},
		{
			"swapped by Kubernetes",
			func(t *testing.T, dir string) string { return mountKubernetes(t, dir, "1", "first") },
			func(t *testing.T, dir, _ string) { mountKubernetes(t, dir, "2", "other") },
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := test.make(t, dir)
			l, log := openLive(t, path)
			if got := l.Fresh().RevealString(); got != "first" {
				t.Fatalf("at first %q", got)
			}
			var heard []string
			l.OnChange(func(v Value) { heard = append(heard, v.RevealString()) })
			test.change(t, dir, path)
			if got := l.Value().RevealString(); got != "first" {
				t.Errorf("Value has looked: %q", got)
			}
			if got := l.Fresh().RevealString(); got != "other" {
				t.Errorf("after the change %q", got)
			}
			l.Fresh()
			if len(heard) != 1 || heard[0] != "other" {
				t.Errorf("heard %q", heard)
			}
			if text := log.String(); strings.Contains(text, "other") || strings.Count(text, "read again") != 1 {
				t.Errorf("the log says %s", text)
			}
		})
	}
}

func TestABadFileKeepsTheLastGoodSecretAndSaysSoOnce(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		spoil func(t *testing.T, path string)
		want  string
	}{
		{"emptied", func(t *testing.T, path string) { write(t, path, "", 0o600) }, "is empty"},
		{"opened to all", func(t *testing.T, path string) {
			if err := os.Chmod(path, 0o644); err != nil {
				t.Fatal(err)
			}
		}, "chmod 0600"},
		{"removed", func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}, "no such file"},
		{"too large", func(t *testing.T, path string) { rename(t, path, strings.Repeat("x", MaxSize+1), 0o600) }, "larger than"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := write(t, filepath.Join(t.TempDir(), "key"), "first", 0o600)
			l, log := openLive(t, path)
			test.spoil(t, path)
			for range 3 {
				if got := l.Fresh().RevealString(); got != "first" {
					t.Fatalf("it became %q", got)
				}
			}
			if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, test.want) {
				t.Errorf("the log says %s", text)
			}
			if err := l.Problem(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the problem is %v", err)
			}
			_ = os.Remove(path)
			rename(t, path, "second", 0o600)
			if got := l.Fresh().RevealString(); got != "second" || l.Problem() != nil {
				t.Errorf("after it was mended: %q, %v", got, l.Problem())
			}
		})
	}
}

func TestALiveSecretNeedsAGoodFileToBeginWith(t *testing.T) {
	t.Parallel()
	if _, err := OpenLive(File{Name: "KEY", Path: filepath.Join(t.TempDir(), "none")}, nil); err == nil || !strings.Contains(err.Error(), "KEY_FILE") {
		t.Errorf("%v", err)
	}
}

func TestRunHearsOfAChangeAndEndsWithItsContext(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "key"), "first", 0o600)
	before := runtime.NumGoroutine()
	l, _ := openLive(t, path)
	heard := make(chan string, 1)
	l.OnChange(func(v Value) { heard <- v.RevealString() })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.run(ctx, time.Millisecond)
	}()
	rename(t, path, "second", 0o600)
	select {
	case got := <-heard:
		if got != "second" {
			t.Errorf("heard %q", got)
		}
	case <-time.After(10 * time.Second):
		t.Error("nobody heard of the change")
	}
	cancel()
	<-ended
	// A goroutine that has said its last word is counted until it is gone.
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines were left", runtime.NumGoroutine()-before)
		}
	}
}

func TestManyMayAskAtOnce(t *testing.T) {
	t.Parallel()
	path := write(t, filepath.Join(t.TempDir(), "key"), "first", 0o600)
	l, _ := openLive(t, path)
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			for range 100 {
				if got := l.Fresh().RevealString(); got != "first" && got != "second" {
					t.Errorf("got %q", got)
				}
			}
		})
	}
	rename(t, path, "second", 0o600)
	asking.Wait()
	if got := l.Fresh().RevealString(); got != "second" {
		t.Errorf("in the end %q", got)
	}
}
