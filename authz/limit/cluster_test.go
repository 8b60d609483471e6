package limit

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/internal/redistest"
	"gatehouse/authz/secret"
	"gatehouse/authz/secret/redisauth"
)

// clusterWithin is more than a refused connection takes, with all tries.
const clusterWithin = 3 * time.Second

func openCluster(t *testing.T, c *redistest.Cluster) *redis.ClusterClient {
	t.Helper()
	client, err := redisauth.Options{URL: secret.New([]byte(c.URL()))}.Open(redisauth.Tuning{
		Name: "test", PoolSize: 16, Dial: time.Second, Read: clusterWithin, Write: clusterWithin, WaitForAConn: clusterWithin,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		t.Fatalf("%T", client)
	}
	return cluster
}

// clusterKey is what is counted under one key while a Cluster fails over.
type clusterKey struct {
	name      string
	by        [2]atomic.Int64 // what each replica has admitted
	errors    atomic.Int64
	atBarrier int64
}

func (k *clusterKey) admitted() int64 { return k.by[0].Load() + k.by[1].Load() }

// TestAFailoverOfAClusterLosesNoMoreThanTheReplicationLag kills one of three primaries
// under load. The other two thirds of the keys notice nothing, not even an error. Of the
// rest, what the replica had when its primary died is still counted.
func TestAFailoverOfAClusterLosesNoMoreThanTheReplicationLag(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	oneCallSpansTheNodes(t, cluster)
	const limit, perShard = 1_000_000, 4
	replicas := []*Windows{
		NewWindows(openCluster(t, cluster), clusterWithin, nil), NewWindows(openCluster(t, cluster), clusterWithin, nil),
	}
	client := openCluster(t, cluster)
	dead, alive := keysOf(t, client, cluster, limit, perShard)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var callers sync.WaitGroup
	for _, k := range append(append([]*clusterKey{}, dead...), alive...) {
		for i, w := range replicas {
			callers.Go(func() { k.load(ctx, i, w, limit, int64(i)*5) })
		}
	}
	eventually(t, func() bool { return least(dead) >= 50 && least(alive) >= 50 })

	// What the replica has acknowledged, it has.
	primary := cluster.Primaries[0].Client(t)
	for _, k := range dead {
		k.atBarrier = k.admitted()
	}
	if n, err := primary.Wait(t.Context(), 1, 10*time.Second).Result(); err != nil || n != 1 {
		t.Fatalf("%d replicas, %v", n, err)
	}
	cluster.Primaries[0].Kill()
	killed := time.Now()
	eventually(t, func() bool { return failed(dead) > 0 })
	before := least(dead)
	eventually(t, func() bool { return least(dead) >= before+50 })
	took, errors := time.Since(killed), failed(dead)
	after := least(dead)
	eventually(t, func() bool { return least(dead) >= after+50 })
	if again := failed(dead); again != errors {
		t.Errorf("%d errors after the failover", again-errors)
	}
	stop()
	callers.Wait()

	// A machine that stands still for a second makes a Cluster fail over more than asked.
	steady := true
	for _, p := range cluster.Primaries[1:] {
		steady = steady && strings.Contains(p.Client(t).Info(t.Context(), "replication").Val(), "role:master")
	}
	if n := failed(alive); n > 0 && steady {
		t.Errorf("%d errors of keys whose primary lives", n)
	}
	for _, w := range replicas {
		settle(t, w.slices)
		w.slices.sweep(t.Context(), time.Now(), 0) // what is left of slices goes back
	}
	var lost int64
	for _, k := range append(append([]*clusterKey{}, dead...), alive...) {
		counted := limit - count(t, replicas[0], Request{Key: k.name, Spec: hourly(k.name, limit, 0).Spec, Peek: true}).Remaining
		lost += max(0, k.admitted()-counted)
		if counted < k.atBarrier {
			t.Errorf("%s: %d are counted, and the replica had %d before its primary died", k.name, counted, k.atBarrier)
		}
	}
	for _, k := range alive {
		if !steady {
			break
		}
		if counted := limit - count(t, replicas[0], Request{Key: k.name, Spec: hourly(k.name, limit, 0).Spec, Peek: true}).Remaining; counted != k.admitted() {
			t.Errorf("%s: %d are counted of %d", k.name, counted, k.admitted())
		}
	}
	t.Logf("%d errors within %s of the kill, %d counts lost to the lag of replication", errors, took.Round(time.Millisecond), lost)
}

func (k *clusterKey) load(ctx context.Context, replica int, w *Windows, limit, lease int64) {
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		// Not the context that ends: a call whose answer nobody waits for is counted.
		results, err := w.Count(context.WithoutCancel(ctx), []Request{hourly(k.name, limit, lease)})
		switch {
		case err != nil && strings.Contains(err.Error(), "CLUSTERDOWN"):
		case err != nil:
			k.errors.Add(1)
		case results[0].Allowed:
			k.by[replica].Add(1)
		}
	}
}

// keysOf are keys that the first primary serves, and keys of the others.
func keysOf(t *testing.T, client *redis.ClusterClient, cluster *redistest.Cluster, limit, perShard int64) (first, others []*clusterKey) {
	t.Helper()
	for i := 0; int64(len(first)) < perShard || int64(len(others)) < 2*perShard; i++ {
		name := fmt.Sprintf("k%d", i)
		node, err := client.MasterForKey(t.Context(), windowKey(name, 0))
		if err != nil {
			t.Fatal(err)
		}
		k := &clusterKey{name: name}
		if node.Options().Addr == cluster.Primaries[0].Addr {
			first = append(first, k)
		} else {
			others = append(others, k)
		}
	}
	return first, others
}

// least is what the replica with the least luck has admitted of a key: each of them finds
// out for itself who has taken a primary's place.
func least(keys []*clusterKey) int64 {
	n := keys[0].by[0].Load()
	for _, k := range keys {
		n = min(n, k.by[0].Load(), k.by[1].Load())
	}
	return n
}

func failed(keys []*clusterKey) (n int64) {
	for _, k := range keys {
		n += k.errors.Load()
	}
	return n
}

// TestSlotsThatMoveAreFollowedAndCountedOnce has a client that knows where the slots were.
func TestSlotsThatMoveAreFollowedAndCountedOnce(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	w, l := NewWindows(openCluster(t, cluster), clusterWithin, nil), New(openCluster(t, cluster), nil)
	var requests []Request
	for i := range 12 {
		requests = append(requests, hourly(fmt.Sprintf("m%d", i), 5, 0))
	}
	call := func(what string, remaining int64, count func(context.Context, []Request) ([]Result, error)) {
		t.Helper()
		results, err := count(t.Context(), requests)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		for i, got := range results {
			if got.Remaining != remaining {
				t.Errorf("%s: limit %d: %+v", what, i, got)
			}
		}
	}
	call("windows", 4, w.Count)
	call("scripts", 4, l.Count)
	stale := alwaysHot(openCluster(t, cluster), nil)
	held := atAnother(t, stale, cluster)
	hold(t, stale, held)
	cluster.Spread(t, 1) // all counters begin anew, on the first primary
	fresh := held
	fresh.Hits, fresh.Lease = 50, 0
	count(t, w, fresh)
	settle(t, stale.slices)
	stale.slices.sweep(t.Context(), time.Now(), 0)
	fresh.Peek = true
	if got := count(t, w, fresh); got.Remaining != 50 {
		t.Errorf("what was to go back to the node before is not lost: %+v", got)
	}
	for i := range int64(3) {
		call("windows after the move", 4-i, w.Count)
		call("scripts after the move", 4-i, l.Count)
	}
}

// atAnother is a limit whose counter is not on the first primary.
func atAnother(t *testing.T, w *Windows, cluster *redistest.Cluster) Request {
	t.Helper()
	for i := 0; ; i++ {
		name := fmt.Sprintf("held%d", i)
		node, err := w.lanes.node(t.Context(), windowKey(name, 0))
		if err != nil {
			t.Fatal(err)
		}
		if node.Options().Addr != cluster.Primaries[0].Addr {
			return hourly(name, 100, 20)
		}
	}
}

// oneCallSpansTheNodes counts limits of each kind, on all nodes, in one call.
func oneCallSpansTheNodes(t *testing.T, cluster *redistest.Cluster) {
	t.Helper()
	w := NewWindows(openCluster(t, cluster), clusterWithin, nil)
	var requests []Request
	for i := range 12 {
		r := hourly(fmt.Sprintf("span%d", i), 5, 0)
		switch i % 4 {
		case 1:
			r.Spec.Algorithm = GCRA
		case 2:
			r.Spec.Algorithm = TwoBucket
		case 3:
			r.Spec.Algorithm = Concurrency
		}
		requests = append(requests, r)
	}
	for i := range int64(3) {
		results, err := w.Count(t.Context(), requests)
		if err != nil {
			t.Fatal(err)
		}
		for j, got := range results {
			if !got.Allowed || got.Remaining != 4-i {
				t.Errorf("call %d, limit %d: %+v", i, j, got)
			}
		}
	}
}
