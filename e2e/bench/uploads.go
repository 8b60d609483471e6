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

	over map[string]*measured // by the name of a way in
}

// measured is what came of a workload on one way in, a figure for each round.
type measured struct {
	plain, filtered []float64 // bytes/s
	cpu             []float64 // of Envoy, a byte, against plain Envoy in the same round
	reader          []float64 // bytes/s against plain Envoy in the same round
}

// wayIn is how uploads come to Envoy, with the four that take them.
type wayIn struct {
	name                           string
	plain, filtered, typed, reader *contender
}

// readerModule reads and does not judge: no module that judges can cost less.
const readerModule = "bin/reader.wasm"

// The ways in: HTTP/1.1, the same in TLS, and what browsers speak with a listener that
// control renders; waysAll stands for the three.
const (
	wayPlain    = "plain"
	wayTLS      = "tls"
	wayDeployed = "deployed"
	waysAll     = "all"
)

// wayOf is what the contenders of a way in have in common.
func wayOf(name, upstreamPort string) setup {
	return setup{UpstreamPort: upstreamPort, TLS: name != wayPlain, Edge: name == wayDeployed}
}

// startOn starts a contender of a way in.
func startOn(t pack.TB, name, upstreamPort string, change func(*setup)) *contender {
	s := wayOf(name, upstreamPort)
	change(&s)
	c := start(t, s, "")
	c.sends = sendUploads
	if name == wayDeployed {
		c.sends = sendUploadsHTTP2
	}
	return c
}

// startWays starts the contenders of the ways in that are asked for.
func startWays(t pack.TB, asked, upstreamPort string) (ways []wayIn) {
	for _, name := range []string{wayPlain, wayTLS, wayDeployed} {
		if asked != waysAll && asked != name {
			continue
		}
		filtered := func(called, media string) *contender {
			return startOn(t, name, upstreamPort, func(s *setup) { s.Name, s.Filter, s.FilterConfig = called, true, uploadsConfig(t, name, media) })
		}
		ways = append(ways, wayIn{
			name:     name,
			plain:    startOn(t, name, upstreamPort, func(s *setup) { s.Name = "plain Envoy" }),
			filtered: filtered("Gatehouse's filter", upload.MediaContent),
			typed:    filtered("Gatehouse's filter, media: type", upload.MediaType),
			reader: startOn(t, name, upstreamPort, func(s *setup) {
				s.Name, s.Filter, s.Wasm, s.FilterConfig = "a module that only reads", true, absolute(t, readerModule), `""`
			}),
		})
	}
	if len(ways) == 0 {
		t.Fatalf("-front %q is not %s, %s, %s or %s", asked, wayPlain, wayTLS, wayDeployed, waysAll)
	}
	return ways
}

// benchUploads sends each kind of upload through an Envoy without and one with the
// filter, to an upstream that reads and forgets, by each way in. It prints the ratios of bytes a second, and of Envoy's own CPU time, which
// does not depend on who else wants the machine.
func benchUploads(t pack.TB, rounds int, turn time.Duration, connections int, only, asked string) {
	_, port, _ := strings.Cut(startDrain(t), ":")
	ways := startWays(t, asked, port)
	loads := workloads(t)
	loads = slices.DeleteFunc(loads, func(w *workload) bool { return only != "" && !strings.Contains(w.name, only) })
	for _, w := range loads {
		w.over = map[string]*measured{}
		for _, way := range ways {
			w.over[way.name] = &measured{}
			for _, c := range []*contender{way.plain, way.tested(w), way.reader} {
				c.uploads(t, w.body, warmUpTime, connections)
			}
		}
		for range rounds {
			for _, way := range ways {
				plain, filtered := way.plain.uploads(t, w.body, turn, connections), way.tested(w).uploads(t, w.body, turn, connections)
				w.over[way.name].add(plain, filtered, way.reader.uploads(t, w.body, turn, connections))
			}
		}
		fmt.Fprintf(os.Stderr, "%s\n", w.name)
	}
	reportUploads(t, ways, loads)
}

func (i wayIn) tested(w *workload) *contender {
	if w.typed {
		return i.typed
	}
	return i.filtered
}

func (m *measured) add(plain, filtered, reader speed) {
	m.plain, m.filtered = append(m.plain, plain.perSecond), append(m.filtered, filtered.perSecond)
	m.cpu = append(m.cpu, filtered.perCPU/plain.perCPU)
	m.reader = append(m.reader, reader.perSecond/plain.perSecond)
}

func (m *measured) ratio() float64 {
	ratios := make([]float64, len(m.plain))
	for i := range ratios {
		ratios[i] = m.filtered[i] / m.plain[i]
	}
	return median(ratios)
}

func reportUploads(t pack.TB, ways []wayIn, loads []*workload) {
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "upload\t")
	for _, way := range ways {
		over := map[string]string{wayPlain: "", wayTLS: "TLS: ", wayDeployed: "deployed: "}[way.name]
		fmt.Fprintf(w, "%[1]splain (MB/s)\t%[1]sfilter (MB/s)\t%[1]sunpacked (MB/s)\t%[1]sratio\t%[1]sby CPU\t%[1]sreader\t", over)
	}
	fmt.Fprintln(w, "promised\t")
	for _, l := range loads {
		fmt.Fprintf(w, "%s\t", l.name)
		for _, way := range ways {
			m := l.over[way.name]
			filtered := median(m.filtered) / 1e6
			unpacked := filtered * float64(l.body.inspected()) / float64(l.body.size())
			fmt.Fprintf(w, "%.0f\t%.0f\t%.0f\t%.2f\t%.2f\t%.2f\t", median(m.plain)/1e6, filtered, unpacked, m.ratio(), median(m.cpu), median(m.reader))
		}
		promised := ""
		if l.target > 0 {
			promised = fmt.Sprintf("%.2f", l.target)
		}
		fmt.Fprintf(w, "%s\t\n", promised)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	fmt.Println("\nratio: median over the rounds of bytes/s against plain Envoy in the same round; by CPU: the same of bytes for a second of Envoy's CPU time; unpacked: what the filter has looked at, where more is packed than is sent; reader: the ratio of a module that reads all and judges nothing. " +
		"HTTP/1.1, the same in TLS 1.3, and as deployed: HTTP/2 in TLS 1.3, with the windows and buffers that control renders; one Envoy worker each.")
}

func uploadsConfig(t pack.TB, way, media string) string {
	c := filterpolicy.Config{
		Version: "bench", DefaultPolicy: "base", IgnoreMetadata: true, Verdicts: filterpolicy.VerdictsDecisions, HoldRequestHeaders: true,
		Policies: map[string]filterpolicy.Policy{"base": {Uploads: &filterpolicy.Uploads{}}},
	}
	if way == wayDeployed {
		c.GatherBody = 128 << 10 // as control renders it
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
			n, err := c.sends(c.front, b, deadline)
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
