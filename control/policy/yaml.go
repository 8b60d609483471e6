package policy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds of a file. They keep a file that was made to hurt from doing so: the
// parser recurses, and an alias of an alias of an alias grows by powers.
const (
	maxFileBytes = 256 << 10
	maxDepth     = 64
	maxNodes     = 100_000
)

type nodeKind uint8

const (
	nullNode nodeKind = iota
	stringNode
	integerNode
	floatNode
	boolNode
	mappingNode
	sequenceNode
	// brokenNode stands for what was reported already.
	brokenNode
)

func (k nodeKind) String() string {
	return [...]string{"nothing", "a text", "a whole number", "a fraction", "true or false", "a mapping", "a list", "unreadable"}[k]
}

// pos is a place in the file. Where an alias repeats something, it is the place
// of the original.
type pos struct {
	line, col int
	path      string
}

// node is a value of the document with aliases and merge keys resolved.
type node struct {
	kind    nodeKind
	at      pos
	text    string // scalars: the value
	entries []entry
	items   []*node
	weight  int // nodes in this subtree, aliases counted each time
}

type entry struct {
	key   string
	at    pos // of the key
	value *node
}

// parse reads data as one YAML document. It returns nil after a mistake that
// leaves nothing to look at.
func parse(d *decoder, data []byte) *node {
	start := pos{line: 1, col: 1}
	if len(data) > maxFileBytes {
		d.fail(start, "the file is larger than 256 KiB", "", "split it, or remove what is repeated")
		return nil
	}
	text := strings.TrimPrefix(string(data), "\ufeff")
	if line, deep := tooDeep(text); deep {
		d.fail(pos{line: line, col: 1}, fmt.Sprintf("nested deeper than %d levels", maxDepth), "", "a policy needs fewer than ten")
		return nil
	}
	file, err := parseYAML(text)
	if err != nil {
		d.syntax(err)
		return nil
	}
	return d.document(file)
}

// parseYAML is the parser with a fence: its panics on malformed text must not
// end a running control.
func parseYAML(text string) (file *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			file, err = nil, fmt.Errorf("cannot be read as YAML: %v", r)
		}
	}()
	return parser.ParseBytes([]byte(text), 0, parser.AllowDuplicateMapKey())
}

// tooDeep says in which line, if any, brackets or "- " nest too deeply. It does
// not know of quotes, and need not: 64 brackets left open in a text are not a
// policy either.
func tooDeep(text string) (int, bool) {
	open, line, inLine := 0, 1, 0
	for i := range len(text) {
		switch text[i] {
		case '[', '{':
			open++
		case ']', '}':
			open = max(0, open-1)
		case '-', '?', ':':
			if i+1 < len(text) && text[i+1] == ' ' {
				inLine++
			}
		case '\n':
			line, inLine = line+1, 0
		}
		if open > maxDepth || inLine > 16*maxDepth {
			return line, true
		}
	}
	return 0, false
}

func (d *decoder) syntax(err error) {
	at, message := pos{line: 1, col: 1}, err.Error()
	var syntax yaml.Error
	if errors.As(err, &syntax) {
		message = syntax.GetMessage()
		if t := syntax.GetToken(); t != nil && t.Position != nil {
			at.line, at.col = t.Position.Line, t.Position.Column
		}
	}
	d.fail(at, "not YAML: "+message, "", "correct the text there or in the line before")
}

func (d *decoder) document(file *ast.File) *node {
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil {
			bodies = append(bodies, doc.Body)
		}
	}
	if len(bodies) == 0 {
		d.fail(pos{line: 1, col: 1}, "the file is empty", "", `begin with "version: 1"`)
		return nil
	}
	if len(bodies) > 1 {
		d.fail(place(bodies[1], ""), "a second document begins here", "", `write one document; remove the "---"`)
	}
	t := tree{d: d, anchors: map[string]*node{}}
	root := t.node(bodies[0], "", 0)
	if root.weight > maxNodes {
		d.fail(root.at, fmt.Sprintf("more than %d values, aliases counted each time", maxNodes), "", "repeat less")
		return nil
	}
	return root
}

// place is where a value begins; the parser gives a block mapping the place of
// its first colon.
func place(n ast.Node, path string) pos {
	switch v := n.(type) {
	case *ast.MappingNode:
		if !v.IsFlowStyle && len(v.Values) > 0 {
			return place(v.Values[0].Key, path)
		}
	case *ast.MappingValueNode:
		return place(v.Key, path)
	}
	return tokenPlace(n.GetToken(), path)
}

func tokenPlace(t *token.Token, path string) pos {
	if t == nil || t.Position == nil {
		return pos{line: 1, col: 1, path: path}
	}
	return pos{line: t.Position.Line, col: t.Position.Column, path: path}
}

// tree turns the parser's nodes into ours.
type tree struct {
	d       *decoder
	anchors map[string]*node // nil while the anchor's own value is being read
}

func (t *tree) node(n ast.Node, path string, depth int) *node {
	out := &node{at: place(n, path), weight: 1}
	if depth > maxDepth {
		out.kind = brokenNode
		t.d.fail(out.at, fmt.Sprintf("nested deeper than %d levels", maxDepth), "", "a policy needs fewer than ten")
		return out
	}
	switch v := n.(type) {
	case *ast.MappingNode:
		t.mapping(out, v.Values, depth)
	case *ast.MappingValueNode:
		t.mapping(out, []*ast.MappingValueNode{v}, depth)
	case *ast.SequenceNode:
		t.sequence(out, v, depth)
	case *ast.AnchorNode:
		return t.anchor(v, path, depth)
	case *ast.AliasNode:
		return t.alias(v, out)
	case *ast.TagNode:
		t.d.fail(out.at, "tags are not used here", v.Start.Value, "remove it; quote the value if it is to be a text")
		out.kind = brokenNode
	default:
		t.scalar(out, n)
	}
	return out
}

func (t *tree) scalar(out *node, n ast.Node) {
	switch v := n.(type) {
	case *ast.StringNode:
		out.kind, out.text = stringNode, v.Value
	case *ast.LiteralNode:
		out.kind, out.text = stringNode, v.Value.Value
	case *ast.IntegerNode:
		out.kind, out.text = integerNode, fmt.Sprint(v.Value)
	case *ast.FloatNode:
		out.kind, out.text = floatNode, v.Token.Value
	case *ast.InfinityNode, *ast.NanNode:
		out.kind, out.text = floatNode, n.GetToken().Value
	case *ast.BoolNode:
		out.kind, out.text = boolNode, strconv.FormatBool(v.Value)
	}
}

func (t *tree) sequence(out *node, v *ast.SequenceNode, depth int) {
	out.kind = sequenceNode
	for i, item := range v.Values {
		child := t.node(item, fmt.Sprintf("%s[%d]", out.at.path, i), depth+1)
		out.items = append(out.items, child)
		out.weight = min(out.weight+child.weight, maxNodes+1)
	}
}

func (t *tree) mapping(out *node, values []*ast.MappingValueNode, depth int) {
	out.kind = mappingNode
	lines := map[string]int{}
	var merged []entry
	for _, v := range values {
		if v.Key.IsMergeKey() {
			merged = append(merged, t.merge(v, out.at.path, depth)...)
			continue
		}
		e := t.entry(v, out.at.path, depth)
		if line, twice := lines[e.key]; twice {
			t.d.fail(e.at, "the key stands twice", e.key, fmt.Sprintf("it is in line %d already; leave one", line))
			continue
		}
		lines[e.key] = e.at.line
		out.entries = append(out.entries, e)
	}
	for _, e := range merged {
		if _, own := lines[e.key]; !own {
			lines[e.key] = e.at.line
			out.entries = append(out.entries, e)
		}
	}
	for _, e := range out.entries {
		out.weight = min(out.weight+e.value.weight, maxNodes+1)
	}
}

func (t *tree) entry(v *ast.MappingValueNode, path string, depth int) entry {
	key := ast.Node(v.Key)
	if explicit, ok := key.(*ast.MappingKeyNode); ok {
		key = explicit.Value
	}
	e := entry{at: place(key, path)}
	if scalar, ok := key.(ast.ScalarNode); ok {
		e.key = scalar.GetToken().Value
	} else {
		t.d.fail(e.at, "a key must be a plain word", "", "write it as name: value")
	}
	e.at.path = join(path, e.key)
	e.value = t.node(v.Value, e.at.path, depth+1)
	return e
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func (t *tree) anchor(v *ast.AnchorNode, path string, depth int) *node {
	name := v.Name.GetToken().Value
	t.anchors[name] = nil
	out := t.node(v.Value, path, depth+1)
	t.anchors[name] = out
	return out
}

func (t *tree) alias(v *ast.AliasNode, out *node) *node {
	out.kind = brokenNode
	name := v.Value.GetToken().Value
	target, known := t.anchors[name]
	switch {
	case !known:
		t.d.fail(out.at, "no anchor of this name stands before", "*"+name, "write &"+name+" where the value is first given")
	case target == nil:
		t.d.fail(out.at, "an anchor holds itself", "*"+name, "write the value out")
	default:
		return target
	}
	return out
}

// merge resolves "<<": the entries of one mapping, or of several in a list, of
// which the first to have a key wins.
func (t *tree) merge(v *ast.MappingValueNode, path string, depth int) []entry {
	value := t.node(v.Value, path, depth+1)
	sources := []*node{value}
	if value.kind == sequenceNode {
		sources = value.items
	}
	var out []entry
	for _, s := range sources {
		if s.kind == brokenNode {
			continue
		}
		if s.kind != mappingNode {
			t.d.fail(s.at, "<< takes a mapping, this is "+s.kind.String(), s.text, "name the anchor of a mapping")
			continue
		}
		out = append(out, s.entries...)
	}
	return out
}
