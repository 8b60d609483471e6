package render_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	"github.com/goccy/go-yaml"
	"google.golang.org/protobuf/encoding/protojson"

	"gatehouse/control/policy"
	"gatehouse/control/render"
)

const source = `version: 1
envoy: {listen: 127.0.0.1:8080, trusted_hops: 1}
upstreams: {app: {url: "http://127.0.0.1:9000"}}
policies:
  base: {headers: {preset: strict, set: {X-Odd: "yes: \"no\" # null"}}}
routes:
  - {name: numbers, path: /0123, methods: [GET, PUT], upstream: app, policy: base}
  - {name: rest, path_prefix: /, upstream: app, policy: base, session: required}
`

var options = render.Options{WasmPath: "/usr/lib/gatehouse/gatehouse.wasm", AuthzAddress: "127.0.0.1:9001", AdminListen: "127.0.0.1:9901"}

func compiled(t *testing.T) *policy.Compiled {
	t.Helper()
	c, err := policy.Load("gatehouse.yaml", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTheYAMLIsTheConfigurationAndNothingElse(t *testing.T) {
	t.Parallel()
	c := compiled(t)
	text, err := render.Envoy(c, options)
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatalf("not YAML: %v", err)
	}
	var b bootstrapv3.Bootstrap
	if err := protojson.Unmarshal(asJSON, &b); err != nil {
		t.Fatalf("not a bootstrap: %v", err)
	}
	if err := b.ValidateAll(); err != nil {
		t.Errorf("invalid: %v", err)
	}
	if n := len(b.StaticResources.Listeners); n != 1 {
		t.Errorf("%d listeners", n)
	}
	if b.DynamicResources != nil {
		t.Error("needs a control plane")
	}
	filter, err := c.FilterJSON()
	if err != nil {
		t.Fatal(err)
	}
	if got := pluginConfiguration(t, asJSON); got != string(filter) {
		t.Errorf("the filter's policy did not survive:\n%s\nwant\n%s", got, filter)
	}
}

// pluginConfiguration finds the StringValue in the rendered document.
func pluginConfiguration(t *testing.T, document []byte) string {
	t.Helper()
	var root any
	if err := json.Unmarshal(document, &root); err != nil {
		t.Fatal(err)
	}
	var found string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if v["@type"] == "type.googleapis.com/google.protobuf.StringValue" {
				found, _ = v["value"].(string)
			}
			for _, child := range v {
				walk(child)
			}
		case []any:
			for _, child := range v {
				walk(child)
			}
		}
	}
	walk(root)
	return found
}

func TestTheSamePolicyGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	first, err := render.Envoy(compiled(t), options)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if again, err := render.Envoy(compiled(t), options); err != nil || !bytes.Equal(again, first) {
			t.Fatalf("another rendering (%v)", err)
		}
	}
	if want := "# Rendered by `gatehouse render envoy` from gatehouse.yaml, version " + compiled(t).Version; !strings.HasPrefix(string(first), want) {
		t.Errorf("begins with %.120s", first)
	}
}

func TestTheAdminInterfaceStaysAtHome(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"", "0.0.0.0:9901", "[::]:9901", "192.0.2.1:9901", "localhost:9901", "127.0.0.1:0"} {
		o := options
		o.AdminListen = listen
		if _, err := render.Envoy(compiled(t), o); err == nil {
			t.Errorf("%q was accepted", listen)
		}
	}
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	t.Parallel()
	o := options
	o.WasmPath = ""
	if _, err := render.Envoy(compiled(t), o); err == nil || !strings.Contains(err.Error(), "wasm") {
		t.Errorf("got %v", err)
	}
}
