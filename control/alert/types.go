package alert

import (
	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"

	"gatehouse/authz/event"
)

// typeSet are the only types of event for which a condition can be true; nil if
// it may be true for any.
type typeSet map[event.Type]bool

// typesOf reads them off a condition, so that an event need not be shown to rules
// that are not for it. It errs towards any: what it does not understand may be
// true for all. Errors do not matter to it, for a condition that fails is not
// true: CEL's && is true only if both sides are, its || only if one is.
func typesOf(condition *cel.Ast) typeSet { return typesWhere(condition.NativeRep().Expr()) }

func typesWhere(e ast.Expr) typeSet {
	if e.Kind() != ast.CallKind {
		if e.Kind() == ast.LiteralKind && e.AsLiteral() == types.False {
			return typeSet{}
		}
		return nil
	}
	args := e.AsCall().Args()
	switch e.AsCall().FunctionName() {
	case operators.LogicalAnd:
		return both(typesWhere(args[0]), typesWhere(args[1]))
	case operators.LogicalOr:
		return either(typesWhere(args[0]), typesWhere(args[1]))
	case operators.Conditional:
		return either(both(typesWhere(args[0]), typesWhere(args[1])), typesWhere(args[2]))
	case operators.Equals:
		if isType(args[0]) {
			return listed(args[1:])
		}
		if isType(args[1]) {
			return listed(args[:1])
		}
	case operators.In:
		if isType(args[0]) && args[1].Kind() == ast.ListKind {
			return listed(args[1].AsList().Elements())
		}
	}
	return nil
}

// isType says whether e is event.type, which is one variable of that name.
func isType(e ast.Expr) bool { return e.Kind() == ast.IdentKind && e.AsIdent() == "event.type" }

// listed are the values of strings that are written out; nil if one is not.
func listed(of []ast.Expr) typeSet {
	set := typeSet{}
	for _, e := range of {
		if e.Kind() != ast.LiteralKind {
			return nil
		}
		text, ok := e.AsLiteral().(types.String)
		if !ok {
			return nil
		}
		set[event.Type(text)] = true
	}
	return set
}

func both(a, b typeSet) typeSet {
	if a == nil {
		return b
	}
	if b == nil {
		return a
	}
	out := typeSet{}
	for t := range a {
		if b[t] {
			out[t] = true
		}
	}
	return out
}

func either(a, b typeSet) typeSet {
	if a == nil || b == nil {
		return nil
	}
	out := typeSet{}
	for _, set := range []typeSet{a, b} {
		for t := range set {
			out[t] = true
		}
	}
	return out
}

// index finds the rules that can be true for an event, in their order.
type index struct {
	byType map[event.Type][]*compiled
	others []*compiled // for the types that no rule names
}

func newIndex(rules []compiled) index {
	x := index{byType: map[event.Type][]*compiled{}}
	for i := range rules {
		for t := range rules[i].types {
			x.byType[t] = nil
		}
	}
	for i := range rules {
		r := &rules[i]
		if r.types == nil {
			x.others = append(x.others, r)
		}
		for t := range x.byType {
			if r.types == nil || r.types[t] {
				x.byType[t] = append(x.byType[t], r)
			}
		}
	}
	return x
}

func (x index) of(t event.Type) []*compiled {
	if rules, ok := x.byType[t]; ok {
		return rules
	}
	return x.others
}
