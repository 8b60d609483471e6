package pack

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

const (
	// startWithin is a deadline, no wait: on a busy machine Envoy takes long to compile
	// the module for each of its workers.
	startWithin = 120 * time.Second
	stopWithin  = 20 * time.Second
	logTail     = 6000
)

// Process is one part of the pack that a test may stop, kill and start again.
// Its methods fail the test if they cannot do what they say.
type Process struct {
	name    string
	logPath string
	argv    []string
	env     []string
	dir     string
	ready   func(context.Context) error

	cmd    *exec.Cmd
	exited chan struct{} // closed once cmd has been waited for
}

func newProcess(t TB, dir, name string, argv, env []string, ready func(context.Context) error) *Process {
	t.Helper()
	p := &Process{name: name, logPath: filepath.Join(dir, name+".log"), argv: argv, env: env, dir: dir, ready: ready}
	t.Cleanup(func() {
		if p.running() {
			p.signalGroup(syscall.SIGKILL)
			<-p.exited
		}
		if t.Failed() {
			t.Logf("--- end of %s.log\n%s", name, tail(p.Log()))
		}
	})
	return p
}

// Start runs the process and waits until it is ready.
func (p *Process) Start(t TB) {
	t.Helper()
	p.Launch(t)
	p.AwaitReady(t, startWithin)
}

// AwaitReady polls the readiness of a process that was launched, and returns
// how long that took.
func (p *Process) AwaitReady(t TB, within time.Duration) time.Duration {
	t.Helper()
	return Eventually(t, within, p.name+" becomes ready", func(ctx context.Context) error {
		if !p.running() {
			t.Fatalf("%s ended before it was ready:\n%s", p.name, tail(p.Log()))
		}
		return p.ready(ctx)
	})
}

// Launch runs the process without waiting for it.
func (p *Process) Launch(t TB) {
	t.Helper()
	log, err := os.OpenFile(p.logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(p.argv[0], p.argv[1:]...) //nolint:gosec // the test's own binaries
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = append(os.Environ(), p.env...), p.dir, log, log
	if err := startTied(cmd); err != nil {
		t.Fatalf("start %s: %v", p.name, err)
	}
	exited := make(chan struct{})
	p.cmd, p.exited = cmd, exited
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
}

// Stop asks the process to end (SIGTERM) and waits until it has.
func (p *Process) Stop(t TB) {
	t.Helper()
	p.end(t, syscall.SIGTERM)
}

// Kill ends the process without warning (SIGKILL).
func (p *Process) Kill(t TB) {
	t.Helper()
	p.end(t, syscall.SIGKILL)
}

func (p *Process) end(t TB, sig syscall.Signal) {
	t.Helper()
	if !p.running() {
		t.Fatalf("%s had ended by itself:\n%s", p.name, tail(p.Log()))
	}
	p.signalGroup(sig)
	p.AwaitExit(t, stopWithin)
}

// AwaitExit waits until the process has ended and returns its exit code, -1
// for death by a signal.
func (p *Process) AwaitExit(t TB, within time.Duration) int {
	t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(within):
		t.Fatalf("%s still runs after %v", p.name, within)
		return -1
	}
}

// Freeze stops the process where it stands (SIGSTOP): connections stay open
// and nobody answers. Thaw lets it go on.
func (p *Process) Freeze(t TB) { t.Helper(); p.signalGroup(syscall.SIGSTOP) }

// Thaw undoes Freeze.
func (p *Process) Thaw(t TB) { t.Helper(); p.signalGroup(syscall.SIGCONT) }

// Signal sends sig to the process alone, as Ctrl-C in a script would.
func (p *Process) Signal(t TB, sig syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("signal %s: %v", p.name, err)
	}
}

// Pid of the process as it was started last.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Log is everything that the process has printed so far.
func (p *Process) Log() string {
	b, err := os.ReadFile(p.logPath)
	if err != nil {
		return fmt.Sprintf("(no log: %v)", err)
	}
	return string(b)
}

// MustRun fails the test if the process has ended.
func (p *Process) MustRun(t TB) {
	t.Helper()
	if !p.running() {
		t.Errorf("%s has ended:\n%s", p.name, tail(p.Log()))
	}
}

func (p *Process) running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

func (p *Process) signalGroup(sig syscall.Signal) { _ = syscall.Kill(-p.cmd.Process.Pid, sig) }

func tail(log string) string {
	if len(log) > logTail {
		return "…" + log[len(log)-logTail:]
	}
	return log
}

// launcher starts every process from one thread that lives as long as the test
// binary. Linux sends Pdeathsig when the thread that forked ends, not the
// process, and the Go runtime may end other threads at any time.
var launcher = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

// startTied starts cmd in its own process group, to die with the test binary.
func startTied(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	result := make(chan error)
	launcher() <- func() { result <- cmd.Start() }
	return <-result
}
