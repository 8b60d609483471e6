package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	ratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
)

// maxConns is the number of HTTP/2 connections at most; each carries callersPerConn.
const (
	maxConns       = 2
	callersPerConn = 32
)

// The kinds of keys, which are also the descriptors' keys.
const (
	unique = "unique"
	hot    = "hot"
	over   = "over"
)

var serial atomic.Uint64

// request is the nth of its kind.
func request(kind string, n uint64) *pb.RateLimitRequest {
	value := "one"
	if kind == unique {
		value = "client-" + strconv.FormatUint(n, 10)
	}
	return &pb.RateLimitRequest{Domain: "bench", Descriptors: []*ratelimitv3.RateLimitDescriptor{
		{Entries: []*ratelimitv3.RateLimitDescriptor_Entry{{Key: kind, Value: value}}},
	}}
}

func (c *contender) ask(ctx context.Context, caller int, in *pb.RateLimitRequest) error {
	client := pb.NewRateLimitServiceClient(c.conns[caller/callersPerConn%maxConns])
	out, err := client.ShouldRateLimit(ctx, in)
	if err != nil {
		return err
	}
	if kind := in.GetDescriptors()[0].GetEntries()[0].GetKey(); kind != over && out.GetOverallCode() != pb.RateLimitResponse_OK {
		return fmt.Errorf("%s: %s of %s was refused", c.name, kind, out)
	}
	return nil
}

// score is what one contender did in all turns of one case.
type score struct {
	waits  []time.Duration
	rates  []float64     // requests/s, a turn each
	sent   int64         // commands that clients sent to Redis
	ran    int64         // commands that Redis ran, also those of scripts
	spent  time.Duration // of processors, by the server alone
	memory float64
}

type scenario struct {
	kind    string
	callers int
}

type table map[scenario]map[string]*score

func compare(ctx context.Context, s settings, f *field) (table, error) {
	all := table{}
	for _, kind := range []string{unique, hot, over} {
		for _, callers := range s.callers {
			at := scenario{kind, callers}
			all[at] = map[string]*score{}
			for _, c := range f.contenders {
				all[at][c.name] = &score{}
				if err := c.turn(ctx, at, s.turn/4, &score{}); err != nil { // connections and pools
					return nil, err
				}
			}
			for round := range s.rounds {
				for i := range f.contenders {
					c := f.contenders[(i+round)%len(f.contenders)]
					if err := c.turn(ctx, at, s.turn, all[at][c.name]); err != nil {
						return nil, err
					}
				}
			}
		}
	}
	return all, nil
}

func (c *contender) turn(ctx context.Context, at scenario, length time.Duration, into *score) error {
	before, err := c.commands(ctx)
	if err != nil {
		return err
	}
	spent, err := c.processor()
	if err != nil {
		return err
	}
	waits := make([][]time.Duration, at.callers)
	errs := make([]error, at.callers)
	var callers sync.WaitGroup
	start := time.Now()
	for i := range at.callers {
		callers.Go(func() { waits[i], errs[i] = c.keepAsking(ctx, i, at.kind, start.Add(length)) })
	}
	callers.Wait()
	took := time.Since(start)
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return fmt.Errorf("%s: %w", c.name, errs[i])
	}
	after, err := c.commands(ctx)
	if err != nil {
		return err
	}
	n := len(into.waits)
	for _, w := range waits {
		into.waits = append(into.waits, w...)
	}
	into.rates = append(into.rates, float64(len(into.waits)-n)/took.Seconds())
	into.sent += after.sent - before.sent
	into.ran += after.ran - before.ran
	until, err := c.processor()
	if err != nil {
		return err
	}
	into.spent += until - spent
	into.memory, err = c.memory()
	return err
}

func (c *contender) keepAsking(ctx context.Context, caller int, kind string, until time.Time) ([]time.Duration, error) {
	var waits []time.Duration
	for now := time.Now(); now.Before(until); {
		err := c.ask(ctx, caller, request(kind, serial.Add(1)))
		if err != nil {
			return nil, err
		}
		done := time.Now()
		waits = append(waits, done.Sub(now))
		now = done
	}
	return waits, nil
}

type counted struct{ sent, ran int64 }

// commands counts those of the limits; INFO and what connections say first are not
// among them.
func (c *contender) commands(ctx context.Context) (counted, error) {
	if c.redis == nil {
		return counted{}, nil
	}
	text, err := c.redis.Info(ctx, "commandstats").Result()
	if err != nil {
		return counted{}, err
	}
	all := map[string]int64{}
	for line := range strings.Lines(text) {
		name, rest, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "cmdstat_"), ":calls=")
		if !ok {
			continue
		}
		calls, _, _ := strings.Cut(rest, ",")
		if all[name], err = strconv.ParseInt(calls, 10, 64); err != nil {
			return counted{}, err
		}
	}
	var n counted
	for name, calls := range all {
		switch name {
		case "info", "hello", "ping", "client|setinfo", "client|setname", "select", "script|load":
			continue
		}
		n.ran += calls
	}
	n.sent = n.ran
	if scripts := all["evalsha"] + all["eval"]; scripts > 0 {
		n.sent = scripts // ours asks in scripts only
	}
	return n, nil
}

func (t table) print(to io.Writer, f *field) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "key\tcallers\tserver\treq/s\tof echo\tp50 ms\tof echo\tp99 ms\tof echo\tsent/req\trun/req\tCPU µs/req\tMiB\t")
	for _, at := range t.scenarios() {
		base := t[at]["echo"]
		for _, c := range f.contenders {
			s := t[at][c.name]
			n := float64(len(s.waits))
			_, _ = fmt.Fprintf(w, "%s\t%d\t%s\t%.0f\t%s\t%.2f\t%s\t%.2f\t%s\t%.2f\t%.2f\t%.1f\t%.0f\t\n", at.kind, at.callers, c.name,
				median(s.rates), s.share(base),
				s.quantile(0.5), ratio(s.quantile(0.5), base, func(b *score) float64 { return b.quantile(0.5) }),
				s.quantile(0.99), ratio(s.quantile(0.99), base, func(b *score) float64 { return b.quantile(0.99) }),
				float64(s.sent)/n, float64(s.ran)/n, float64(s.spent.Microseconds())/n, s.memory)
		}
	}
	return w.Flush()
}

// share is the median, over the rounds, of what it did beside the echo in the same
// round: what disturbs the machine for longer than a round disturbs both.
func (s *score) share(base *score) string {
	if base == nil {
		return "-"
	}
	shares := make([]float64, len(s.rates))
	for i, rate := range s.rates {
		shares[i] = rate / base.rates[i]
	}
	return fmt.Sprintf("%.2f", median(shares))
}

func ratio(of float64, base *score, measure func(*score) float64) string {
	if base == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f", of/measure(base))
}

func (t table) scenarios() []scenario {
	var all []scenario
	for at := range t {
		all = append(all, at)
	}
	order := map[string]int{unique: 0, hot: 1, over: 2}
	slices.SortFunc(all, func(a, b scenario) int {
		if a.kind != b.kind {
			return order[a.kind] - order[b.kind]
		}
		return a.callers - b.callers
	})
	return all
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// quantile is in milliseconds.
func (s *score) quantile(q float64) float64 {
	slices.Sort(s.waits)
	return float64(s.waits[min(len(s.waits)-1, int(q*float64(len(s.waits))))].Microseconds()) / 1000
}
