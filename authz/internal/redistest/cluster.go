package redistest

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// clusterTimeout is after how many ms a silent node counts as failed: short, so
// that tests are, and long enough for a machine that does other things.
const clusterTimeout = "1000"

// Cluster is three primaries with a replica each.
type Cluster struct {
	Primaries, Replicas []*Node
	// Files are those of TLS; nil: it speaks in clear.
	Files *Files
}

// StartCluster starts six servers and returns when all slots are served and
// every replica follows its primary.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	return startCluster(t, nil)
}

// StartClusterTLS is StartCluster with TLS for clients, replication and the bus,
// and nothing in clear.
func StartClusterTLS(t testing.TB) *Cluster {
	t.Helper()
	return startCluster(t, newFiles(t))
}

func startCluster(t testing.TB, files *Files) *Cluster {
	t.Helper()
	c := &Cluster{Files: files}
	for range 3 {
		c.Primaries = append(c.Primaries, clusterNode(t, files))
		c.Replicas = append(c.Replicas, clusterNode(t, files))
	}
	nodes := append(append([]*Node{}, c.Primaries...), c.Replicas...)
	clients := make([]*redis.Client, len(nodes))
	for i, n := range nodes {
		clients[i] = n.Client(t)
	}
	ctx := context.Background()
	for i := range c.Primaries {
		low, high := i*16384/3, (i+1)*16384/3-1
		// Epochs of their own: else nodes first have to agree on an order.
		must(t, clients[i].Do(ctx, "cluster", "set-config-epoch", i+1).Err())
		must(t, clients[i].ClusterAddSlotsRange(ctx, low, high).Err())
	}
	// Everybody is introduced to everybody: gossip alone takes seconds.
	for i, n := range nodes {
		host, port, _ := strings.Cut(n.Addr, ":")
		bus := busOf(t, n)
		for j := range clients {
			if j != i {
				must(t, clients[j].Do(ctx, "cluster", "meet", host, port, bus).Err())
			}
		}
	}
	until(t, "all nodes know each other", func(ctx context.Context) bool {
		for _, client := range clients {
			if info := client.ClusterInfo(ctx).Val(); !strings.Contains(info, "cluster_known_nodes:6") || !strings.Contains(info, "cluster_state:ok") {
				return false
			}
		}
		return true
	})
	for i := range c.Replicas {
		id := clients[i].Do(ctx, "cluster", "myid").Val()
		until(t, "a replica knows its primary", func(ctx context.Context) bool {
			return clients[3+i].Do(ctx, "cluster", "replicate", id).Err() == nil
		})
	}
	until(t, "every replica follows", func(ctx context.Context) bool {
		for i := range c.Replicas {
			if !follows(ctx, clients[3+i]) {
				return false
			}
		}
		return allHaveReplicas(ctx, clients)
	})
	return c
}

func follows(ctx context.Context, client *redis.Client) bool {
	info := client.Info(ctx, "replication").Val()
	return strings.Contains(info, "role:slave") && strings.Contains(info, "master_link_status:up")
}

func allHaveReplicas(ctx context.Context, clients []*redis.Client) bool {
	for _, client := range clients {
		slots := client.ClusterSlots(ctx).Val() //nolint:staticcheck // what go-redis's own client goes by
		if len(slots) != 3 {
			return false
		}
		for _, s := range slots {
			if len(s.Nodes) != 2 {
				return false
			}
		}
	}
	return true
}

func clusterNode(t testing.TB, files *Files) *Node {
	t.Helper()
	n := startNode(t, func(_ string, port int) []string {
		// The bus is on a port of its own, as the usual one may be beyond 65535.
		return append(files.args(port), "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(freePort(t)),
			"--cluster-node-timeout", clusterTimeout, "--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0",
			"--cluster-require-full-coverage", "no", "--cluster-allow-replica-migration", "no", "--save", "", "--appendonly", "no",
		)
	})
	n.tls = files.client(t)
	return n
}

func busOf(t testing.TB, n *Node) string {
	t.Helper()
	c := n.Client(t)
	return c.ConfigGet(context.Background(), "cluster-port").Val()["cluster-port"]
}

// Addrs are some nodes to begin with.
func (c *Cluster) Addrs() []string {
	var addrs []string
	for _, n := range append(append([]*Node{}, c.Primaries...), c.Replicas...) {
		addrs = append(addrs, n.Addr)
	}
	return addrs
}

// URL is the Cluster for redisauth.
func (c *Cluster) URL() string {
	return c.Files.scheme() + "-cluster://" + strings.Join(c.Addrs(), ",") + c.Files.Query()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("redistest: %v", err)
	}
}
