package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"gatehouse/e2e/pack"
	filterpolicy "gatehouse/filter/policy"
)

// What the filter may hold, in MiB: the README says so.
const (
	flatWithin  = 5
	aWorkerMore = 8
)

// holdMemory measures what an Envoy with the filter holds: after the first
// requests, after many, after as many updates of the filter's configuration, and
// what a further worker adds. It fails if that is more than is promised.
func holdMemory(t pack.TB, requests, updates, connections int) {
	dir := t.TempDir()
	file, module := filepath.Join(dir, "filter.yaml"), filepath.Join(dir, "filter.wasm")
	copyFile(t, pack.Wasm(t), module) // a build in the midst would be another module
	writeUpdate(t, file, module, 0)
	c := start(t, setup{Name: "one worker", Dynamic: file}, "")
	sent := c.some(t, requests/10, connections)
	first := resident(t, c)
	for sent < requests {
		sent += c.some(t, requests/10, connections)
		fmt.Fprintf(os.Stderr, "%d requests: %d MiB\n", sent, resident(t, c))
	}
	later, settled := resident(t, c), 0
	for n := 1; n <= updates; n++ {
		writeUpdate(t, file, module, n)
		awaitUpdate(t, c, n)
		c.some(t, 200, connections)
		if n == updates/10 {
			settled = resident(t, c)
		}
		if n%20 == 0 {
			fmt.Fprintf(os.Stderr, "%d updates: %d MiB\n", n, resident(t, c))
		}
	}
	updated := resident(t, c)
	worker := ofAWorker(t, connections)
	fmt.Printf("after %d requests: %d MiB; after %d: %d MiB (%+d)\n", requests/10, first, sent, later, later-first)
	fmt.Printf("after %d updates of the configuration: %d MiB; after %d: %d MiB (%+d)\n", updates/10, settled, updates, updated, updated-settled)
	fmt.Printf("a further worker: %d MiB\n", worker)
	if later-first > flatWithin || updated-settled > flatWithin || worker > aWorkerMore {
		t.Errorf("more than promised: %d MiB over requests and updates, %d MiB a worker", flatWithin, aWorkerMore)
	}
}

// some sends at least n requests and returns how many.
func (c *contender) some(t pack.TB, n, connections int) (sent int) {
	for sent < n {
		sent += len(c.load(t, 100*time.Millisecond, connections))
	}
	return sent
}

func resident(t pack.TB, c *contender) int { return int(c.memory(t).Resident >> 20) }

// ofAWorker is what each of two further workers adds under load.
func ofAWorker(t pack.TB, connections int) int {
	const further = 2
	config := strictConfig(t, true)
	one := start(t, setup{Name: "one worker", Filter: true, FilterConfig: config}, "")
	three := start(t, setup{Name: "three workers", Filter: true, FilterConfig: config, Workers: 1 + further}, "")
	plainOne := start(t, setup{Name: "one worker without it"}, "")
	plainThree := start(t, setup{Name: "three workers without it", Workers: 1 + further}, "")
	for _, c := range []*contender{one, three, plainOne, plainThree} {
		c.some(t, 100_000, 8*connections)
	}
	filter := resident(t, three) - resident(t, one)
	return (filter - (resident(t, plainThree) - resident(t, plainOne))) / further
}

func copyFile(t pack.TB, from, to string) {
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// writeUpdate puts the nth configuration of the filter where Envoy looks for it.
func writeUpdate(t pack.TB, file, module string, n int) {
	c := strictPolicy("update-" + strconv.Itoa(n))
	c.IgnoreMetadata, c.Verdicts = true, filterpolicy.VerdictsDecisions
	text, err := json.Marshal(marshal(t, c))
	if err != nil {
		t.Fatal(err)
	}
	resource := fmt.Sprintf(update, n, text, module)
	if err := os.WriteFile(file+".new", []byte(resource), 0o600); err != nil {
		t.Fatal(err)
	}
	// Envoy looks when a file is moved to its place.
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

const update = `version_info: "%d"
resources:
- "@type": type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig
  name: gatehouse
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
    config:
      name: gatehouse
      root_id: gatehouse
      failure_policy: FAIL_RELOAD
      allow_on_headers_stop_iteration: true
      configuration: {"@type": type.googleapis.com/google.protobuf.StringValue, value: %s}
      vm_config:
        vm_id: gatehouse
        runtime: envoy.wasm.runtime.v8
        code: {local: {filename: %s}}
`

var reloads = regexp.MustCompile(`gatehouse\.config_reload: (\d+)`)

// awaitUpdate waits until Envoy has taken n configurations after the first.
func awaitUpdate(t pack.TB, c *contender, n int) {
	pack.Eventually(t, 60*time.Second, fmt.Sprintf("update %d", n), func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.admin+"/stats?filter=config_reload", nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			return err
		}
		found := reloads.FindSubmatch(text)
		if found == nil {
			return fmt.Errorf("no such counter: %s", text)
		}
		if taken, _ := strconv.Atoi(string(found[1])); taken <= n {
			return fmt.Errorf("%d configurations were taken", taken)
		}
		return nil
	})
}
