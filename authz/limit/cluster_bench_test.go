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

// BenchmarkCluster puts three primaries beside one server, in turns, with callers that
// each wait for one answer, for keys of which each is new, over the same TCP. It reports
// two ratios: requests a second as this machine makes them, which ends where its
// processors do; and what the nodes have room for, which is one over the processor time
// that the busiest node takes for a request.
func BenchmarkCluster(b *testing.B) {
	const callers, turns, turn = 512, 4, 400 * time.Millisecond
	cluster := redistest.StartCluster(b)
	one := redistest.StartNode(b)
	field := []*benched{
		{name: "one", w: benchWindows(b, "redis://"+one.Addr), nodes: []*redis.Client{one.Client(b)}},
		{name: "three", w: benchWindows(b, cluster.URL())},
	}
	for _, p := range cluster.Primaries {
		field[1].nodes = append(field[1].nodes, p.Client(b))
	}
	for b.Loop() {
		for range turns {
			for _, f := range field {
				f.turn(b, callers, turn)
			}
		}
	}
	for _, f := range field {
		b.ReportMetric(f.rate(), f.name+":requests/s")
		b.ReportMetric(f.busiest*1e6/float64(f.requests), f.name+":µs-of-the-busiest-node/request")
	}
	b.ReportMetric(field[1].rate()/field[0].rate(), "throughput-ratio")
	b.ReportMetric(field[0].busiest/float64(field[0].requests)/(field[1].busiest/float64(field[1].requests)), "room-ratio")
}

// benched is one contender.
type benched struct {
	name     string
	w        *Windows
	nodes    []*redis.Client
	requests int64
	took     time.Duration
	busiest  float64 // s of processor time, of the busiest node of each turn
}

func (f *benched) rate() float64 { return float64(f.requests) / f.took.Seconds() }

func (f *benched) turn(b *testing.B, callers int, turn time.Duration) {
	b.Helper()
	before := make([]float64, len(f.nodes))
	for i, n := range f.nodes {
		before[i] = cpuSeconds(b, n)
	}
	ctx, cancel := context.WithTimeout(b.Context(), turn)
	defer cancel()
	began := time.Now()
	var done atomic.Int64
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if _, err := f.w.Count(b.Context(), []Request{hourly(fmt.Sprintf("b%d-%d-%d", f.requests, c, i), 100, 0)}); err != nil {
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
