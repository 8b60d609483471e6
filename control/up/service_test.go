package up

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gatehouse/e2e/planted"
)

// quick is the timing of these tests: nothing in them waits for long.
func quick() timing {
	return timing{
		readyDeadline: 10 * time.Second,
		probeEvery:    5 * time.Millisecond,
		probeTimeout:  time.Second,
		firstBackoff:  time.Millisecond,
		maxBackoff:    4 * time.Millisecond,
		maxDeaths:     4,
		deathWindow:   time.Hour,
	}
}

type fixture struct {
	*supervisor
	dir     string
	changes chan struct{}
	kill    chan struct{}
	mu      sync.Mutex
	said    []string
}

func newFixture(t *testing.T, timing timing) *fixture {
	t.Helper()
	f := &fixture{dir: t.TempDir(), changes: make(chan struct{}, 100), kill: make(chan struct{})}
	f.supervisor = &supervisor{
		spawn: newSpawner(), timing: timing, kill: f.kill, failed: make(chan error, 1),
		changed: func() { f.changes <- struct{}{} },
		say: func(format string, args ...any) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.said = append(f.said, fmt.Sprintf(format, args...))
		},
	}
	t.Cleanup(func() {
		f.stopAll()
		f.spawn.close()
	})
	return f
}

// shell is a service that runs a script; it is ready once the file `ready` is there.
func (f *fixture) shell(name, script string) *service {
	return &service{
		name:    name,
		command: command{path: "/bin/sh", args: []string{"-c", script}, dir: f.dir, log: filepath.Join(f.dir, name+".log")},
		ready: func(context.Context) error {
			_, err := os.Stat(filepath.Join(f.dir, name+".ready"))
			return err
		},
		grace: 5 * time.Second,
	}
}

func (f *fixture) up(t *testing.T, svc *service) {
	t.Helper()
	if err := f.launch(svc); err != nil {
		t.Fatal(err)
	}
	if err := f.await(t.Context(), svc); err != nil {
		t.Fatal(err)
	}
}

func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(10 * time.Second):
		t.Fatalf("%s did not come", what)
		panic("unreachable")
	}
}

// gone waits until no process of that number runs. One that has ended and that
// nobody has asked after yet (a zombie) is gone too: whose child it was is dead.
func gone(t *testing.T, pid int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for runsStill(pid) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d is left", pid)
		}
		<-tick.C
	}
}

func runsStill(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, afterName, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(afterName, "Z")
}

const forever = "touch a.ready; exec tail -f /dev/null"

func TestAServiceIsReadyWhenItsProbeSaysSo(t *testing.T) {
	f := newFixture(t, quick())
	svc := f.shell("a", forever)
	f.up(t, svc)
	pid := svc.current.Load().pid()
	f.stopAll()
	gone(t, pid)
}

func TestAServiceThatDiesIsStartedAgain(t *testing.T) {
	f := newFixture(t, quick())
	svc := f.shell("a", forever)
	f.up(t, svc)
	first := svc.current.Load().pid()
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	receive(t, f.changes, "the notice of a new process")
	if second := svc.current.Load().pid(); second == first {
		t.Error("the process is the same")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.said) != 1 || !strings.Contains(f.said[0], "a died (signal: killed)") {
		t.Errorf("said %q", f.said)
	}
}

func TestAServiceThatKeepsDyingEndsThePackWithItsLastWords(t *testing.T) {
	f := newFixture(t, quick())
	// The first life serves until it is killed, every other one dies at once.
	svc := f.shell("a", "if [ -e a.ready ]; then echo last words; exit 3; fi; "+forever)
	f.up(t, svc)
	if err := syscall.Kill(svc.current.Load().pid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	err := receive(t, f.failed, "the failure")
	for _, part := range []string{"a died 4 times", "exit status 3", "last words"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q lacks %q", err, part)
		}
	}
}

func TestAServiceThatNeverServedIsNotTriedAgain(t *testing.T) {
	f := newFixture(t, quick())
	svc := f.shell("a", "echo the flag is unknown; exit 2")
	if err := f.launch(svc); err != nil {
		t.Fatal(err)
	}
	err := f.await(t.Context(), svc)
	if err == nil || !strings.Contains(err.Error(), "a did not start (exit status 2)") || !strings.Contains(err.Error(), "the flag is unknown") {
		t.Errorf("got %v", err)
	}
}

func TestAServiceThatIsNeverReadyIsReportedWithItsLog(t *testing.T) {
	timing := quick()
	timing.readyDeadline = 100 * time.Millisecond
	f := newFixture(t, timing)
	svc := f.shell("a", "echo waiting for Godot; exec tail -f /dev/null")
	if err := f.launch(svc); err != nil {
		t.Fatal(err)
	}
	if err := f.await(t.Context(), svc); err == nil || !strings.Contains(err.Error(), "a is not ready after 100ms") {
		t.Errorf("got %v", err)
	}
}

func TestWaitingEndsWhenThePackIsAskedToEnd(t *testing.T) {
	f := newFixture(t, quick())
	svc := f.shell("a", "exec tail -f /dev/null")
	if err := f.launch(svc); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.await(ctx, svc); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestAMissingProgramIsAnErrorAtOnce(t *testing.T) {
	f := newFixture(t, quick())
	svc := f.shell("a", "")
	svc.command.path = filepath.Join(f.dir, "missing")
	if err := f.launch(svc); err == nil {
		t.Error("no error")
	}
}

func TestServicesStopInReverseOrder(t *testing.T) {
	f := newFixture(t, quick())
	for _, name := range []string{"a", "b", "c"} {
		script := fmt.Sprintf("trap 'echo %[1]s >>order; exit 0' TERM; touch %[1]s.ready; while :; do tail -f /dev/null & wait; done", name)
		f.up(t, f.shell(name, script))
	}
	f.stopAll()
	order, err := os.ReadFile(filepath.Join(f.dir, "order"))
	if err != nil || string(order) != "c\nb\na\n" {
		t.Errorf("order %q (%v)", order, err)
	}
}

func TestAStopReachesTheWholeProcessGroup(t *testing.T) {
	f := newFixture(t, quick())
	svc := f.shell("a", "tail -f /dev/null & echo $! >child; touch a.ready; wait")
	f.up(t, svc)
	data, err := os.ReadFile(filepath.Join(f.dir, "child"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	f.stopAll()
	gone(t, pid)
}

func TestAServiceThatIgnoresThePoliteSignalIsKilled(t *testing.T) {
	stubborn := "trap '' TERM; " + forever
	t.Run("after its grace", func(t *testing.T) {
		f := newFixture(t, quick())
		svc := f.shell("a", stubborn)
		svc.grace = 10 * time.Millisecond
		f.up(t, svc)
		f.stopAll()
		gone(t, svc.current.Load().pid())
	})
	t.Run("at once when patience ends", func(t *testing.T) {
		f := newFixture(t, quick())
		svc := f.shell("a", stubborn)
		svc.grace = time.Hour
		f.up(t, svc)
		close(f.kill)
		f.stopAll()
		gone(t, svc.current.Load().pid())
	})
}

// The kernel kills what the pack could not stop, e.g. because it was killed itself.
func TestChildrenDieWithTheThreadThatStartedThem(t *testing.T) {
	f := newFixture(t, quick())
	spawn := newSpawner()
	child, err := spawn.launch(command{path: "/bin/sh", args: []string{"-c", "exec tail -f /dev/null"}, log: filepath.Join(f.dir, "log")})
	if err != nil {
		t.Fatal(err)
	}
	spawn.close()
	receive(t, child.done, "the child's end")
	if got := child.end(); got != "signal: killed" {
		t.Errorf("got %s", got)
	}
}

func TestAChildGetsNoVariablesMeantForThePack(t *testing.T) {
	t.Setenv("GATEHOUSE_LISTEN", "1.2.3.4:5")
	t.Setenv("REDIS_PASSWORD_FILE", "/elsewhere")
	f := newFixture(t, quick())
	svc := f.shell("a", "env; "+forever)
	svc.command.env = []string{"WANTED=yes"}
	f.up(t, svc)
	log := logTail(svc.command.log)
	if strings.Contains(log, "GATEHOUSE_LISTEN") || strings.Contains(log, "elsewhere") || !strings.Contains(log, "WANTED=yes") {
		t.Errorf("the environment is %s", log)
	}
}

func TestDeathsAreForgivenAfterALongLife(t *testing.T) {
	timing := quick()
	timing.maxDeaths, timing.deathWindow = 3, time.Minute
	deaths := deathCount{timing: timing}
	at := time.Now()
	tests := []struct {
		lived time.Duration
		delay time.Duration
		again bool
	}{
		{time.Second, time.Millisecond, true},
		{time.Second, 2 * time.Millisecond, true},
		{2 * time.Minute, time.Millisecond, true}, // forgiven
		{time.Second, 2 * time.Millisecond, true},
		{time.Second, 0, false},
	}
	for i, test := range tests {
		delay, again := deaths.next(at, at.Add(test.lived))
		if delay != test.delay || again != test.again {
			t.Errorf("death %d: got %v %v", i+1, delay, again)
		}
	}
}

func TestLogTailIsTheEndAndNoMore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if logTail(path) != "" {
		t.Error("a missing log has a tail")
	}
	var lines []string
	for i := range 5000 {
		lines = append(lines, "line "+strconv.Itoa(i))
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimPrefix(logTail(path), "\n"), "\n")
	if len(got) != tailLines || got[len(got)-1] != "    line 4999" {
		t.Errorf("got %q", got)
	}
}

func TestWhatACrashingChildWritesIsKeptWithoutItsSecrets(t *testing.T) {
	f := newFixture(t, quick())
	secrets := planted.New(planted.Kinds())
	script := filepath.Join(f.dir, "crash.txt")
	var text strings.Builder
	for _, s := range secrets {
		text.WriteString("panic: " + s.Text + " [recovered]\n\ngoroutine 1 [running]:\n")
	}
	if err := os.WriteFile(script, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	spawn := newSpawner()
	t.Cleanup(spawn.close)
	child, err := spawn.launch(command{path: "/bin/sh", args: []string{"-c", "cat " + script + " >&2; exit 2"}, log: filepath.Join(f.dir, "log")})
	if err != nil {
		t.Fatal(err)
	}
	<-child.done
	log, err := os.ReadFile(filepath.Join(f.dir, "log"))
	if err != nil || strings.Count(string(log), "goroutine 1") != len(secrets) {
		t.Errorf("%v: %s", err, log)
	}
	if came := planted.In(log, secrets); len(came) > 0 {
		t.Errorf("in the log: %q", came)
	}
	if !strings.Contains(logTail(filepath.Join(f.dir, "log")), "goroutine 1") {
		t.Error("the end of the log is not there when the child has ended")
	}
}
