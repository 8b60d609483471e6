package envoy

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	authzpolicy "gatehouse/authz/policy"
	"gatehouse/control/policy"
	"gatehouse/control/render"
	filterpolicy "gatehouse/filter/policy"
)

const moduleInFiles = "bin/gatehouse.wasm"

// envoyBinary is $GATEHOUSE_ENVOY, else what make tools installs.
func envoyBinary(t *testing.T) string {
	t.Helper()
	return needed(t, "GATEHOUSE_ENVOY", "../.tools/envoy/bin/envoy", "make tools")
}

// module is $GATEHOUSE_WASM, else what make build leaves.
func module(t *testing.T) string {
	t.Helper()
	return needed(t, "GATEHOUSE_WASM", "../bin/gatehouse.wasm", "make build")
}

func needed(t *testing.T, variable, usual, fix string) string {
	t.Helper()
	path := usual
	if set := os.Getenv(variable); set != "" {
		path = set
	}
	path, err := filepath.Abs(path)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("%s is missing (%v): run %s, or set %s", usual, err, fix, variable)
	}
	return path
}

// configurations are the files that Envoy can be started with.
func configurations(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("found %v (%v)", files, err)
	}
	return files
}

func text(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// validate has Envoy read a configuration as it would to start.
func validate(t *testing.T, config string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "envoy.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, envoyBinary(t), "--mode", "validate", "--log-level", "error",
		"--use-dynamic-base-id", "--config-path", file).CombinedOutput()
	if err != nil {
		t.Errorf("envoy refuses it: %v\n%s", err, out)
	}
}

func TestEnvoyAcceptsTheFilesThatPeopleCopy(t *testing.T) {
	t.Parallel()
	for _, file := range configurations(t) {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			config := text(t, file)
			if strings.Contains(config, moduleInFiles) {
				config = strings.ReplaceAll(config, moduleInFiles, module(t))
			}
			validate(t, config)
		})
	}
}

func TestEnvoyAcceptsWhatIsRendered(t *testing.T) {
	t.Parallel()
	c, err := policy.Load("gatehouse.yaml", []byte(`version: 1
envoy: {listen: 127.0.0.1:8080}
upstreams:
  app: {url: "http://127.0.0.1:9000"}
  named: {url: "http://app.internal:9000"}
policies:
  base:
    headers: {preset: strict}
    cors: {allow_origins: ["https://app.example.com"], allow_credentials: true}
    session: required
    limits: [{name: api_calls, by: [ip], rate: 100/60s}]
  upload: {extends: base, uploads: {allow: [pdf, png], max_file_size: 20MiB}}
routes:
  - {path_prefix: /public, hosts: [app.example.com, "*.example.com"], upstream: app, policy: base, session: none}
  - {path: /upload, methods: [POST, PUT], upstream: named, policy: upload}
`))
	if err != nil {
		t.Fatal(err)
	}
	config, err := render.Envoy(c, render.Options{WasmPath: module(t), AuthzAddress: "127.0.0.1:9001", AdminListen: "127.0.0.1:9901"})
	if err != nil {
		t.Fatal(err)
	}
	validate(t, string(config))
}

// find calls see for each mapping in a document.
func find(v any, see func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		see(v)
		for _, child := range v {
			find(child, see)
		}
	case []any:
		for _, child := range v {
			find(child, see)
		}
	}
}

func document(t *testing.T, file string) any {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text(t, file)))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	var root any
	if err := json.Unmarshal(data, &root); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return root
}

// Envoy's validation does not run the filter, so its policy is judged here.
func TestTheFilterAcceptsItsPolicyAndRoutesNameWhatExists(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"static.yaml", "per_route.yaml"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			var set *filterpolicy.Set
			var names, checked []string
			find(document(t, file), func(m map[string]any) {
				if m["@type"] == "type.googleapis.com/google.protobuf.StringValue" {
					var err error
					value, _ := m["value"].(string)
					if set, err = filterpolicy.Parse([]byte(value)); err != nil {
						t.Errorf("the filter refuses its policy: %v", err)
					}
				}
				if g, ok := m["gatehouse"].(map[string]any); ok {
					if name, ok := g["policy"].(string); ok {
						names = append(names, name)
					}
				}
				if e, ok := m["context_extensions"].(map[string]any); ok {
					name, _ := e["policy"].(string)
					checked = append(checked, name)
				}
			})
			if set == nil || len(names) < 2 {
				t.Fatalf("policy %v, names %v", set, names)
			}
			for _, name := range names {
				if _, ok := set.Lookup(name); !ok {
					t.Errorf("a route names policy %q, which the filter has not", name)
				}
			}
			if len(checked) == 0 {
				return
			}
			authz, err := authzpolicy.Parse([]byte(text(t, "authz.json")))
			if err != nil {
				t.Fatalf("authz refuses authz.json: %v", err)
			}
			if authz.Version() != set.Version() {
				t.Errorf("versions %s and %s", authz.Version(), set.Version())
			}
			for _, name := range checked {
				if _, ok := authz.Lookup(name); !ok {
					t.Errorf("a route names policy %q, which authz has not", name)
				}
			}
		})
	}
}

var failOpen = regexp.MustCompile(`(?m)^\s*(failure_policy: FAIL_OPEN|failure_mode_allow: true|failure_mode_deny: false)`)

func TestNothingFailsOpenAndTheAdminInterfaceStaysAtHome(t *testing.T) {
	t.Parallel()
	for _, file := range configurations(t) {
		if found := failOpen.FindString(text(t, file)); found != "" {
			t.Errorf("%s: %s", file, found)
		}
		root, _ := document(t, file).(map[string]any)
		find(root["admin"], func(m map[string]any) {
			if address, ok := m["address"].(string); ok && address != "127.0.0.1" {
				t.Errorf("%s: the admin interface is at %s", file, address)
			}
		})
	}
}
