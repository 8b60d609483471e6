package redistest

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
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
}

// StartSentinels starts five servers and returns when all three Sentinels know
// each other and the replica, which follows.
func StartSentinels(t testing.TB) *Sentinels {
	t.Helper()
	plain := func(extra ...string) *Node {
		return startNode(t, func(_ string, port int) []string {
			return append([]string{
				"--port", strconv.Itoa(port), "--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1",
			}, extra...)
		})
	}
	s := &Sentinels{Primary: plain()}
	host, port, _ := net.SplitHostPort(s.Primary.Addr)
	s.Replica = plain("--replicaof", host+" "+port)
	replica := s.Replica.Client(t)
	until(t, "the replica follows", func(ctx context.Context) bool { return follows(ctx, replica) })
	for range 3 {
		s.Sentinels = append(s.Sentinels, sentinelOf(t, host, port))
	}
	for _, n := range s.Sentinels {
		c := redis.NewSentinelClient(&redis.Options{Addr: n.Addr})
		t.Cleanup(func() { _ = c.Close() }) // the server may be gone already
		until(t, "a Sentinel knows all", func(ctx context.Context) bool {
			fields := c.Master(ctx, PrimaryName).Val()
			return fields["num-slaves"] == "1" && fields["num-other-sentinels"] == "2"
		})
	}
	return s
}

func sentinelOf(t testing.TB, host, port string) *Node {
	t.Helper()
	return startNode(t, func(dir string, own int) []string {
		file := filepath.Join(dir, "sentinel.conf") // it writes to it
		text := fmt.Sprintf("port %d\nsentinel monitor %s %s %s 2\nsentinel down-after-milliseconds %[2]s 800\n"+
			"sentinel failover-timeout %[2]s 3000\nsentinel parallel-syncs %[2]s 1\n", own, PrimaryName, host, port)
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
	return "redis-sentinel://" + strings.Join(addrs, ",") + "/" + PrimaryName
}
