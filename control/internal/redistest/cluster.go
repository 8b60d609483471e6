package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"gatehouse/e2e/pack"
)

// Cluster is two primaries that share all slots, on loopback TCP.
type Cluster struct{ addrs []string }

// StartCluster returns once both serve their slots; it ends with the test.
func StartCluster(t *testing.T) *Cluster {
	t.Helper()
	c := &Cluster{addrs: []string{primary(t), primary(t)}}
	for i, client := range c.Primaries(t) {
		if err := client.ClusterAddSlotsRange(t.Context(), i*8192, i*8192+8191).Err(); err != nil {
			t.Fatal(err)
		}
	}
	host, port, _ := net.SplitHostPort(c.addrs[1])
	both := c.Primaries(t)
	pack.Eventually(t, 3*within, "the nodes know each other", func(ctx context.Context) error {
		bus := both[1].ConfigGet(ctx, "cluster-port").Val()["cluster-port"]
		if err := both[0].Do(ctx, "cluster", "meet", host, port, bus).Err(); err != nil {
			return err
		}
		for _, client := range both {
			if info := client.ClusterInfo(ctx).Val(); !strings.Contains(info, "cluster_known_nodes:2") || !strings.Contains(info, "cluster_state:ok") {
				return fmt.Errorf("not yet: %.200s", info)
			}
		}
		return nil
	})
	return c
}

// URL is the Cluster for redisauth.
func (c *Cluster) URL() string { return "redis-cluster://" + strings.Join(c.addrs, ",") }

// Addrs are those of both.
func (c *Cluster) Addrs() []string { return c.addrs }

// Primaries are clients of each alone, closed when the test ends.
func (c *Cluster) Primaries(t *testing.T) []*redis.Client {
	t.Helper()
	var clients []*redis.Client
	for _, addr := range c.addrs {
		client := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true})
		t.Cleanup(func() { _ = client.Close() })
		clients = append(clients, client)
	}
	return clients
}

func primary(t *testing.T) string {
	t.Helper()
	for range 5 { // a port may be taken between asking for it and using it
		port, bus := freePort(t), freePort(t)
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		//nolint:gosec,noctx // the redis-server of this machine; the test's end kills it
		process := exec.Command(pack.RedisBinary(t), "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", t.TempDir(),
			"--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus), "--cluster-node-timeout", "2000", "--save", "", "--appendonly", "no",
			"--loglevel", "warning")
		if err := process.Start(); err != nil {
			t.Fatal(err)
		}
		exited := make(chan struct{})
		go func() {
			_ = process.Wait()
			close(exited)
		}()
		t.Cleanup(func() {
			_ = process.Process.Kill()
			<-exited
		})
		if err := answers(t, addr, exited); err == nil {
			return addr
		}
	}
	t.Fatal("no redis-server could be started on a loopback port")
	return ""
}

// answers waits until the server does, or has ended.
func answers(t *testing.T, addr string, exited chan struct{}) error {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true})
	defer func() { _ = client.Close() }()
	var gone error
	pack.Eventually(t, within, "redis-server answers", func(ctx context.Context) error {
		select {
		case <-exited:
			gone = errors.New("redis-server ended at once")
			return nil
		default:
			return client.Ping(ctx).Err()
		}
	})
	return gone
}

func freePort(t *testing.T) int {
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
