package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"gatehouse/e2e/pack"
	filterpolicy "gatehouse/filter/policy"
	"gatehouse/filter/upload"
)

// workload is one kind of upload, which each contender gets in turns.
type workload struct {
	name   string
	target float64 // the ratio that is promised; 0: none is
	typed  bool    // the policy says media: type
	body   body

	plain, filtered []float64 // bytes/s, a figure for each round
	cpu             []float64 // of Envoy, a byte, against plain Envoy in the same round
}

// benchUploads sends each kind of upload through an Envoy without and one with the
// filter, to an upstream that reads and forgets. It prints the ratios of bytes a
// second, and of Envoy's own CPU time, which does not depend on who else wants the
// machine.
func benchUploads(t pack.TB, rounds int, turn time.Duration, connections int, only string) {
	sink := startDrain(t)
	_, port, _ := strings.Cut(sink, ":")
	plain := start(t, setup{Name: "plain Envoy", UpstreamPort: port}, "")
	filtered := start(t, setup{Name: "Gatehouse's filter", Filter: true, FilterConfig: uploadsConfig(t, upload.MediaContent), UpstreamPort: port}, "")
	typed := start(t, setup{Name: "Gatehouse's filter, media: type", Filter: true, FilterConfig: uploadsConfig(t, upload.MediaType), UpstreamPort: port}, "")
	loads := workloads(t)
	loads = slices.DeleteFunc(loads, func(w *workload) bool { return only != "" && !strings.Contains(w.name, only) })
	for _, w := range loads {
		tested := filtered
		if w.typed {
			tested = typed
		}
		for _, c := range []*contender{plain, tested} {
			c.uploads(t, w.body, warmUpTime, connections)
		}
		for range rounds {
			before := plain.uploads(t, w.body, turn, connections)
			after := tested.uploads(t, w.body, turn, connections)
			w.plain, w.filtered = append(w.plain, before.perSecond), append(w.filtered, after.perSecond)
			w.cpu = append(w.cpu, after.perCPU/before.perCPU)
		}
		fmt.Fprintf(os.Stderr, "%s\n", w.name)
	}
	reportUploads(t, loads)
}

func reportUploads(t pack.TB, loads []*workload) {
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "upload\tplain (MB/s)\tfilter (MB/s)\tunpacked (MB/s)\tratio\tby CPU\tpromised\t")
	for _, l := range loads {
		ratios := make([]float64, len(l.plain))
		for i := range ratios {
			ratios[i] = l.filtered[i] / l.plain[i]
		}
		promised := ""
		if l.target > 0 {
			promised = fmt.Sprintf("%.2f", l.target)
		}
		filtered := median(l.filtered) / 1e6
		unpacked := filtered * float64(l.body.inspected()) / float64(l.body.size())
		fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%.0f\t%.2f\t%.2f\t%s\t\n", l.name, median(l.plain)/1e6, filtered, unpacked, median(ratios), median(l.cpu), promised)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	fmt.Println("\nratio: median over the rounds of bytes/s against plain Envoy in the same round; by CPU: the same of bytes for a second of Envoy's CPU time; unpacked: what the filter has looked at, where more is packed than is sent. One Envoy worker each.")
}

func uploadsConfig(t pack.TB, media string) string {
	c := filterpolicy.Config{
		Version: "bench", DefaultPolicy: "base", IgnoreMetadata: true, Verdicts: filterpolicy.VerdictsDecisions, HoldRequestHeaders: true,
		Policies: map[string]filterpolicy.Policy{"base": {Uploads: &filterpolicy.Uploads{}}},
	}
	u := c.Policies["base"].Uploads
	u.Allow, u.MaxFileSize, u.MaxRequestSize, u.Media = upload.KnownGroups(), 1<<30, 1<<30, media
	return fmt.Sprintf("%q", marshal(t, c))
}

// speed is bytes a second, and for a second of Envoy's CPU time.
type speed struct{ perSecond, perCPU float64 }

// uploads keeps each connection busy with one upload at a time.
func (c *contender) uploads(t pack.TB, b body, length time.Duration, connections int) speed {
	began, used := time.Now(), cpuTime(t, c.envoy.Pid())
	deadline := began.Add(length)
	type result struct {
		sent int64
		err  error
	}
	results := make(chan result, connections)
	for range connections {
		go func() {
			n, err := sendUploads(c.addr, b, deadline)
			results <- result{n, err}
		}()
	}
	var sent int64
	for range connections {
		r := <-results
		if r.err != nil {
			t.Fatalf("%s: %v", c.name, r.err)
		}
		sent += r.sent
	}
	return speed{float64(sent) / time.Since(began).Seconds(), float64(sent) / (cpuTime(t, c.envoy.Pid()) - used).Seconds()}
}
