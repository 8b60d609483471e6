package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"text/tabwriter"
	"time"

	"gatehouse/e2e/pack"
)

// cost puts modules beside plain Envoy and Envoy's own filters, and prints what a
// request costs in processor time, which depends less than requests/s on who
// else uses the machine. A module's configuration is the strict preset with CORS,
// that of the plain Rust filter for a file of its name, or what stands in
// MODULE.config beside it.
func cost(t pack.TB, modules []string, rounds int, turn time.Duration, connections int) {
	set, remove := strict(t)
	contenders := []*contender{
		start(t, setup{Name: "plain Envoy"}, ""),
		start(t, setup{Name: "Envoy's own cors and headers", Own: true, Headers: set, Remove: remove}, ""),
	}
	for _, name := range modules {
		module, err := filepath.Abs(name) // Envoy works in a folder of its own
		if err != nil {
			t.Fatal(err)
		}
		config := strictConfig(t, true)
		if filepath.Base(module) == filepath.Base(rustFilter) {
			config = lines(set)
		}
		if text, err := os.ReadFile(module + ".config"); err == nil { // #nosec G304 -- the caller's own
			config = strconv.Quote(string(text))
		}
		contenders = append(contenders, start(t, setup{Name: filepath.Base(module), Filter: true, Wasm: module, FilterConfig: config}, ""))
	}
	for _, c := range contenders {
		c.warmUp(t, connections)
	}
	took := make([][]float64, len(contenders))
	for range rounds {
		for i, c := range contenders {
			before, had := cpuTime(t, c.envoy.Pid()), len(c.latencies)
			c.turn(t, turn, connections)
			spent := cpuTime(t, c.envoy.Pid()) - before
			took[i] = append(took[i], float64(spent.Nanoseconds())/1000/float64(len(c.latencies)-had))
		}
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "contender\tCPU µs a request\tabove plain\trequests/s\tratio\t")
	for i, c := range contenders {
		fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%.0f\t%.2f\t\n", c.name, pack.LowerQuartile(took[i]), pack.LowerQuartile(took[i])-pack.LowerQuartile(took[0]), c.perSecond(), c.ratioTo(contenders[0]))
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	fmt.Println("\nprocessor time of the Envoy process, the lower quartile over the rounds; one worker each.")
}

func cpuTime(t pack.TB, pid int) time.Duration {
	used, err := pack.CPUTime(pid)
	if err != nil {
		t.Fatal(err)
	}
	return used
}
