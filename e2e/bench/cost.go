package main

import (
	"os"
	"path/filepath"
	"strconv"
	"time"

	"gatehouse/e2e/pack"
)

// The scenes that modules can be put into.
const (
	sceneBare     = "bare"
	scenePlain    = "plain"
	sceneDeployed = "deployed"
)

// cost puts modules beside plain Envoy and Envoy's own filters in one scene, for
// what a request costs in processor time, which depends less than requests/s on who
// else uses the machine. A module's configuration is the strict preset with CORS,
// that of the plain Rust filter for a file of its name, or what stands in
// MODULE.config beside it.
func cost(t pack.TB, where string, modules []string, rounds int, turn time.Duration, connections int) {
	var s *scene
	switch where {
	case sceneBare:
		s = bareScene(t)
	case scenePlain:
		s = plainScene(t)
	case sceneDeployed:
		s = deployedScene(t)
	default:
		t.Fatalf("-scene %q is not %s, %s or %s", where, sceneBare, scenePlain, sceneDeployed)
	}
	s.without(t)
	for _, name := range modules {
		module := absolute(t, name)
		config := strictConfig(t, true)
		if filepath.Base(module) == filepath.Base(rustFilter) {
			config = s.lines(t)
		}
		if text, err := os.ReadFile(module + ".config"); err == nil { // #nosec G304 -- the caller's own
			config = strconv.Quote(string(text))
		}
		s.with(t, filepath.Base(module), func(e *setup) { e.Filter, e.Wasm, e.FilterConfig = true, module, config })
	}
	interleave(t, s.contenders, rounds, turn, connections)
	s.report(t)
}

func cpuTime(t pack.TB, pid int) time.Duration {
	used, err := pack.CPUTime(pid)
	if err != nil {
		t.Fatal(err)
	}
	return used
}
