package policy

import (
	"encoding/json"
	"fmt"
)

// schema is a JSON Schema (draft 2020-12) under construction.
type schema map[string]any

func objectSchema[T any](fields []field[T]) schema {
	properties, need := schema{}, []string{}
	for _, f := range fields {
		property := schema{"description": f.doc}
		for k, v := range f.schema {
			property[k] = v
		}
		properties[f.name] = property
		if f.required {
			need = append(need, f.name)
		}
	}
	s := schema{"type": "object", "additionalProperties": false, "properties": properties}
	if len(need) > 0 {
		s["required"] = need
	}
	return s
}

// JSONSchema describes gatehouse.yaml to editors. It knows keys and kinds of
// values; that names refer to something, and that settings fit together, only
// Load judges.
func JSONSchema() ([]byte, error) {
	root := fileKind().schema
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "gatehouse.yaml"
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the JSON Schema: %w", err)
	}
	return append(out, '\n'), nil
}
