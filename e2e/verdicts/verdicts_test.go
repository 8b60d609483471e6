package verdicts

import (
	"testing"

	"gatehouse/e2e/pack"
)

// runner is one way of running the filter.
type runner func(t *testing.T, c Case) Answer

func TestTableOfVerdicts(t *testing.T) {
	config := policyJSON(t)
	runners := []struct {
		name  string
		start func(t *testing.T, config []byte) runner
	}{
		{"net-http", startMiddleware},
		{"wasm", func(t *testing.T, config []byte) runner { return startWasm(t, pack.WasmWithoutGRPC(t), config) }},
		{"wasm-by-go", func(t *testing.T, config []byte) runner { return startWasm(t, pack.WasmByGo(t), config) }},
		{"envoy", startEnvoy},
	}
	for _, r := range runners {
		t.Run(r.name, func(t *testing.T) {
			run := r.start(t, config)
			for _, c := range table() {
				t.Run(c.Name, func(t *testing.T) {
					c := c.complete()
					c.check(t, run(t, c))
				})
			}
		})
	}
}

func TestCasesHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range table() {
		if seen[c.Name] || c.Name == "" {
			t.Errorf("name %q is empty or stands twice", c.Name)
		}
		seen[c.Name] = true
	}
	headers := 0
	for _, c := range append(headerCases(), headerTable()...) {
		headers++
		if c.Cites == "" {
			t.Errorf("%s: cites no standard", c.Name)
		}
	}
	if headers < 120 {
		t.Errorf("only %d cases of headers", headers)
	}
	if len(seen) < 180 {
		t.Errorf("only %d cases", len(seen))
	}
}

func TestTwoHundredCasesOfCORSCiteTheStandard(t *testing.T) {
	cases := corsCases()
	if len(cases) < 200 {
		t.Errorf("%d cases, want 200", len(cases))
	}
	for _, c := range cases {
		if c.Cite == "" {
			t.Errorf("%s: cites nothing", c.Name)
		}
	}
}

func table() []Case {
	var all []Case
	all = append(all, policyCases()...)
	all = append(all, headerCases()...)
	all = append(all, headerTable()...)
	all = append(all, corsCases()...)
	all = append(all, csrfCases()...)
	return append(all, uploadCases()...)
}
