package ratelimit

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// resolve follows anchors and aliases to what they stand for.
func (r *reader) resolve(n ast.Node) ast.Node {
	for range maxNesting {
		switch typed := n.(type) {
		case *ast.AnchorNode:
			r.anchors[typed.Name.GetToken().Value] = typed.Value
			n = typed.Value
		case *ast.AliasNode:
			target, ok := r.anchors[typed.Value.GetToken().Value]
			if !ok {
				r.at(n, "", "is an alias without an anchor before it", "define the anchor first")
				return nil
			}
			n = target
		case *ast.TagNode:
			n = typed.Value
		default:
			return n
		}
	}
	return nil
}

// mapping yields the members that are known, in the order of the file, and
// reports the rest: unknown keys, repeated keys, and a value that is no mapping.
func (r *reader) mapping(n ast.Node, where string, known ...string) iter.Seq2[string, ast.Node] {
	return func(yield func(string, ast.Node) bool) {
		r.nodes++
		m, ok := r.resolve(n).(ast.MapNode)
		if !ok || r.nodes > maxNodes {
			r.at(n, where, "is not a mapping of reasonable size", "write "+strings.Join(known, ", "))
			return
		}
		seen := map[string]bool{}
		for entries := m.MapRange(); entries.Next(); {
			key := entries.Key().GetToken().Value
			switch {
			case !slices.Contains(known, key):
				r.at(entries.Key(), where+"."+key, "is not known here", "use one of "+strings.Join(known, ", "))
				continue
			case seen[key]:
				r.at(entries.Key(), where+"."+key, "is there twice", "leave one")
				continue
			}
			seen[key] = true
			if !yield(key, entries.Value()) {
				return
			}
		}
	}
}

// text reads any scalar by its spelling: value 10 is "10", as for
// envoyproxy/ratelimit.
func (r *reader) text(n ast.Node, where string) string {
	switch typed := r.resolve(n).(type) {
	case *ast.StringNode:
		return typed.Value
	case *ast.LiteralNode:
		return typed.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return typed.GetToken().Value
	case *ast.NullNode:
		return ""
	}
	r.at(n, where, "is not a single value", "write a text")
	return ""
}

func (r *reader) boolean(n ast.Node, where string) bool {
	b, ok := r.resolve(n).(*ast.BoolNode)
	if !ok {
		r.at(n, where, fmt.Sprintf("is %.40q", r.text(n, where)), "write true or false")
		return false
	}
	return b.Value
}
