// Command bench puts Gatehouse beside what people already have, in one run:
// plain Envoy, Envoy's own cors filter and response headers, this filter alone,
// and this filter with Check (session and limits on Redis). With -what filter it
// is filters alone: Envoy's own, this one, and a plain one in Rust that sets the
// same headers, with nothing around them, with an upstream, and as deployed. With -what check it is ext_authz alone, as control renders it, to a
// server that always says OK and to authz, whose policies ask Redis more or less; and
// what a request takes of each process. With -what memory it is what the filter holds after many requests
// and many updates. With -what uploads it is what an upload of each kind costs,
// through to an upstream that reads and forgets.
//
// Each contender is an Envoy process of its own with one worker; all are up at
// the same time and take turns in short rounds, so that whatever else the
// machine does hits all of them. It prints ratios to plain Envoy, because
// absolute figures tell about the machine. Contenders answer from Envoy
// (direct_response), because a real upstream would hide the cost that is to be shown,
// but where that cost is to be put beside all the rest of a request.
package main

import (
	"flag"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"gatehouse/e2e/pack"
)

func main() {
	rounds := flag.Int("rounds", 5, "rounds in which each contender gets its turn")
	turn := flag.Duration("turn", 2*time.Second, "length of one turn")
	connections := flag.Int("connections", 8, "parallel connections")
	what := flag.String("what", "pack", "pack: the filter and Check; check: ext_authz alone, beside one that always says OK; filter: filters alone, with the whole strict preset; memory: what the filter holds; cost: processor time of a request with the modules named; uploads: bodies through the filter; upload-modules: the same through the modules named; upload-soak: many of them, and what is left")
	only := flag.String("only", "", "uploads: the workloads whose name has this in it")
	asked := flag.String("front", waysAll, "uploads: how they come to Envoy: plain, tls, deployed or all")
	count := flag.Int("uploads", 20_000, "upload-soak: how many uploads")
	where := flag.String("scene", sceneBare, "cost: bare, plain or deployed")
	requests := flag.Int("requests", 2_000_000, "memory: how many requests")
	updates := flag.Int("updates", 200, "memory: how many updates of the configuration")
	listen := flag.String("listen", "", "internal: where to serve-ok")
	flag.Parse()
	if *what == "serve-ok" {
		if err := serveOK(*listen); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}

	r := new(runner)
	status := r.run(func() {
		switch *what {
		case "pack":
			bench(r, startAll(r), *rounds, *turn, *connections)
		case "filter":
			benchFilters(r, *rounds, *turn, *connections)
		case "check":
			contenders := startChecks(r)
			bench(r, contenders, *rounds, *turn, *connections)
			reportCosts(r, contenders)
		case "uploads":
			benchUploads(r, *rounds, *turn, *connections, *only, *asked)
		case "upload-modules":
			benchUploadModules(r, flag.Args(), *rounds, *turn, *connections, *only, *asked)
		case "upload-soak":
			soakUploads(r, *count)
		case "cost":
			cost(r, *where, flag.Args(), *rounds, *turn, *connections)
		case "memory":
			holdMemory(r, *requests, *updates, *connections)
		default:
			r.Fatalf("-what %q is not pack, check, filter, cost, memory, uploads, upload-modules or upload-soak", *what)
		}
	})
	os.Exit(status)
}

func bench(t pack.TB, contenders []*contender, rounds int, turn time.Duration, connections int) {
	interleave(t, contenders, rounds, turn, connections)
	report(t, contenders)
}

// interleave gives each contender its turn in each round.
func interleave(t pack.TB, contenders []*contender, rounds int, turn time.Duration, connections int) {
	for _, c := range contenders {
		c.warmUp(t, connections)
	}
	for round := range rounds {
		for _, c := range contenders {
			c.turn(t, turn, connections)
		}
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, rounds)
	}
}

func report(t pack.TB, contenders []*contender) {
	plain := contenders[0]
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "contender\trequests/s\tratio\tp50\tp99\tmemory (MiB)\t")
	for _, c := range contenders {
		fmt.Fprintf(w, "%s\t%.0f\t%.2f\t%v\t%v\t%.0f\t\n", c.name, c.perSecond(), c.ratioTo(plain),
			c.quantile(0.50), c.quantile(0.99), float64(c.memory(t).Resident)/(1<<20))
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	fmt.Println("\nratio: median over the rounds of requests/s against the first line in the same round; one Envoy worker each.")
}
