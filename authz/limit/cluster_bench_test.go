package limit

import (
	"context"
	"fmt"
	"strconv"
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

// Bounds of BenchmarkCluster.
const (
	benchTurn    = 1200 * time.Millisecond
	benchTurns   = 2
	pacedCallers = 3072
	freeCallers  = 512
	// Each node runs for pacedSlice of each pacedPeriod.
	pacedPeriod = 40 * time.Millisecond
	pacedSlice  = 2 * time.Millisecond
)

// BenchmarkCluster serves all slots with one, two and three primaries of the same Redis
// Cluster of six nodes, in turns, to callers that each wait for one answer, for keys of
// which each is new.
//
// A Cluster's nodes have a machine each; here all of them and the callers have this one,
// whose processors are what ends first. So each primary gets a budget of processor time,
// always the same and small: SIGSTOP and SIGCONT let it run for a slice of each period,
// one primary after the other and never two at once. Then the nodes are what ends first,
// and "paced" shows what a node more brings, with all that it costs to ask more nodes in
// smaller batches. "free" is the same without budgets, beside one server that is no
// Cluster: there, more nodes are more work for the same processors. "room" is one over
// the processor time that the busiest node takes for a request, beside one primary's.
func BenchmarkCluster(b *testing.B) {
	cluster := redistest.StartCluster(b)
	for _, n := range append(append([]*redistest.Node{}, cluster.Primaries...), cluster.Replicas...) {
		// A node that is stopped, or waits for a processor, has not failed.
		if err := n.Client(b).ConfigSet(b.Context(), "cluster-node-timeout", "60000").Err(); err != nil {
			b.Fatal(err)
		}
	}
	one := redistest.StartNode(b)
	alone := &benched{nodes: []*redis.Client{one.Client(b)}}
	paced, free := benchedCluster(b, cluster), benchedCluster(b, cluster)
	for b.Loop() {
		for range benchTurns {
			for n := 1; n <= len(cluster.Primaries); n++ {
				cluster.Spread(b, n)
				windows := benchWindows(b, cluster.URL())
				resume := pace(b, cluster.Primaries)
				paced[n-1].turn(b, windows, pacedCallers)
				resume()
				free[n-1].turn(b, windows, freeCallers)
			}
			alone.turn(b, benchWindows(b, "redis://"+one.Addr), freeCallers)
		}
	}
	b.ReportMetric(alone.rate(), "free:one-server:requests/s")
	for i := range paced {
		for name, f := range map[string][]*benched{"paced": paced, "free": free} {
			at := fmt.Sprintf("%s:%d:", name, i+1)
			b.ReportMetric(f[i].rate(), at+"requests/s")
			b.ReportMetric(f[i].rate()/f[0].rate(), at+"ratio")
			b.ReportMetric(f[0].cost()/f[i].cost(), at+"room")
		}
		b.ReportMetric(100*paced[i].busiest/paced[i].took.Seconds(), fmt.Sprintf("paced:%d:%%-of-a-processor", i+1))
	}
	b.ReportMetric(free[2].rate()/alone.rate(), "free:3-of-one-server")
}

// pace gives each node its budget, until the returned function is called.
func pace(b *testing.B, nodes []*redistest.Node) (resume func()) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	var pacing sync.WaitGroup
	gap := pacedPeriod/time.Duration(len(nodes)) - pacedSlice
	run := func() error {
		timer := time.NewTimer(0)
		defer timer.Stop()
		<-timer.C
		pause := func(d time.Duration) {
			timer.Reset(d)
			<-timer.C
		}
		for ctx.Err() == nil {
			for _, n := range nodes {
				if err := n.Resume(); err != nil {
					return err
				}
				pause(pacedSlice)
				if err := n.Pause(); err != nil {
					return err
				}
				pause(gap)
			}
		}
		return nil
	}
	pacing.Go(func() {
		if err := run(); err != nil {
			b.Errorf("pace the nodes: %v", err)
		}
	})
	return func() {
		cancel()
		pacing.Wait()
		for _, n := range nodes {
			if err := n.Resume(); err != nil {
				b.Errorf("pace the nodes: %v", err)
			}
		}
	}
}

// benched is one contender.
type benched struct {
	nodes    []*redis.Client
	requests int64
	took     time.Duration
	busiest  float64 // s of processor time, of the busiest node of each turn
}

func benchedCluster(b *testing.B, cluster *redistest.Cluster) (all []*benched) {
	b.Helper()
	for range cluster.Primaries {
		f := &benched{}
		for _, p := range cluster.Primaries {
			f.nodes = append(f.nodes, p.Client(b))
		}
		all = append(all, f)
	}
	return all
}

func (f *benched) rate() float64 { return float64(f.requests) / f.took.Seconds() }
func (f *benched) cost() float64 { return f.busiest / float64(f.requests) }

func (f *benched) turn(b *testing.B, w *Windows, callers int) {
	b.Helper()
	before := make([]float64, len(f.nodes))
	for i, n := range f.nodes {
		before[i] = cpuSeconds(b, n)
	}
	ctx, cancel := context.WithTimeout(b.Context(), benchTurn)
	defer cancel()
	began := time.Now()
	var done atomic.Int64
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if _, err := w.Count(b.Context(), []Request{hourly(fmt.Sprintf("b%d-%d-%d", f.requests, c, i), 100, 0)}); err != nil {
					b.Error(err)
					return
				}
				done.Add(1)
			}
		})
	}
	all.Wait()
	f.took += time.Since(began)
	f.requests += done.Load()
	most := 0.0
	for i, n := range f.nodes {
		most = max(most, cpuSeconds(b, n)-before[i])
	}
	f.busiest += most
}

func cpuSeconds(b *testing.B, node *redis.Client) (sum float64) {
	b.Helper()
	for line := range strings.Lines(node.Info(b.Context(), "cpu").Val()) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_sys" || name == "used_cpu_user" {
			seconds, err := strconv.ParseFloat(value, 64)
			if err != nil {
				b.Fatal(err)
			}
			sum += seconds
		}
	}
	return sum
}

func benchWindows(b *testing.B, url string) *Windows {
	b.Helper()
	client, err := redisauth.Options{URL: secret.New([]byte(url))}.Open(redisauth.Tuning{
		Name: "bench", PoolSize: 20, Dial: time.Second, Read: patient, Write: patient, WaitForAConn: patient,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = client.Close() })
	return NewWindows(client, patient, nil)
}
