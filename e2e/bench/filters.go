package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gatehouse/e2e/pack"
	filterheaders "gatehouse/filter/headers"
	filterpolicy "gatehouse/filter/policy"
)

// rustFilter is where `make bench-filter` leaves the plain filter, if there is a
// Rust compiler for WebAssembly on the machine.
const rustFilter = ".tools/rust-filter.wasm"

// startFilters starts those that do the same job without Check: the whole strict
// preset, as it is over plain HTTP, and CORS for one origin with credentials.
func startFilters(t pack.TB) []*contender {
	set, remove := strict(t)
	contenders := []*contender{
		start(t, setup{Name: "plain Envoy"}, ""),
		start(t, setup{Name: "Envoy's own cors and headers", Own: true, Headers: set, Remove: remove}, ""),
		start(t, setup{Name: "Gatehouse's filter", Filter: true, FilterConfig: strictConfig(t, true)}, ""),
		start(t, setup{Name: "the same, policy by metadata, all verdicts", Filter: true, FilterConfig: strictConfig(t, false)}, ""),
	}
	module := filepath.Join(pack.Root(t), rustFilter)
	if _, err := os.Stat(module); err != nil {
		fmt.Fprintln(os.Stderr, "no plain Rust filter: make bench-filter builds it where there is a Rust compiler for WebAssembly")
		return contenders
	}
	return append(contenders, start(t, setup{Name: "a plain Rust filter", Filter: true, Wasm: module, FilterConfig: lines(set)}, ""))
}

// strict is what the preset sets and removes where there is no TLS; Vary is part
// of CORS.
func strict(t pack.TB) (set map[string]string, remove []string) {
	p, err := filterheaders.Compile(filterheaders.Config{Preset: "strict"})
	if err != nil {
		t.Fatal(err)
	}
	set = map[string]string{"vary": "Origin"}
	for _, h := range p.Headers() {
		if !h.TLSOnly {
			set[h.Name] = h.Value
		}
	}
	return set, p.Removed()
}

// lines is the configuration of the Rust filter: a header in each line.
func lines(set map[string]string) string {
	var b strings.Builder
	for name, value := range set {
		b.WriteString(name + ": " + value + "\n")
	}
	return fmt.Sprintf("%q", b.String())
}

// strictConfig is this filter's. lean says that no metadata names a policy and
// that the log wants to hear of decisions only.
func strictConfig(t pack.TB, lean bool) string {
	c := strictPolicy("bench")
	if lean {
		c.IgnoreMetadata, c.Verdicts = true, filterpolicy.VerdictsDecisions
	}
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
