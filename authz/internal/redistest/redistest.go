// Package redistest starts real redis-servers for tests.
//
// It promises a server of the test's own on a Unix socket, answering when Start
// returns and gone, by its process id, when the test ends. It never skips: a
// machine without redis-server fails the test and says what to install.
package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// within bounds the start and the stop of a server.
const within = 10 * time.Second

// Server is a redis-server that belongs to one test.
type Server struct {
	t       testing.TB
	dir     string
	durable bool
	process *exec.Cmd
	exited  chan struct{}
}

// Start starts a server that keeps nothing on disk.
func Start(t testing.TB) *Server { return start(t, false) }

// StartDurable starts a server whose data survive Stop and Restart.
func StartDurable(t testing.TB) *Server { return start(t, true) }

func start(t testing.TB, durable bool) *Server {
	t.Helper()
	// Not t.TempDir: a socket's path may have 107 bytes, and a test's name is long.
	dir, err := os.MkdirTemp("", "gh-redis-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, dir: dir, durable: durable}
	t.Cleanup(func() {
		s.Stop()
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove redis-server's folder: %v", err)
		}
	})
	s.Restart()
	return s
}

// Socket is the path of the server's Unix socket.
func (s *Server) Socket() string { return filepath.Join(s.dir, "redis.sock") }

// Client returns a client with the settings that authz uses: no retries, and
// the context's deadline counts. It is closed when the test ends.
func (s *Server) Client() *redis.Client {
	client := s.client()
	s.t.Cleanup(func() { _ = client.Close() }) // the server may be gone already
	return client
}

func (s *Server) client() *redis.Client {
	return redis.NewClient(&redis.Options{
		Network: "unix", Addr: s.Socket(), PoolSize: 64, MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
		DialTimeout: time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second,
	})
}

// Restart starts the server again, at the same socket, after Stop.
func (s *Server) Restart() {
	s.t.Helper()
	binary, err := find()
	if err != nil {
		s.t.Fatal(err)
	}
	aof := "no"
	if s.durable {
		aof = "yes"
	}
	//nolint:noctx // Stop ends it
	s.process = exec.Command(binary, "--port", "0", "--unixsocket", s.Socket(), "--dir", s.dir, "--save", "",
		"--appendonly", aof, "--appendfsync", "always", "--daemonize", "no", "--loglevel", "warning")
	if err := s.process.Start(); err != nil {
		s.t.Fatalf("start redis-server: %v", err)
	}
	s.exited = make(chan struct{})
	go func(process *exec.Cmd, exited chan struct{}) {
		_ = process.Wait() // how it ended is told by what the test sees
		close(exited)
	}(s.process, s.exited)
	if err := s.ready(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) ready() error {
	client := s.client()
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		// The socket first: go-redis complains aloud when it cannot dial.
		_, err := os.Stat(s.Socket())
		if err == nil {
			err = client.Ping(ctx).Err()
		}
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.exited:
			return errors.New("redis-server ended at once: run it by hand with --port 0 to see why")
		case <-ctx.Done():
			return fmt.Errorf("redis-server does not answer within %s: %w", within, err)
		}
	}
}

// Stop ends the server and waits until it is gone. A second Stop does nothing.
func (s *Server) Stop() {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Signal(os.Interrupt) // gone already is what we want
	select {
	case <-s.exited:
	case <-time.After(within):
		s.t.Errorf("redis-server %d did not stop within %s", s.process.Process.Pid, within)
		_ = s.process.Process.Kill()
		<-s.exited
	}
	s.process = nil
	_ = os.Remove(s.Socket()) // the server usually has done that
}

// Deaf returns a client of an address that accepts connections and never
// answers, as a Redis that hangs does.
func Deaf(t testing.TB) *redis.Client {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // listens until the test ends
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	client := redis.NewClient(&redis.Options{
		Addr: listener.Addr().String(), MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
	})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// find looks at GATEHOUSE_REDIS_SERVER, PATH, and the repository's tools.
func find() (string, error) {
	if path := os.Getenv("GATEHOUSE_REDIS_SERVER"); path != "" {
		if _, err := exec.LookPath(path); err != nil {
			return "", fmt.Errorf("GATEHOUSE_REDIS_SERVER: %w", err)
		}
		return path, nil
	}
	if path, err := exec.LookPath("redis-server"); err == nil {
		return path, nil
	}
	for dir, err := os.Getwd(); err == nil && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		for _, path := range []string{
			filepath.Join(dir, ".tools", "redis", "redis-server"), filepath.Join(dir, ".tools", "redis", "bin", "redis-server"),
		} {
			if _, err := exec.LookPath(path); err == nil {
				return path, nil
			}
		}
	}
	return "", errors.New("no redis-server: install Debian's redis-server, run `make tools`, or set GATEHOUSE_REDIS_SERVER to its path")
}
