package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
)

// runner is the pack.TB of a program: a fatal error ends the run, and the
// cleanups happen in any case.
type runner struct {
	failed   bool
	cleanups []func()
}

// run calls f as package testing would: in a goroutine that Fatal ends.
func (r *runner) run(f func()) (status int) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
	for _, cleanup := range slices.Backward(r.cleanups) {
		cleanup()
	}
	if r.failed {
		return 1
	}
	return 0
}

func (r *runner) Helper()          {}
func (r *runner) Failed() bool     { return r.failed }
func (r *runner) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

func (r *runner) TempDir() string {
	dir, err := os.MkdirTemp("", "gatehouse-bench-")
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (r *runner) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func (r *runner) Errorf(format string, args ...any) {
	r.failed = true
	r.Logf(format, args...)
}

func (r *runner) Error(args ...any) { r.Errorf("%s", fmt.Sprint(args...)) }

func (r *runner) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *runner) Fatal(args ...any) { r.Fatalf("%s", fmt.Sprint(args...)) }
