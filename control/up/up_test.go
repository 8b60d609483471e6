package up

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gatehouse/control/store"
)

// freePorts are eight that nobody used a moment ago.
func freePorts(t *testing.T) Ports {
	t.Helper()
	var ports Ports
	for _, port := range ports.named() {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = listener.Close() }() // all are held until all are chosen
		*port.number = listener.Addr().(*net.TCPAddr).Port
	}
	return ports
}

func testOptions(t *testing.T) Options {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	wasm := filepath.Join(t.TempDir(), "gatehouse.wasm")
	if err := os.WriteFile(wasm, []byte("\x00asm"), 0o600); err != nil {
		t.Fatal(err)
	}
	return Options{
		Executable: self, Envoy: self, Wasm: wasm, RedisServer: Embedded,
		StateDir: filepath.Join(t.TempDir(), "state"),
		Ports:    freePorts(t),
		Stdout:   io.Discard, Stderr: io.Discard,
		Kill: make(chan struct{}),
	}
}

// announcement is a writer that tells when it was first written to.
type announcement struct {
	mu    sync.Mutex
	text  bytes.Buffer
	first chan struct{}
	once  sync.Once
}

func newAnnouncement() *announcement { return &announcement{first: make(chan struct{})} }

func (a *announcement) Write(data []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer a.once.Do(func() { close(a.first) })
	return a.text.Write(data)
}

func (a *announcement) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.text.String()
}

// startPack runs a pack until the test ends or stop is called, and waits for
// its announcement.
func startPack(t *testing.T, o Options) (said *announcement, stop func() error) {
	t.Helper()
	said = newAnnouncement()
	o.Stdout = said
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, o) }()
	select {
	case <-said.first:
	case err := <-ended:
		cancel()
		t.Fatalf("the pack ended: %v", err)
	}
	stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { _ = stop() })
	return said, stop
}

func readReport(t *testing.T, path string) Report {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var report Report
	if err := json.Unmarshal(data, &report); err != nil {
		t.Fatal(err)
	}
	return report
}

func TestAPackStartsIsAnnouncedAndLeavesNothing(t *testing.T) {
	o := testOptions(t)
	said, stop := startPack(t, o)
	report := readReport(t, filepath.Join(o.StateDir, "up.json"))
	for _, name := range []string{"envoy", "authz", "control", "demo", "redis"} {
		if report.Processes[name] == 0 {
			t.Errorf("no process of %s in up.json", name)
		}
	}
	if report.Credentials == nil || !strings.Contains(said.String(), report.Credentials.Password) {
		t.Error("the panel does not tell the password")
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	for name, pid := range report.Processes {
		if pid != os.Getpid() {
			gone(t, pid)
		}
		_ = name
	}
	if _, err := os.Stat(filepath.Join(o.StateDir, "up.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("up.json is left: %v", err)
	}
}

func TestAProgramGetsTheReportInsteadOfThePanel(t *testing.T) {
	o := testOptions(t)
	o.JSON = true
	said, _ := startPack(t, o)
	var report Report
	if err := json.Unmarshal([]byte(said.String()), &report); err != nil || report.Version != reportVersion {
		t.Errorf("%v: %s", err, said)
	}
}

func TestUpJSONFollowsARestart(t *testing.T) {
	o := testOptions(t)
	startPack(t, o)
	path := filepath.Join(o.StateDir, "up.json")
	first := readReport(t, path).Processes["authz"]
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for readReport(t, path).Processes["authz"] == first {
		if time.Now().After(deadline) {
			t.Fatal("up.json still has the dead process")
		}
		<-tick.C
	}
}

func TestASecondPackRefusesTheSameFolder(t *testing.T) {
	o := testOptions(t)
	startPack(t, o)
	second := testOptions(t)
	second.StateDir = o.StateDir
	err := Run(t.Context(), second)
	if err == nil || !strings.Contains(err.Error(), "another `gatehouse up` (process "+strconv.Itoa(os.Getpid())+")") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(o.StateDir, "up.json")); err != nil {
		t.Errorf("the first one's up.json is gone: %v", err)
	}
}

func TestAPackWithAPolicyOfOnesOwnHasNoDemo(t *testing.T) {
	o := testOptions(t)
	listen := address(o.Ports.HTTP)
	o.Ports.HTTP, o.Ports.HTTPS = 0, 0
	o.Config = filepath.Join(t.TempDir(), "gatehouse.yaml")
	text := "version: 1\nenvoy: {listen: \"" + listen + "\"}\nupstreams:\n  app: {url: \"http://127.0.0.1:1\"}\npolicies:\n  base: {headers: {preset: strict}}\nroutes:\n  - {path_prefix: /, upstream: app, policy: base}\n"
	if err := os.WriteFile(o.Config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// The stand-in for Envoy reads the policy where it runs.
	if _, err := openState(o.StateDir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(o.StateDir, "gatehouse.yaml"), []byte("listen: "+listen+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	startPack(t, o)
	report := readReport(t, filepath.Join(o.StateDir, "up.json"))
	if report.Credentials != nil || report.Processes["demo"] != 0 || len(report.Commands) != 0 {
		t.Errorf("there is a demo: %+v", report)
	}
	if report.Addresses["http"] != "http://"+listen || report.ConfigFile != o.Config {
		t.Errorf("got %+v", report)
	}
}

func TestEverythingThatIsWrongIsSaidBeforeAnythingStarts(t *testing.T) {
	o := testOptions(t)
	taken, err := net.Listen("tcp", address(o.Ports.XDS))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	o.Envoy = "/nowhere/envoy"
	o.Wasm = "/nowhere/gatehouse.wasm"
	o.RedisServer = "/nowhere/redis-server"
	err = Run(t.Context(), o)
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 4 {
		t.Errorf("got %d lines: %q", len(lines), lines)
	}
	for _, part := range []string{"--envoy", "--wasm", "--redis-server", "--xds-port (GATEHOUSE_XDS_PORT)"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say how to fix %s", err, part)
		}
	}
	if logs, err := filepath.Glob(filepath.Join(o.StateDir, "logs", "*")); err != nil || len(logs) != 0 {
		t.Errorf("something started: %v %v", logs, err)
	}
}

func TestTheDemoUserGetsANewPasswordEachTime(t *testing.T) {
	o := testOptions(t)
	var passwords, hashes []string
	for range 2 {
		_, stop := startPack(t, o)
		report := readReport(t, filepath.Join(o.StateDir, "up.json"))
		passwords = append(passwords, report.Credentials.Password)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		users, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + filepath.Join(report.StateDir, "gatehouse.db")})
		if err != nil {
			t.Fatal(err)
		}
		user, err := users.UserByName(t.Context(), report.Credentials.Username)
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, user.PasswordHash)
		if err := users.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if passwords[0] == passwords[1] || hashes[0] == hashes[1] || len(passwords[0]) < 20 {
		t.Errorf("got %q and %q", passwords, hashes)
	}
}

func TestAStoreThatCannotBeOpenedEndsThePackBeforeItStarts(t *testing.T) {
	o := testOptions(t)
	s, err := openState(o.StateDir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(s.path("gatehouse.db"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "make the demo user") {
		t.Errorf("got %v", err)
	}
}

func TestABrokenPolicyIsRefusedWithItsPlace(t *testing.T) {
	o := testOptions(t)
	o.Config = filepath.Join(t.TempDir(), "gatehouse.yaml")
	if err := os.WriteFile(o.Config, []byte("version: 1\npolices: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "gatehouse.yaml:2:1") {
		t.Errorf("got %v", err)
	}
	o.Config = filepath.Join(t.TempDir(), "missing.yaml")
	if err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "missing.yaml") {
		t.Errorf("got %v", err)
	}
}

func TestAPackThatCannotStartSaysWhichPartAndStopsTheOthers(t *testing.T) {
	o := testOptions(t)
	o.Envoy = filepath.Join(t.TempDir(), "envoy")
	script := "#!/bin/sh\n[ \"$1\" = --version ] && exit 0\necho no such field: hppt_filters\nexit 1\n"
	if err := os.WriteFile(o.Envoy, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	err := Run(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "envoy did not start") || !strings.Contains(err.Error(), "hppt_filters") {
		t.Errorf("got %v", err)
	}
	if err := checkFree(t.Context(), []listenSpot{{address(o.Ports.Authz), "authz", ""}, {address(o.Ports.Control), "control", ""}}); err != nil {
		t.Errorf("something is left running: %v", err)
	}
}

func TestAPackThatIsAskedToEndWhileStartingEndsQuietly(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := testOptions(t)
	p := &pack{Options: o, timing: quick(), say: speaker(io.Discard), tools: tools{gatehouse: o.Executable, envoy: o.Envoy, wasm: o.Wasm, redis: Embedded}}
	var err error
	if p.state, err = openState(o.StateDir); err != nil {
		t.Fatal(err)
	}
	p.listen = listeners{http: address(o.Ports.HTTP)}
	if err := p.run(ctx); err != nil {
		t.Error(err)
	}
}
