package ratelimit

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// File is one YAML text with the name that mistakes are reported under.
type File struct {
	Name string
	Data []byte
}

// Bounds against a file that grows in the reading (aliases of aliases).
const (
	maxNesting = 32
	maxNodes   = 200_000
)

// Parse compiles files into one Config. The error is a ConfigErrors with all that
// is wrong in all of them.
func Parse(files []File) (*Config, error) { return parse(files, false) }

// ParseMerged is Parse for files of which several may be of one domain: it has the
// descriptors of all of them. The same descriptor in two of them is a mistake.
func ParseMerged(files []File) (*Config, error) { return parse(files, true) }

func parse(files []File, merged bool) (*Config, error) {
	config := &Config{domains: map[string]*node{}}
	origin := map[string]string{}
	var found ConfigErrors
	for _, file := range files {
		r := reader{file: file.Name, anchors: map[string]ast.Node{}}
		domain, root := r.document(file.Data)
		other, taken := origin[domain]
		switch {
		case taken && root != nil && merged:
			r.merge(config.domains[domain], root, other)
			root = nil
		case taken && root != nil:
			r.whole("domain", fmt.Sprintf("%.60q is also the domain of %s", domain, other), "keep each domain in one file, or pass --ratelimit-merge-domains")
		}
		if root != nil {
			config.domains[domain], origin[domain] = root, file.Name
		}
		found = append(found, r.found...)
	}
	if len(found) > 0 {
		return nil, found
	}
	return config, nil
}

type reader struct {
	file    string
	anchors map[string]ast.Node
	nodes   int
	found   ConfigErrors
}

func (r *reader) whole(key, what, fix string) {
	r.found = append(r.found, ConfigError{File: r.file, Key: key, What: what, Fix: fix})
}

func (r *reader) at(n ast.Node, key, what, fix string) {
	m := ConfigError{File: r.file, Key: key, What: what, Fix: fix}
	if n != nil && n.GetToken() != nil && n.GetToken().Position != nil {
		m.Line, m.Column = n.GetToken().Position.Line, n.GetToken().Position.Column
	}
	r.found = append(r.found, m)
}

func (r *reader) document(data []byte) (string, *node) {
	parsed, err := parser.ParseBytes(data, 0)
	if err != nil {
		r.syntax(err)
		return "", nil
	}
	if len(parsed.Docs) != 1 || parsed.Docs[0].Body == nil {
		r.whole("", "is not one YAML document", "write one domain with its descriptors")
		return "", nil
	}
	root := &node{}
	domain := ""
	for key, value := range r.mapping(parsed.Docs[0].Body, "document", "domain", "descriptors") {
		switch key {
		case "domain":
			domain = r.text(value, "domain")
		case "descriptors":
			r.descriptors(root, value, "descriptors", 0)
		}
	}
	if domain == "" {
		r.whole("domain", "is missing or empty", "name the domain that Envoy's ratelimit filter sends")
		return "", nil
	}
	return domain, root
}

func (r *reader) syntax(err error) {
	var detailed yaml.Error
	if errors.As(err, &detailed) && detailed.GetToken() != nil {
		position := detailed.GetToken().Position
		r.found = append(r.found, ConfigError{
			File: r.file, Line: position.Line, Column: position.Column,
			What: "not YAML: " + detailed.GetMessage(), Fix: "correct the syntax",
		})
		return
	}
	r.whole("", "not YAML: "+err.Error(), "correct the syntax")
}

func (r *reader) descriptors(parent *node, value ast.Node, where string, depth int) {
	list, ok := r.resolve(value).(*ast.SequenceNode)
	if !ok {
		r.at(value, where, "is not a list", "write descriptors as a list")
		return
	}
	if depth > maxNesting {
		r.at(value, where, "is nested too deeply", fmt.Sprintf("keep to %d levels", maxNesting))
		return
	}
	for i, item := range list.Values {
		r.descriptor(parent, item, fmt.Sprintf("%s[%d]", where, i), depth)
	}
}

func (r *reader) rule(value ast.Node, where string) *Rule {
	rule := &Rule{}
	var hasUnit, hasCount bool
	var how counting
	for name, n := range r.mapping(value, where,
		"unit", "requests_per_unit", "unlimited", "name", "replaces", "lease", "algorithm", "burst", "time_zone") {
		switch name {
		case "unit":
			hasUnit = true
			rule.Unit = r.unit(n, where+".unit")
		case "requests_per_unit":
			hasCount = true
			rule.Requests = r.count(n, where+".requests_per_unit")
		case "unlimited":
			rule.Unlimited = r.boolean(n, where+".unlimited")
		case "name":
			rule.Name = r.text(n, where+".name")
		case "replaces":
			rule.Replaces = r.replaces(n, where+".replaces")
		case "lease":
			rule.Lease = int64(r.count(n, where+".lease"))
		default:
			r.counting(&how, name, n, where+"."+name)
		}
	}
	switch {
	case rule.Unlimited && hasUnit:
		r.at(value, where, "is unlimited and has a limit", "remove unlimited, or the unit")
	case !rule.Unlimited && !hasUnit:
		r.at(value, where+".unit", "is missing", "write second, minute, hour, day, week, month or year")
	case !rule.Unlimited && !hasCount:
		r.at(value, where+".requests_per_unit", "is missing", "write how many requests a "+strings.ToLower(rule.Unit.String())+" may have")
	}
	r.applies(how, rule, value, where)
	for _, name := range rule.Replaces {
		switch name {
		case "":
			r.at(value, where+".replaces", "has an empty name", "name the limit that is replaced")
		case rule.Name:
			r.at(value, where+".replaces", "names the limit itself", "name another limit")
		}
	}
	return rule
}

func (r *reader) unit(n ast.Node, where string) Unit {
	text := r.text(n, where)
	number, ok := pb.RateLimitResponse_RateLimit_Unit_value[strings.ToUpper(text)]
	if _, known := windows[Unit(number)]; !ok || !known {
		r.at(n, where, fmt.Sprintf("is %.40q", text), "write second, minute, hour, day, week, month or year")
		return pb.RateLimitResponse_RateLimit_UNKNOWN
	}
	return Unit(number)
}

func (r *reader) count(n ast.Node, where string) uint32 {
	number, err := strconv.ParseUint(r.text(n, where), 10, 32)
	if err != nil {
		r.at(n, where, "is not a count", "write a whole number from 0 to "+strconv.FormatUint(math.MaxUint32, 10))
	}
	return uint32(number) // #nosec G115 -- ParseUint was told 32 bits
}

func (r *reader) replaces(value ast.Node, where string) []string {
	list, ok := r.resolve(value).(*ast.SequenceNode)
	if !ok {
		r.at(value, where, "is not a list", "write a list of {name: LIMIT}")
		return nil
	}
	var names []string
	for i, item := range list.Values {
		at := fmt.Sprintf("%s[%d]", where, i)
		for _, n := range r.mapping(item, at, "name") {
			names = append(names, r.text(n, at+".name"))
		}
	}
	return names
}
