package redistest

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// PrimaryName is what the Sentinels call the primary.
const PrimaryName = "gatehouse"

// Sentinels are three of them, watching a primary with one replica.
type Sentinels struct {
	Primary, Replica *Node
	Sentinels        []*Node
	// Files are those of TLS; nil: they speak in clear.
	Files *Files
}

// StartSentinels starts five servers and returns when all three Sentinels know
// each other and the replica, which follows.
func StartSentinels(t testing.TB) *Sentinels {
	t.Helper()
	return startSentinels(t, nil)
}

// StartSentinelsTLS is StartSentinels with TLS for clients, replication and the
// Sentinels, and nothing in clear.
func StartSentinelsTLS(t testing.TB) *Sentinels {
	t.Helper()
	return startSentinels(t, newFiles(t))
}

func startSentinels(t testing.TB, files *Files) *Sentinels {
	t.Helper()
	server := func(extra ...string) *Node {
		n := startNode(t, func(_ string, port int) []string {
			return append(append(files.args(port),
				"--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1",
			), extra...)
		})
		n.tls = files.client(t)
		return n
	}
	s := &Sentinels{Primary: server(), Files: files}
	host, port, _ := net.SplitHostPort(s.Primary.Addr)
	s.Replica = server("--replicaof", host+" "+port)
	replica := s.Replica.Client(t)
	until(t, "the replica follows", func(ctx context.Context) bool { return follows(ctx, replica) })
	for range 3 {
		s.Sentinels = append(s.Sentinels, sentinelOf(t, host, port, files))
	}
	for _, n := range s.Sentinels {
		c := redis.NewSentinelClient(&redis.Options{Addr: n.Addr, TLSConfig: files.client(t)})
		t.Cleanup(func() { _ = c.Close() }) // the server may be gone already
		until(t, "a Sentinel knows all", func(ctx context.Context) bool {
			fields := c.Master(ctx, PrimaryName).Val()
			return fields["num-slaves"] == "1" && fields["num-other-sentinels"] == "2"
		})
	}
	return s
}

func sentinelOf(t testing.TB, host, port string, files *Files) *Node {
	t.Helper()
	return startNode(t, func(dir string, own int) []string {
		file := filepath.Join(dir, "sentinel.conf") // it writes to it
		text := files.lines(own) + fmt.Sprintf("sentinel monitor %s %s %s 2\nsentinel down-after-milliseconds %[1]s 800\n"+
			"sentinel failover-timeout %[1]s 3000\nsentinel parallel-syncs %[1]s 1\n", PrimaryName, host, port)
		must(t, os.WriteFile(file, []byte(text), 0o600))
		return []string{file, "--sentinel"}
	})
}

// URL is the primary, by its Sentinels, for redisauth.
func (s *Sentinels) URL() string {
	var addrs []string
	for _, n := range s.Sentinels {
		addrs = append(addrs, n.Addr)
	}
	return s.Files.scheme() + "-sentinel://" + strings.Join(addrs, ",") + "/" + PrimaryName + s.Files.Query()
}
