// Package redistest starts a real redis-server for a test of control, on a Unix
// socket of its own. A machine without redis-server fails the test.
//
// authz has its own package of this name: Go lets nobody else import it.
package redistest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/e2e/pack"
)

const within = 10 * time.Second

// Server is a redis-server that belongs to one test. It keeps nothing on disk:
// stopped and started again, it is empty.
type Server struct {
	t       *testing.T
	dir     string
	process *exec.Cmd
	exited  chan struct{}
}

// Start returns once the server answers; it ends with the test.
func Start(t *testing.T) *Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "gh-redis-") //nolint:usetesting // a socket's path is bounded, a test's name is long
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, dir: dir}
	t.Cleanup(func() {
		s.Stop()
		_ = os.RemoveAll(dir)
	})
	s.Restart()
	return s
}

// Restart starts the server again after Stop.
func (s *Server) Restart() {
	s.t.Helper()
	//nolint:gosec,noctx // the redis-server of this machine; Stop ends it
	s.process = exec.Command(pack.RedisBinary(s.t), "--port", "0", "--unixsocket", s.Socket(), "--dir", s.dir,
		"--save", "", "--appendonly", "no", "--loglevel", "warning")
	s.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.exited = make(chan struct{})
	go func(p *exec.Cmd, exited chan struct{}) {
		_ = p.Wait()
		close(exited)
	}(s.process, s.exited)
	client := s.Client()
	pack.Eventually(s.t, within, "redis-server answers", func(ctx context.Context) error {
		if _, err := os.Stat(s.Socket()); err != nil {
			return err
		}
		return client.Ping(ctx).Err()
	})
}

// Stop ends the server; a second Stop does nothing.
func (s *Server) Stop() {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Kill()
	<-s.exited
	s.process = nil
	_ = os.Remove(s.Socket())
}

// Client is closed when the test ends.
func (s *Server) Client() *redis.Client {
	c := redis.NewClient(&redis.Options{
		Network: "unix", Addr: s.Socket(), MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
	})
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// Socket is the path of the server's Unix socket.
func (s *Server) Socket() string { return filepath.Join(s.dir, "redis.sock") }
