package up

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"gatehouse/authz/secret"
	"gatehouse/authz/secret/scan"
)

// command says how to run a child.
type command struct {
	path string
	args []string
	env  []string // beyond inherited()
	dir  string
	log  string // file that takes what the child says
}

// spawner starts children from one thread that lives as long as it does.
//
// The kernel sends a child its parent-death signal when the *thread* that
// started it ends, and Go ends threads as it likes; a goroutine locked to its
// thread is the way to keep one.
type spawner struct {
	jobs  chan func()
	done  chan struct{}
	guard *secret.Guard
}

func newSpawner() *spawner {
	s := &spawner{jobs: make(chan func()), done: make(chan struct{})}
	if finder, err := scan.Default(); err == nil { // else by form alone
		s.guard = secret.NewGuard(finder, time.Now)
	}
	go func() {
		defer close(s.done)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		for job := range s.jobs {
			job()
		}
	}()
	return s
}

// close ends the thread. Any child that is still there is killed by the kernel.
func (s *spawner) close() {
	close(s.jobs)
	<-s.done
}

func (s *spawner) start(cmd *exec.Cmd) error {
	result := make(chan error, 1)
	s.jobs <- func() { result <- cmd.Start() }
	return <-result
}

// process is a running child, or one that has ended.
type process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when it has ended; err is set before
	err  error
}

// outputWithin is how long a child's output is read after its end, should a
// child of its own hold on to it.
const outputWithin = time.Second

// launch starts a child in a process group of its own, so that a Ctrl-C in the
// terminal reaches the pack alone and the pack stops its children in order.
func (s *spawner) launch(c command) (*process, error) {
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	// No context ends a child: the supervisor does, in order.
	cmd := exec.CommandContext(context.Background(), c.path, c.args...)
	cmd.Dir = c.dir
	cmd.Env = append(inherited(), c.env...)
	// Not the file itself: a crash is written by the child's runtime, past its
	// logger, and Envoy and Redis know nothing of secrets.
	out := secret.NewLineWriter(log, s.guard, "output of "+filepath.Base(c.path))
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = out, out, outputWithin
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.start(cmd); err != nil {
		_ = out.Close() // nothing was written
		return nil, fmt.Errorf("start %s: %w", c.path, err)
	}
	p := &process{cmd: cmd, log: c.log, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		_ = out.Close() // a full disk ends no child
		close(p.done)
	}()
	return p, nil
}

// inherited is what a child needs of this process' environment. GATEHOUSE_ and
// *_FILE variables meant for the pack must not reach past its flags.
func inherited() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LANG", "TZ", "GOCOVERDIR", "GOMAXPROCS"} {
		if value, set := os.LookupEnv(name); set {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop asks politely, then kills: after grace, or at once when kill is closed.
func (p *process) stop(grace time.Duration, kill <-chan struct{}) {
	p.signal(syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return
	case <-timer.C:
	case <-kill:
	}
	p.signal(syscall.SIGKILL)
	<-p.done
}

func (p *process) signal(sig syscall.Signal) {
	select {
	case <-p.done: // the number may belong to somebody else by now
	default:
		_ = syscall.Kill(-p.pid(), sig)
	}
}

// end says how the process ended.
func (p *process) end() string {
	var exit *exec.ExitError
	switch {
	case p.err == nil:
		return "it ended by itself (exit status 0)"
	case errors.As(p.err, &exit):
		return exit.String()
	default:
		return p.err.Error()
	}
}

const (
	tailLines = 12
	tailBytes = 16 << 10
)

// logTail is the end of a log, indented, for an error message.
func logTail(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err == nil && info.Size() > tailBytes {
		_, _ = file.Seek(-tailBytes, io.SeekEnd)
	}
	data, err := io.ReadAll(file)
	if err != nil || len(bytes.TrimSpace(data)) == 0 {
		return ""
	}
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	if len(lines) > tailLines {
		lines = lines[len(lines)-tailLines:]
	}
	return "\n    " + strings.Join(lines, "\n    ")
}
