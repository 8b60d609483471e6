package pack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Up prepares `gatehouse up` with its state in dir. It is ready once it says so
// by writing up.json.
func Up(t TB, dir string, args ...string) *Process {
	t.Helper()
	argv := append([]string{Gatehouse(t), "up", "--state-dir", dir}, args...)
	p := newProcess(t, t.TempDir(), "up", argv, UpEnv(t), func(context.Context) error {
		_, err := os.Stat(filepath.Join(dir, "up.json"))
		return err
	})
	p.dir = Root(t)
	return p
}

// UpEnv is this environment, with the tests' own Envoy.
func UpEnv(t TB) []string {
	t.Helper()
	return append(os.Environ(), "GATEHOUSE_ENVOY="+EnvoyBinary(t))
}

// Identity tells one process from a later one with the same pid.
type Identity struct {
	pid     int
	started string
	name    string
}

// Descendants are the process itself and all that it has started.
func Descendants(t TB, root int) []Identity {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	children := map[int][]Identity{}
	var tree []Identity
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		id, parent, err := readStat(pid)
		if err != nil {
			continue // it has just ended
		}
		children[parent] = append(children[parent], id)
		if pid == root {
			tree = append(tree, id)
		}
	}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i].pid]...)
	}
	return tree
}

// Gone returns an error that names those which still run.
func Gone(processes []Identity) error {
	var left []error
	for _, p := range processes {
		if now, _, err := readStat(p.pid); err == nil && now == p {
			left = append(left, fmt.Errorf("%s (pid %d) still runs", p.name, p.pid))
		}
	}
	return errors.Join(left...)
}

// readStat reads /proc/PID/stat (proc(5)); the name in brackets may hold
// anything, so that the fields are counted from the last bracket.
func readStat(pid int) (id Identity, parent int, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Identity{}, 0, err
	}
	open, end := strings.IndexByte(string(stat), '('), strings.LastIndexByte(string(stat), ')')
	if open < 0 || end < open {
		return Identity{}, 0, fmt.Errorf("/proc/%d/stat: %q", pid, stat)
	}
	fields := strings.Fields(string(stat[end+1:]))
	const parentField, startField = 1, 19
	if len(fields) <= startField {
		return Identity{}, 0, fmt.Errorf("/proc/%d/stat: %q", pid, stat)
	}
	parent, err = strconv.Atoi(fields[parentField])
	return Identity{pid: pid, started: fields[startField], name: string(stat[open+1 : end])}, parent, err
}
