package policy

import (
	"encoding/json"
	"testing"
)

func TestTheSchemaIsJSONAndKnowsEveryKeyOfTheTables(t *testing.T) {
	t.Parallel()
	text, err := JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatalf("not JSON: %v", err)
	}
	// all_keys.yaml has every key once; what is read there must be in the schema,
	// and what is in the schema must be there.
	d := &decoder{file: "all_keys.yaml"}
	written := map[string]bool{}
	keysOf(parse(d, read(t, "testdata/good/all_keys.yaml")), written)
	described := map[string]bool{}
	propertiesOf(root, described)
	for key := range described {
		if !written[key] && key != "alerts" && key != "privacy" && key != "url_file" {
			t.Errorf("the schema has %q, the example has not", key)
		}
	}
	for _, key := range []string{"version", "envoy", "listen", "tls", "cert_file", "trusted_hops", "upstreams", "redis", "url_file",
		"sign_in", "auth", "policies", "routes", "extends", "headers", "cors", "session", "limits", "uploads", "path_prefix",
		"on_redis_error", "max_file_size", "allow_private_network"} {
		if !described[key] {
			t.Errorf("the schema lacks %q", key)
		}
	}
}

func keysOf(n *node, into map[string]bool) {
	for _, e := range n.entries {
		into[e.key] = true
		keysOf(e.value, into)
	}
	for _, i := range n.items {
		keysOf(i, into)
	}
}

func propertiesOf(v any, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		if properties, ok := v["properties"].(map[string]any); ok {
			for key := range properties {
				into[key] = true
			}
		}
		for _, child := range v {
			propertiesOf(child, into)
		}
	case []any:
		for _, child := range v {
			propertiesOf(child, into)
		}
	}
}
