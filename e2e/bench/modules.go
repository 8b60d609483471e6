package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"gatehouse/e2e/pack"
	"gatehouse/filter/upload"
)

// benchUploadModules puts modules beside each other and beside plain Envoy, one Envoy
// each, in turns: whether a change has gained anything, the least and the lower quartile
// of Envoy's CPU time for an upload tell sooner than ratios of bytes a second do.
func benchUploadModules(t pack.TB, modules []string, rounds int, turn time.Duration, connections int, only, asked string) {
	_, port, _ := strings.Cut(startDrain(t), ":")
	contenders := []*contender{startOn(t, asked, port, func(s *setup) { s.Name = "plain Envoy" })}
	for _, media := range []string{upload.MediaContent, upload.MediaType} {
		for _, name := range modules {
			contenders = append(contenders, startOn(t, asked, port, func(s *setup) {
				s.Name, s.Filter, s.Wasm, s.FilterConfig = filepath.Base(name), true, absolute(t, name), uploadsConfig(t, asked, media)
			}))
		}
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(out, "µs of CPU for an upload: least, lower quartile (ratio by them); ratio by bytes/s\tplain Envoy\t")
	for _, name := range modules {
		fmt.Fprintf(out, "%s\t", filepath.Base(name))
	}
	fmt.Fprintln(out)
	for _, w := range workloads(t) {
		if !strings.Contains(w.name, only) {
			continue
		}
		tested := contenders[1 : 1+len(modules)]
		if w.typed {
			tested = contenders[1+len(modules):]
		}
		compareModules(t, out, w, append(contenders[:1:1], tested...), rounds, turn, connections)
	}
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
}

// absolute is the path of a module for Envoy, which works in a folder of its own.
func absolute(t pack.TB, name string) string {
	path, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func compareModules(t pack.TB, out *tabwriter.Writer, w *workload, contenders []*contender, rounds int, turn time.Duration, connections int) {
	spent, rates := make([][]float64, len(contenders)), make([][]float64, len(contenders))
	for _, c := range contenders {
		c.uploads(t, w.body, warmUpTime, connections)
	}
	for round := range rounds {
		for i := range contenders { // each has each neighbour
			i = (i + round) % len(contenders)
			s := contenders[i].uploads(t, w.body, turn, connections)
			spent[i] = append(spent[i], float64(w.body.size())/s.perCPU*1e6)
			rates[i] = append(rates[i], s.perSecond)
		}
	}
	fmt.Fprintf(os.Stderr, "%s\n", w.name)
	fmt.Fprintf(out, "%s\t", w.name)
	least, low := slices.Min(spent[0]), pack.LowerQuartile(spent[0])
	for i := range contenders {
		var ratios []float64
		for round := range rounds {
			ratios = append(ratios, rates[i][round]/rates[0][round])
		}
		a, b := slices.Min(spent[i]), pack.LowerQuartile(spent[i])
		fmt.Fprintf(out, "%.1f %.1f (%.2f %.2f) %.2f\t", a, b, least/a, low/b, median(ratios))
	}
	fmt.Fprintln(out)
}
