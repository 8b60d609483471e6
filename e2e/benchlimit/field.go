package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// peerVersion is what the module proxy serves of envoyproxy/ratelimit.
const peerVersion = "v1.4.1-0.20260122083618-3fb702589d36"

// startWithin bounds the start of a server, buildWithin the building of the peer.
const (
	startWithin = 15 * time.Second
	buildWithin = 10 * time.Minute
)

// limits are what all contenders are configured with; %s is what only ours knows.
const limits = `domain: bench
descriptors:
  - key: unique
    rate_limit: {unit: hour, requests_per_unit: 1000000}
  - key: hot
    rate_limit: {unit: hour, requests_per_unit: 4000000000%s}
  - key: over
    rate_limit: {unit: hour, requests_per_unit: 1}
`

// process is one server.
type process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{}
}

// contender is a server of the RateLimitService, and the Redis that only it uses.
type contender struct {
	process
	address string
	conns   []*grpc.ClientConn
	redis   *redis.Client // nil: it has none
}

type field struct {
	contenders []*contender
	helpers    []*process
}

func assemble(ctx context.Context, s settings, dir string) (*field, error) {
	f := &field{}
	self, err := os.Executable()
	if err != nil {
		return f, err
	}
	wanted := func(name string) bool {
		return s.only == "" || strings.Contains(","+s.only+",", ","+name+",")
	}
	if wanted("peer") || wanted("peer+cache") {
		if s.peer, err = buildPeer(ctx, s.peer, dir); err != nil {
			return f, err
		}
	}
	for _, c := range []struct {
		name string
		add  func(name, home string) error
	}{
		{"echo", func(name, _ string) error { return f.add(ctx, name, nil, nil, self, "-serve", "echo") }},
		{"ours", func(name, home string) error { return f.ours(ctx, self, name, home, "") }},
		{"ours+lease", func(name, home string) error { return f.ours(ctx, self, name, home, ", lease: 10000") }},
		{"peer", func(name, home string) error { return f.peer(ctx, s.peer, name, home, "0") }},
		{"peer+cache", func(name, home string) error { return f.peer(ctx, s.peer, name, home, "10000000") }},
	} {
		home := filepath.Join(dir, c.name)
		if !wanted(c.name) {
			continue
		}
		if err := os.MkdirAll(filepath.Join(home, "limits", "config"), 0o700); err != nil {
			return f, err
		}
		if err := c.add(c.name, home); err != nil {
			return f, fmt.Errorf("start %s: %w", c.name, err)
		}
	}
	return f, nil
}

// buildPeer compiles envoyproxy/ratelimit in a module of its own: what it needs
// must not choose our versions.
func buildPeer(ctx context.Context, given, dir string) (string, error) {
	if given != "" {
		return given, nil
	}
	ctx, cancel := context.WithTimeout(ctx, buildWithin)
	defer cancel()
	home, binary := filepath.Join(dir, "build"), filepath.Join(dir, "envoyproxy-ratelimit")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return "", err
	}
	for _, args := range [][]string{
		{"mod", "init", "peer"},
		{"get", "github.com/envoyproxy/ratelimit@" + peerVersion},
		{"build", "-mod=mod", "-o", binary, "github.com/envoyproxy/ratelimit/src/service_cmd"},
	} {
		cmd := exec.CommandContext(ctx, "go", args...) // #nosec G204 -- fixed words
		cmd.Dir = home
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build envoyproxy/ratelimit: go %s: %w: %s", args[0], err, out)
		}
	}
	return binary, nil
}

func (f *field) ours(ctx context.Context, self, name, home, lease string) error {
	if err := writeLimits(filepath.Join(home, "limits"), lease); err != nil {
		return err
	}
	store, socket, err := f.store(ctx, home)
	if err != nil {
		return err
	}
	args := []string{"-serve", "ours", "-config", filepath.Join(home, "limits"), "-redis", "unix://" + socket}
	if profile := os.Getenv("BENCHLIMIT_PROFILE"); profile != "" {
		args = append(args, "-profile", profile+"."+name)
	}
	return f.add(ctx, name, store, nil, self, args...)
}

func (f *field) peer(ctx context.Context, binary, name, home, cache string) error {
	if err := writeLimits(filepath.Join(home, "limits", "config"), ""); err != nil {
		return err
	}
	return f.startPeer(ctx, binary, name, home, "LOCAL_CACHE_SIZE_IN_BYTES="+cache)
}

// startPeer starts envoyproxy/ratelimit on the configuration in home.
func (f *field) startPeer(ctx context.Context, binary, name, home string, more ...string) error {
	store, socket, err := f.store(ctx, home)
	if err != nil {
		return err
	}
	env := append(more,
		"USE_STATSD=false", "DISABLE_STATS=true", "LOG_LEVEL=error", "REDIS_SOCKET_TYPE=unix", "REDIS_URL="+socket,
		"RUNTIME_ROOT="+home, "RUNTIME_SUBDIRECTORY=limits", "RUNTIME_WATCH_ROOT=false",
		"HOST=127.0.0.1", "GRPC_HOST=127.0.0.1", "DEBUG_HOST=127.0.0.1",
	)
	for _, name := range []string{"PORT", "DEBUG_PORT"} {
		address, err := free(ctx)
		if err != nil {
			return err
		}
		env = append(env, name+"="+address[strings.LastIndex(address, ":")+1:])
	}
	return f.add(ctx, name, store, env, binary)
}

func writeLimits(dir, lease string) error {
	return os.WriteFile(filepath.Join(dir, "limits.yaml"), fmt.Appendf(nil, limits, lease), 0o600)
}

// add starts a contender and waits until it answers.
func (f *field) add(ctx context.Context, name string, store *redis.Client, env []string, binary string, args ...string) error {
	address, err := free(ctx)
	if err != nil {
		return err
	}
	if env != nil {
		env = append(env, "GRPC_PORT="+address[strings.LastIndex(address, ":")+1:])
	} else {
		args = append(args, "-listen", address)
	}
	c := &contender{address: address, redis: store}
	c.process, err = launch(name, env, binary, args...)
	if err != nil {
		return err
	}
	f.contenders = append(f.contenders, c)
	for range maxConns {
		conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return err
		}
		c.conns = append(c.conns, conn)
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for {
		if err := c.ask(ctx, 0, request(unique, 0)); err == nil { // also where the domain is not configured
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no answer within %s", startWithin)
		case <-c.done:
			return errors.New("it ended at once")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// store starts a redis-server on a socket in home.
func (f *field) store(ctx context.Context, home string) (*redis.Client, string, error) {
	socket := filepath.Join(home, "redis.sock")
	p, err := launch("redis-server", nil, "redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no")
	if err != nil {
		return nil, "", err
	}
	f.helpers = append(f.helpers, &p)
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: socket})
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for {
		if _, err := os.Stat(socket); err == nil && client.Ping(ctx).Err() == nil {
			return client, socket, nil
		}
		select {
		case <-ctx.Done():
			return nil, "", errors.New("redis-server does not answer")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func launch(name string, env []string, binary string, args ...string) (process, error) {
	cmd := exec.Command(binary, args...) // #nosec G204 G702 -- our own programs; stop ends it
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return process{}, err
	}
	p := process{name: name, cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended shows in what it answered
		close(p.done)
	}()
	return p, nil
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGINT) // gone already is what we want
	select {
	case <-p.done:
	case <-time.After(startWithin):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

func (f *field) stop() error {
	var errs []error
	for _, c := range f.contenders {
		for _, conn := range c.conns {
			errs = append(errs, conn.Close())
		}
		c.process.stop()
	}
	for _, p := range f.helpers {
		p.stop()
	}
	return errors.Join(errs...)
}

// memory is what the process holds now, in MiB.
func (p *process) memory() (float64, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "status"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 64)
			return kib / 1024, err
		}
	}
	return 0, errors.New("no VmRSS")
}

// processor is the time that the process has spent on processors, of its own and of the
// system.
func (p *process) processor() (time.Duration, error) {
	const tick = 10 * time.Millisecond // of /proc, on every Linux that there is
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "stat"))
	if err != nil {
		return 0, err
	}
	// The name in parentheses may hold anything; utime and stime are the 12th and 13th after it.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 13 {
		return 0, errors.New("/proc tells no times of a process")
	}
	var sum time.Duration
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}

// free is an address that nobody listens on; somebody else may take it before it
// is used, and then the start fails and says so.
func free(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
