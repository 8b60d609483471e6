// Command benchauthz puts Check with a valid session beside a gRPC server that
// says OK to everything, in turns of one run: hot users, whose sessions are
// cached; and unique users, or a route that asks for it, with a question to Redis
// for each request. With -memory it measures instead what a million sessions
// take in Redis, and how long listing and revoking a user's takes.
//
// All run on one machine and take each other's time: it prints ratios.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/redis/go-redis/v9"
)

type settings struct {
	rounds, callers, users, hot, conns int
	turn                               time.Duration
	sessions                           int
}

func main() {
	var s settings
	flag.IntVar(&s.rounds, "rounds", 15, "rounds in which each contender gets its turn")
	flag.DurationVar(&s.turn, "turn", 500*time.Millisecond, "length of one turn")
	flag.IntVar(&s.callers, "callers", 64, "callers, each of whom waits for its answer")
	flag.IntVar(&s.conns, "connections", 4, "HTTP/2 connections of the callers")
	flag.IntVar(&s.users, "users", 200_000, "unique users")
	flag.IntVar(&s.hot, "hot", 100, "hot users")
	flag.IntVar(&s.sessions, "sessions", 1_000_000, "with -memory: sessions")
	memory := flag.Bool("memory", false, "measure what sessions take in Redis")
	serve := flag.String("serve", "", "internal: be that contender")
	socket := flag.String("socket", "", "internal: where to listen")
	store := flag.String("redis", "", "internal: the socket of Redis")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch {
	case *serve == "trivial":
		err = serveTrivial(ctx, *socket)
	case *serve == "authz":
		err = serveAuthz(ctx, *socket, *store)
	case *memory:
		err = withRedis(ctx, func(_ string, client *redis.Client) error { return measureMemory(ctx, client, s.sessions) })
	default:
		err = withRedis(ctx, func(path string, client *redis.Client) error { return compare(ctx, s, path, client) })
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchauthz:", err)
		stop()
		os.Exit(1)
	}
}

// withRedis runs a redis-server on a Unix socket for as long as use takes.
func withRedis(ctx context.Context, use func(path string, client *redis.Client) error) error {
	dir, err := os.MkdirTemp("", "gh-benchauthz-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "redis.sock")
	stop, err := child(ctx, "redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no", "--dir", dir)
	if err != nil {
		return err
	}
	defer stop()
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: path, ReadTimeout: time.Minute})
	defer func() { _ = client.Close() }()
	if err := until(ctx, func(ctx context.Context) error { return client.Ping(ctx).Err() }, path); err != nil {
		return fmt.Errorf("redis-server: %w", err)
	}
	return use(path, client)
}

// child starts a program of ours and returns what ends it.
func child(ctx context.Context, name string, args ...string) (func(), error) {
	_, stop, err := process(ctx, name, args...)
	return stop, err
}

// process is child, and tells its number.
func process(ctx context.Context, name string, args ...string) (pid int, stop func(), err error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return 0, nil, fmt.Errorf("start %s: %w", name, err)
	}
	return cmd.Process.Pid, func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait() // ended as asked
	}, nil
}

// until tries until it works, once the socket is there.
func until(ctx context.Context, try func(context.Context) error, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	err := errors.New("not there yet")
	for {
		if _, statErr := os.Stat(path); statErr == nil {
			if err = try(ctx); err == nil {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}
