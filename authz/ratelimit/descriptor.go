package ratelimit

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"google.golang.org/protobuf/types/known/structpb"
)

var descriptorKeys = []string{
	"key", "value", "rate_limit", "shadow_mode", "quota_mode", "detailed_metric", "value_to_metric", "share_threshold",
	"metadata", "descriptors",
}

// written is a descriptor as it is in the file.
type written struct {
	key, value           string
	shadow, quota, share bool
	detailed             bool
	metadata             *structpb.Struct
}

func (r *reader) descriptor(parent *node, item ast.Node, where string, depth int) {
	child := &node{}
	var d written
	for name, n := range r.mapping(item, where, descriptorKeys...) {
		at := where + "." + name
		switch name {
		case "key":
			d.key = r.text(n, at)
		case "value":
			d.value = r.text(n, at)
		case "rate_limit":
			child.rule = r.rule(n, at)
		case "shadow_mode":
			d.shadow = r.boolean(n, at)
		case "quota_mode":
			d.quota = r.boolean(n, at)
		case "share_threshold":
			d.share = r.boolean(n, at)
		case "detailed_metric":
			d.detailed = r.boolean(n, at)
		case "value_to_metric":
			child.valueToMetric = r.boolean(n, at)
		case "metadata":
			d.metadata = r.metadata(n, at)
		case "descriptors":
			r.descriptors(child, n, at, depth+1)
		}
	}
	if d.key == "" {
		r.at(item, where+".key", "is missing or empty", "name the descriptor's key")
		return
	}
	name := composite(d.key, d.value)
	if d.share && !strings.Contains(name, "*") {
		r.at(item, where+".share_threshold", "is for values with a *", "add a * to the value, or remove share_threshold")
	}
	child.become(d)
	if !parent.add(name, child) {
		r.at(item, where, "repeats "+strconv.Quote(name), "keep one descriptor for each key and value")
	}
}

func (n *node) become(d written) {
	if d.share {
		n.share = d.value
	}
	n.value = d.value
	if n.rule != nil {
		n.rule.Detailed = d.detailed
		n.rule.Shadow, n.rule.Quota, n.rule.Metadata = d.shadow, d.quota, d.metadata
	}
}

func (n *node) add(name string, child *node) bool {
	if n.children == nil {
		n.children = map[string]*node{}
	}
	if _, taken := n.children[name]; taken {
		return false
	}
	n.children[name] = child
	if strings.Contains(name, "*") {
		n.wildcards = append(n.wildcards, wildcard{strings.Split(name, "*"), child})
	}
	return true
}

// merge adds the descriptors of another file of the domain.
func (r *reader) merge(into, from *node, other string) {
	for name, child := range from.children {
		if _, taken := into.children[name]; taken {
			r.whole("descriptors", fmt.Sprintf("repeat %.60q of %s", name, other), "keep one descriptor for each key and value")
			continue
		}
		if into.children == nil {
			into.children = map[string]*node{}
		}
		into.children[name] = child
	}
	into.wildcards = append(into.wildcards, from.wildcards...)
}

// metadata is any mapping that JSON can say.
func (r *reader) metadata(n ast.Node, where string) *structpb.Struct {
	resolved := r.resolve(n)
	if _, empty := resolved.(*ast.NullNode); empty {
		return nil
	}
	var values map[string]any
	err := yaml.NodeToValue(resolved, &values)
	if err == nil {
		var s *structpb.Struct
		if s, err = structpb.NewStruct(values); err == nil {
			return s
		}
	}
	r.at(n, where, "is not a mapping that JSON can say", "write names and texts, numbers, lists or mappings")
	return nil
}
