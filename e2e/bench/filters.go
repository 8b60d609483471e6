package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http2/hpack"

	"gatehouse/e2e/pack"
	"gatehouse/filter/cors"
	filterheaders "gatehouse/filter/headers"
	filterpolicy "gatehouse/filter/policy"
)

// rustFilter is where `make bench-filter` leaves the plain filter, if there is a
// Rust compiler for WebAssembly on the machine.
const rustFilter = ".tools/rust-filter.wasm"

// scene is a way for a request to go through the filters, with those that take it.
type scene struct {
	name string
	// base is what all contenders have in common, and browser what they are sent
	// instead of the bare request.
	base    setup
	browser []hpack.HeaderField
	// fixed says that Envoy's own filters are no CORS here: their cors filter leaves direct
	// responses alone, and what it would say of one origin is added to every answer.
	fixed bool
	// upstream is asked what reached it; nil where Envoy answers itself.
	upstream   *application
	contenders []*contender
	// own, ours and rust are those between which ratios are promised; rust is nil
	// where there is no compiler for it.
	own, ours, rust *contender
}

// lots is how many processes of each contender are measured: what memory a process
// happens to get is worth up to 10 µs of a request, for as long as it lives.
const lots = 3

// benchFilters measures filters that do the same job without Check, the whole strict
// preset and CORS for one origin with credentials, in all scenes of one run.
func benchFilters(t pack.TB, rounds int, turn time.Duration, connections int) {
	var scenes []*scene
	for lot := range lots {
		drawn := []*scene{bareScene(t), plainScene(t), deployedScene(t)}
		var all []*contender
		for _, s := range drawn {
			s.filters(t)
			s.assertSame(t)
			all = append(all, s.contenders...)
		}
		fmt.Fprintf(os.Stderr, "processes %d of %d\n", lot+1, lots)
		interleave(t, all, (rounds+lots-1)/lots, turn, connections)
		if scenes == nil {
			scenes = drawn
			continue
		}
		for i, s := range scenes {
			s.absorb(drawn[i])
		}
	}
	for _, s := range scenes {
		s.report(t)
	}
	fmt.Println("\nratio: median over the rounds of requests/s against plain Envoy in the same round; three Envoys of one worker each. CPU: processor time\n" +
		"of the Envoy process for a request, the lower quartile over the rounds; load: that of the clients and, as deployed, of the upstream.")
}

// absorb takes over what was measured of the same contenders in other processes.
func (s *scene) absorb(other *scene) {
	for i, c := range s.contenders {
		o := other.contenders[i]
		c.rounds, c.latencies = append(c.rounds, o.rounds...), append(c.latencies, o.latencies...)
		for part := range c.spent {
			c.spent[part] = append(c.spent[part], o.spent[part]...)
		}
	}
}

// bareScene is nothing but the filter: Envoy answers itself, over plain HTTP/1.1, a
// request of four lines.
func bareScene(pack.TB) *scene {
	return &scene{
		name:  "The filter's cost alone, nothing else done (plain HTTP/1.1, a request of four lines, answered by Envoy itself)",
		fixed: true,
	}
}

// plainScene is the bare one with an upstream, so that Envoy's own cors filter works.
func plainScene(t pack.TB) *scene {
	upstream, port := startApplication(t)
	return &scene{
		name:     "Plain (HTTP/1.1 without TLS, a request of four lines, an upstream's answer)",
		base:     setup{UpstreamPort: port},
		upstream: upstream,
	}
}

// deployedScene is what a browser meets: TLS 1.3, HTTP/2, a browser's own lines, a
// listener as control renders it, and an upstream with an answer of its own.
func deployedScene(t pack.TB) *scene {
	upstream, port := startApplication(t)
	return &scene{
		name:     "As deployed (TLS 1.3 and HTTP/2, Chromium's lines of a fetch with credentials, an upstream's answer)",
		base:     setup{TLS: true, Edge: true, UpstreamPort: port},
		browser:  browserRequest(),
		upstream: upstream,
	}
}

// with starts one more Envoy, which differs from the others in its filters alone.
func (s *scene) with(t pack.TB, name string, change func(*setup)) *contender {
	one := s.base
	one.Name = name
	change(&one)
	c := start(t, one, "")
	c.browser = s.browser
	c.parts = []part{{partEnvoy, c.envoy.Pid()}, {partLoad, os.Getpid()}}
	s.contenders = append(s.contenders, c)
	return c
}

// without starts plain Envoy and the one with its own filters.
func (s *scene) without(t pack.TB) {
	s.with(t, "plain Envoy", func(*setup) {})
	s.own = s.with(t, "Envoy's own cors and headers", func(e *setup) {
		e.Own = true
		e.Headers, e.Remove = strict(t, e.TLS)
		e.Headers["vary"] = "Origin" // Envoy adds a line to the upstream's
		if s.fixed {
			e.Headers["access-control-allow-origin"], e.Headers["access-control-allow-credentials"] = origin, "true"
		}
	})
}

// filters starts those that are compared.
func (s *scene) filters(t pack.TB) {
	s.without(t)
	s.ours = s.with(t, "Gatehouse's filter", func(e *setup) { e.Filter, e.FilterConfig = true, strictConfig(t, true) })
	s.with(t, "the same, policy by the route's metadata", func(e *setup) {
		e.Filter, e.FilterConfig, e.RoutePolicy = true, strictConfig(t, false), "base"
	})
	module := filepath.Join(pack.Root(t), rustFilter)
	if _, err := os.Stat(module); err != nil {
		fmt.Fprintln(os.Stderr, "no plain Rust filter: make bench-filter builds it where there is a Rust compiler for WebAssembly")
		return
	}
	s.rust = s.with(t, "a plain Rust filter", func(e *setup) { e.Filter, e.Wasm, e.FilterConfig = true, module, s.lines(t) })
}

// strict is what the preset sets, with and without TLS, and what it and CORS remove.
func strict(t pack.TB, tls bool) (set map[string]string, remove []string) {
	p, err := filterheaders.Compile(filterheaders.Config{Preset: "strict"})
	if err != nil {
		t.Fatal(err)
	}
	set, remove = map[string]string{}, slices.Concat(p.Removed(), cors.ResponseHeaders().List())
	for _, h := range p.Headers() {
		if tls || !h.TLSOnly {
			set[h.Name] = h.Value
		} else {
			remove = append(remove, h.Name)
		}
	}
	return set, remove
}

// lines is the configuration of the Rust filter: a header in each line, to set or to
// remove.
func (s *scene) lines(t pack.TB) string {
	var b strings.Builder
	set, remove := strict(t, s.base.TLS)
	for _, name := range remove {
		b.WriteString("-" + name + "\n")
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		b.WriteString(name + ": " + set[name] + "\n")
	}
	return fmt.Sprintf("%q", b.String())
}

// strictConfig is this filter's, as control renders it, but that onePolicy says that
// no metadata names a policy.
func strictConfig(t pack.TB, onePolicy bool) string {
	c := strictPolicy("bench")
	c.IgnoreMetadata, c.Verdicts = onePolicy, filterpolicy.VerdictsDecisions
	return fmt.Sprintf("%q", marshal(t, c))
}

func strictPolicy(version string) filterpolicy.Config {
	return filterpolicy.Config{
		Version: version, DefaultPolicy: "base",
		Policies: map[string]filterpolicy.Policy{"base": {
			Headers: &filterpolicy.Headers{Preset: "strict"},
			CORS:    &filterpolicy.CORS{AllowOrigins: []string{origin}, AllowCredentials: true},
		}},
	}
}
