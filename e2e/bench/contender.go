package main

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2/hpack"

	"gatehouse/e2e/pack"
)

// contender is one Envoy and what was measured of it.
type contender struct {
	front
	name  string
	admin string
	envoy *pack.Process
	// requests are sent in turn by all connections together.
	requests [][]byte
	next     atomic.Int64
	// browser is sent over HTTP/2 instead, if there is one.
	browser []hpack.HeaderField
	status  string // that answers may have beside 200
	// sends sends an upload again and again until the time is over.
	sends func(front, body, time.Time) (sent int64, err error)
	// parts are the processes whose time is measured, and spent what a request took of
	// each, round by round, in microseconds.
	parts []part
	spent [][]float64

	rounds    []float64       // requests/s
	latencies []time.Duration // of all rounds
}

// part is a process that a request goes through.
type part struct {
	name string
	pid  int
}

const warmUpTime = 500 * time.Millisecond

func (c *contender) warmUp(t pack.TB, connections int) { c.load(t, warmUpTime, connections) }

// accepts says whether an answer has a status that it should have.
func (c *contender) accepts(status []byte) bool { return isOK(status) || string(status) == c.status }

func (c *contender) turn(t pack.TB, length time.Duration, connections int) {
	before := c.used(t)
	latencies := c.load(t, length, connections)
	for i, after := range c.used(t) {
		c.spent[i] = append(c.spent[i], float64((after-before[i]).Microseconds())/float64(len(latencies)))
	}
	c.rounds = append(c.rounds, float64(len(latencies))/length.Seconds())
	c.latencies = append(c.latencies, latencies...)
}

// load keeps each connection busy with one request at a time until the time is
// over, and returns how long each took.
func (c *contender) load(t pack.TB, length time.Duration, connections int) []time.Duration {
	var (
		wg       sync.WaitGroup
		mu       sync.Mutex
		all      []time.Duration
		failures []error
		deadline = time.Now().Add(length)
	)
	for range connections {
		wg.Go(func() {
			latencies, err := c.drive(deadline)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, latencies...)
			if err != nil {
				failures = append(failures, err)
			}
		})
	}
	wg.Wait()
	if len(failures) > 0 {
		t.Fatalf("%s: %v", c.name, failures[0])
	}
	return all
}

func (c *contender) drive(deadline time.Time) ([]time.Duration, error) {
	if c.browser != nil {
		return driveHTTP2(c.front, c.browser, streamsOfBrowser, deadline)
	}
	return drive(c.front, c.upcoming, c.accepts, deadline)
}

// streamsOfBrowser are in flight on one connection.
const streamsOfBrowser = 2

// used is the processor time of the parts so far.
func (c *contender) used(t pack.TB) []time.Duration {
	times := make([]time.Duration, len(c.parts))
	for i, p := range c.parts {
		times[i] = cpuTime(t, p.pid)
	}
	if c.spent == nil {
		c.spent = make([][]float64, len(c.parts))
	}
	return times
}

// cost is what a request took of a part, in microseconds: the lower quartile of the
// rounds. It is 0 for none.
func (c *contender) cost(name string) float64 {
	for i, p := range c.parts {
		if p.name == name {
			return pack.LowerQuartile(c.spent[i])
		}
	}
	return 0
}

// upcoming is the next request to send.
func (c *contender) upcoming() []byte {
	if len(c.requests) == 1 {
		return c.requests[0]
	}
	return c.requests[int(c.next.Add(1))%len(c.requests)]
}

func (c *contender) perSecond() float64 { return median(c.rounds) }

func (c *contender) ratioTo(other *contender) float64 {
	ratios := make([]float64, len(c.rounds))
	for i := range c.rounds {
		ratios[i] = c.rounds[i] / other.rounds[i]
	}
	return median(ratios)
}

func (c *contender) quantile(q float64) time.Duration {
	slices.Sort(c.latencies)
	return c.latencies[int(q*float64(len(c.latencies)-1))].Round(time.Microsecond)
}

func (c *contender) memory(t pack.TB) pack.Memory {
	return pack.MeasureEnvoy(t, c.admin, c.envoy.Pid())
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
