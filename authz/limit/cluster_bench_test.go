package limit

import (
	"bytes"
	"context"
	"fmt"
	"net"
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
	benchTurn    = 700 * time.Millisecond
	benchTurns   = 2
	benchCallers = 512
	// What a node takes for a batch, and for a command in it, while it is paced: some 40
	// times what redis-server takes here, and about in the same proportion.
	perBatch   = 500 * time.Microsecond
	perCommand = 100 * time.Microsecond
)

// BenchmarkCluster serves all slots with one, two and three primaries of the same Redis
// Cluster of six nodes, in turns, to callers that each wait for one answer, for keys of
// which each is new.
//
// A Cluster's nodes have a machine each; here all of them and the callers share this one,
// whose processors end first. So each node gets a pace that is the same for all and far
// below what this machine does: a batch on its way to a node waits until the node has been
// given the time for the batches before it and for this one, perBatch and perCommand.
// That stands in for the capacity of one node. Then "paced" shows what a node more
// brings, with all that it costs to ask more nodes in smaller batches.
//
// "free" is the same without a pace, beside one server that is no Cluster: there, more
// nodes are more work for the same processors. "room" is one over the processor time that
// the busiest node takes for a request, beside one primary's.
func BenchmarkCluster(b *testing.B) {
	cluster := redistest.StartCluster(b)
	for _, n := range append(append([]*redistest.Node{}, cluster.Primaries...), cluster.Replicas...) {
		// A node that waits for a processor has not failed.
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
				paced[n-1].turn(b, benchWindows(b, cluster.URL(), newPace()))
				free[n-1].turn(b, benchWindows(b, cluster.URL(), nil))
			}
			alone.turn(b, benchWindows(b, "redis://"+one.Addr, nil))
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(alone.rate(), "free:one-server:requests/s")
	for i := range paced {
		at := fmt.Sprintf("%d-primaries:", i+1)
		b.ReportMetric(paced[i].rate(), "paced:"+at+"requests/s")
		b.ReportMetric(paced[i].rate()/paced[0].rate(), "paced:"+at+"ratio")
		b.ReportMetric(free[i].rate(), "free:"+at+"requests/s")
		b.ReportMetric(free[i].rate()/free[0].rate(), "free:"+at+"ratio")
		b.ReportMetric(free[0].cost()/free[i].cost(), "free:"+at+"room")
		b.ReportMetric(free[i].rate()/alone.rate(), "free:"+at+"of-one-server")
	}
}

// pace is the time that each node has been given away until, by its address.
type pace struct {
	mu   sync.Mutex
	till map[string]time.Time
}

func newPace() *pace { return &pace{till: map[string]time.Time{}} }

// wait is how long a batch of so many commands waits for its node to be done with it.
func (p *pace) wait(addr string, commands int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	from := p.till[addr]
	if from.Before(now) {
		from = now
	}
	p.till[addr] = from.Add(perBatch + time.Duration(commands)*perCommand)
	return p.till[addr].Sub(now)
}

// pacedConn is a connection to a paced node.
type pacedConn struct {
	net.Conn
	pace *pace
	addr string
}

// Write sends what is one batch: its commands begin with a star at the beginning of a
// line, which none of its arguments has.
func (c *pacedConn) Write(b []byte) (int, error) {
	commands := bytes.Count(b, []byte("\r\n*"))
	if len(b) > 0 && b[0] == '*' {
		commands++
	}
	timer := time.NewTimer(c.pace.wait(c.addr, commands))
	defer timer.Stop()
	<-timer.C
	return c.Conn.Write(b) //nolint:wrapcheck // it stands in for it
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

func (f *benched) turn(b *testing.B, w *Windows) {
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
	for c := range benchCallers {
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

// benchWindows opens a client as authz does, whose nodes have a pace if one is given.
func benchWindows(b *testing.B, url string, p *pace) *Windows {
	b.Helper()
	client, err := redisauth.Options{URL: secret.New([]byte(url))}.Open(redisauth.Tuning{
		Name: "bench", PoolSize: 20, Dial: time.Second, Read: patient, Write: patient, WaitForAConn: patient,
	})
	if err != nil {
		b.Fatal(err)
	}
	if cluster, ok := client.(*redis.ClusterClient); ok && p != nil {
		o := *cluster.Options()
		o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			return &pacedConn{Conn: c, pace: p, addr: addr}, err //nolint:wrapcheck // it stands in for it
		}
		_ = client.Close() // has not been used
		client = redis.NewClusterClient(&o)
	}
	b.Cleanup(func() { _ = client.Close() })
	return NewWindows(client, patient, nil)
}
