package redistest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Node is one redis-server of several, on loopback TCP.
type Node struct {
	Addr    string
	tls     *tls.Config // what its clients need; nil: it speaks in clear
	dir     string
	process *exec.Cmd
	exited  chan struct{}
}

// startNode starts a server on a free port. A port may be taken between asking
// for it and using it: then another is tried.
func startNode(t testing.TB, args func(dir string, port int) []string) *Node {
	t.Helper()
	binary, err := find()
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		n, err := tryNode(t, binary, args)
		if err == nil {
			return n
		}
		t.Logf("a redis-server did not start: %v", err)
	}
	t.Fatal("no redis-server could be started on a loopback port")
	return nil
}

func tryNode(t testing.TB, binary string, args func(dir string, port int) []string) (*Node, error) {
	t.Helper()
	port := freePort(t)
	n := &Node{Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), dir: t.TempDir(), exited: make(chan struct{})}
	all := append(args(n.dir, port), "--dir", n.dir, "--bind", "127.0.0.1", "--daemonize", "no", "--loglevel", "warning")
	n.process = exec.Command(binary, all...) //nolint:noctx // the test's end kills it
	n.process.Stdout = nil
	if err := n.process.Start(); err != nil {
		return nil, fmt.Errorf("start redis-server: %w", err)
	}
	go func() {
		_ = n.process.Wait() // how it ended is told by what the test sees
		close(n.exited)
	}()
	t.Cleanup(n.Kill)
	return n, n.listens()
}

func (n *Node) listens() error {
	deadline := time.After(within)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := net.DialTimeout("tcp", n.Addr, time.Second) //nolint:noctx // bounded
		if err == nil {
			return c.Close() //nolint:wrapcheck // only asked whether it listens
		}
		select {
		case <-tick.C:
		case <-n.exited:
			return errors.New("redis-server ended at once")
		case <-deadline:
			n.Kill()
			return fmt.Errorf("redis-server does not listen within %s", within)
		}
	}
}

// Kill ends the server as a crash would, and waits until it is gone.
func (n *Node) Kill() {
	_ = n.process.Process.Signal(os.Kill) // gone already is what we want
	<-n.exited
}

// Client speaks to this node alone.
func (n *Node) Client(t testing.TB) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: n.Addr, MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true, TLSConfig: n.tls})
	t.Cleanup(func() { _ = c.Close() }) // the server may be gone already
	return c
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	address, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("not TCP: %s", l.Addr())
	}
	return address.Port
}

// until waits for a condition.
func until(t testing.TB, what string, holds func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*within)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds(ctx) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("redistest: %s: not within %s", what, 2*within)
		}
	}
}

// StartNode starts one server that keeps nothing on disk.
func StartNode(t testing.TB) *Node {
	t.Helper()
	return startNode(t, func(_ string, port int) []string {
		return []string{"--port", strconv.Itoa(port), "--save", "", "--appendonly", "no"}
	})
}
