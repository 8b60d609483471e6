// Command benchlimit puts Gatehouse's RateLimitService beside envoyproxy/ratelimit
// and beside an echo, a server of the same gRPC service that says yes at once: the
// most that any such service could do here. It prints requests a second as a share
// of the echo's, p50 and p99 as multiples of the echo's, how many commands Redis was
// sent for a request and how many it ran, the processor time that the server itself
// takes for one, and the memory of each, at 1, 16 and 64
// callers, for keys of which each is new, for one hot key and for a key over its
// limit.
//
// All servers run at the same time and take turns in short rounds, so that whatever
// else the machine does hits each. Every caller waits for one answer before it asks
// again, over one HTTP/2 connection for every 32 callers, as Envoy's workers do.
//
// It builds envoyproxy/ratelimit from the Go module proxy, in a folder of its own,
// and runs it with its statistics off; "peer+cache" is the same with its local cache.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"
)

type settings struct {
	rounds  int
	turn    time.Duration
	callers []int
	peer    string
	only    string
	newest  bool
}

func main() {
	var s settings
	serve := flag.String("serve", "", "be a contender: echo or ours")
	listen := flag.String("listen", "127.0.0.1:0", "with -serve: the address")
	config := flag.String("config", "", "with -serve ours: the folder of the limits")
	redis := flag.String("redis", "", "with -serve ours: Redis's URL")
	profile := flag.String("profile", "", "with -serve: file for a CPU profile")
	flag.IntVar(&s.rounds, "rounds", 5, "rounds in which each contender gets its turn")
	flag.DurationVar(&s.turn, "turn", 300*time.Millisecond, "length of one turn")
	flag.StringVar(&s.peer, "peer", "", "a built envoyproxy/ratelimit (default: build it)")
	flag.StringVar(&s.only, "only", "", "names of the contenders, with commas between (default: all)")
	conforming := flag.Bool("conformance", false, "run the conformance table against envoyproxy/ratelimit instead")
	flag.BoolVar(&s.newest, "newest", false, "with -conformance and -peer: the peer is of July 2026 or later")
	callers := flag.String("callers", "1,16,64", "numbers of callers")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch {
	case *serve != "":
		err = be(ctx, *serve, *listen, *config, *redis, *profile)
	case *conforming:
		err = conform(ctx, s)
	default:
		if s.callers, err = numbers(*callers); err == nil {
			err = run(ctx, s)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchlimit:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

func numbers(text string) ([]int, error) {
	var all []int
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(part)
		if err == nil && (n < 1 || n > 1024) {
			err = errors.New("write 1 to 1024")
		}
		if err != nil {
			return nil, fmt.Errorf("-callers %q: %w", text, err)
		}
		all = append(all, n)
	}
	return all, nil
}

func run(ctx context.Context, s settings) (err error) {
	dir, err := os.MkdirTemp("", "gatehouse-benchlimit-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	field, err := assemble(ctx, s, dir)
	defer func() { err = errors.Join(err, field.stop()) }()
	if err != nil {
		return err
	}
	table, err := compare(ctx, s, field)
	if err != nil {
		return err
	}
	return table.print(os.Stdout, field)
}
