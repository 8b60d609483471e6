package posture

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/secret"
	"gatehouse/control/internal/redistest"
)

// onCluster is a sound pack whose Redis is a Cluster of two primaries.
func onCluster(t *testing.T) (*sound, []*redis.Client) {
	t.Helper()
	s := newSound(t, flaws{})
	cluster := redistest.StartCluster(t)
	var mine []*redis.Client
	for i, node := range cluster.Primaries(t) {
		must(t, errors.Join(node.ConfigSet(t.Context(), "appendonly", "yes").Err(), node.ConfigSet(t.Context(), "requirepass", "redis-password").Err()))
		client := redis.NewClient(&redis.Options{Addr: cluster.Addrs()[i], Password: "redis-password"})
		t.Cleanup(func() { _ = client.Close() })
		mine = append(mine, client)
	}
	all := redis.NewClusterClient(&redis.ClusterOptions{Addrs: cluster.Addrs(), Password: "redis-password"})
	t.Cleanup(func() { _ = all.Close() })
	s.fake.redis, s.target.RedisURL = all, secret.New([]byte(cluster.URL()))
	return s, mine
}

func TestAClusterIsLookedAtNodeByNode(t *testing.T) {
	t.Parallel()
	s, nodes := onCluster(t)
	report := s.run(t)
	if report.Failed() || report.Counts[Pass] != len(catalogue()) {
		t.Errorf("%v\n%s", report.Counts, reasons(report))
	}
	for name, test := range map[string]struct {
		field, value string
		check        string
	}{
		"one primary keeps nothing on disk":      {"appendonly", "no", "GH-POS-031"},
		"one primary asks nobody for a password": {"requirepass", "", "GH-POS-032"},
	} {
		before := nodes[1].ConfigGet(t.Context(), test.field).Val()[test.field]
		must(t, nodes[1].ConfigSet(t.Context(), test.field, test.value).Err())
		report, err := Run(t.Context(), s.target, time.Now)
		must(t, err)
		if !slices.ContainsFunc(report.Results, func(r Result) bool { return r.ID == test.check && r.Status == Fail }) {
			t.Errorf("%s: %s does not fail:\n%s", name, test.check, reasons(report))
		}
		must(t, nodes[1].ConfigSet(t.Context(), test.field, before).Err())
	}
}
