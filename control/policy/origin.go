package policy

import "strings"

// Place is where a value was written.
type Place struct {
	// Path leads to it: "policies.base.headers.preset". For what a policy
	// inherits it begins with the ancestor's name.
	Path string `json:"path"`
	Line int    `json:"line"`
}

// trace tells for each value of an effective policy, by its path relative to
// the policy, where it was written.
type trace map[string]pos

// at is the place of path, or of the nearest that encloses it.
func (t trace) at(path string) (pos, bool) {
	for {
		if p, ok := t[path]; ok {
			return p, true
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return pos{}, false
		}
		path = path[:i]
	}
}

// Origin tells where a value of an effective policy was written, or the nearest
// value that encloses it: path is relative to the policy, "headers.preset" or
// "limits[0].rate". It is false for what no line of the file says.
func (c *Compiled) Origin(policy, path string) (Place, bool) {
	p, ok := c.origins[policy].at(path)
	return Place{Path: p.path, Line: p.line}, ok
}
