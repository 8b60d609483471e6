package main

import (
	"bufio"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/net/http2/hpack"

	"gatehouse/e2e/pack"
)

// The ratios that are promised, in requests/s.
const (
	ofRust = 1.0
	ofOwn  = 0.80
)

const (
	partEnvoy = "Envoy"
	partLoad  = "load"
)

func (s *scene) report(t pack.TB) {
	plain := s.contenders[0]
	fmt.Printf("\n%s\n\n", s.name)
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "contender\trequests/s\tratio\tCPU (µs)\tabove plain\tload (µs)\tp50\tp99\tmemory (MiB)\t")
	for _, c := range s.contenders {
		fmt.Fprintf(w, "%s\t%.0f\t%.2f\t%.1f\t%.1f\t%.1f\t%v\t%v\t%.0f\t\n", c.name, c.perSecond(), c.ratioTo(plain),
			c.cost(partEnvoy), c.cost(partEnvoy)-plain.cost(partEnvoy), c.cost(partLoad),
			c.quantile(0.50), c.quantile(0.99), float64(c.memory(t).Resident)/(1<<20))
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	promise(s.ours, s.rust, "the plain Rust filter", ofRust)
	if s.fixed {
		fmt.Printf("Gatehouse's filter to fixed lines of Envoy's own, which does no CORS of direct responses: %.2f in requests/s (nothing promised), %.2f in CPU\n",
			s.ours.ratioTo(s.own), s.own.cost(partEnvoy)/s.ours.cost(partEnvoy))
		return
	}
	promise(s.ours, s.own, "Envoy's own filters", ofOwn)
}

func promise(ours, other *contender, name string, target float64) {
	if ours == nil || other == nil {
		return
	}
	ratio, met := ours.ratioTo(other), "met"
	if ratio < target {
		met = "missed"
	}
	fmt.Printf("Gatehouse's filter to %s: %.2f in requests/s (promised %.2f: %s), %.2f in CPU\n",
		name, ratio, target, met, other.cost(partEnvoy)/ours.cost(partEnvoy))
}

// assertSame asks each contender once. All but plain Envoy must give the same answer,
// and send the same on: else they would not be doing the same job.
func (s *scene) assertSame(t pack.TB) {
	s.assertAlike(t, s.browser)
	if s.upstream != nil {
		s.assertAlike(t, probeRequest())
	}
}

func (s *scene) assertAlike(t pack.TB, browser []hpack.HeaderField) {
	want := s.seen(t, s.ours, browser)
	for _, c := range s.contenders[1:] {
		if got := s.seen(t, c, browser); !maps.Equal(got, want) {
			t.Fatalf("%s gives another answer, or sends something else on:\n%s\nand %s:\n%s", c.name, listed(got), s.ours.name, listed(want))
		}
	}
}

// seen is the answer to a request, with what of it the upstream has kept.
func (s *scene) seen(t pack.TB, c *contender, browser []hpack.HeaderField) map[string]string {
	all := c.answer(t, browser)
	if s.upstream != nil {
		all["(the upstream)"] = strings.Join(s.upstream.probed(), "\n    ")
	}
	return all
}

func listed(answer map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(answer)) {
		fmt.Fprintf(&b, "  %s: %s\n", name, answer[name])
	}
	return b.String()
}

// answer is a contender's answer, the lines of a name joined (RFC 9110 section 5.3);
// what is another each time is empty.
func (c *contender) answer(t pack.TB, browser []hpack.HeaderField) map[string]string {
	answer := map[string]string{}
	add := func(name, value string) {
		if before, ok := answer[name]; ok {
			value = before + ", " + value
		}
		answer[name] = value
	}
	deadline := time.Now().Add(dialWithin)
	if browser != nil {
		fields, body, err := ask(c.front, browser, deadline)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		for _, f := range fields {
			add(f.Name, f.Value)
		}
		add("(the body)", body)
	} else {
		c.answerHTTP1(t, deadline, add)
	}
	answer["vary"] = strings.ReplaceAll(answer["vary"], ", ", ",") // Envoy joins lines without the space
	for _, changing := range []string{"date", "x-request-id"} {
		if _, ok := answer[changing]; ok {
			answer[changing] = ""
		}
	}
	return answer
}

func (c *contender) answerHTTP1(t pack.TB, deadline time.Time, add func(name, value string)) {
	conn, err := c.dial(deadline, 0, overHTTP1)
	if err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	defer conn.Close()
	if _, err := conn.Write(c.upcoming()); err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	defer func() { _ = response.Body.Close() }()
	for name, lines := range response.Header {
		add(strings.ToLower(name), strings.Join(lines, ", "))
	}
	add("(the status)", response.Status)
}
