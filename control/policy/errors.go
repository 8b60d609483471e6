package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Error is one thing wrong with a gatehouse.yaml.
type Error struct {
	File   string `json:"file"`
	Line   int    `json:"line"`   // from 1
	Column int    `json:"column"` // from 1
	// Path leads to the place in the document: "policies.base.limits[0].rate".
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
	// Offending is the text found there, shortened; never a secret.
	Offending  string `json:"offending,omitempty"`
	Suggestion string `json:"suggestion,omitempty"`
}

// Error is file:line:column: path: message: "offending"; suggestion.
func (e Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", e.File, e.Line, e.Column)
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Message)
	if e.Offending != "" {
		fmt.Fprintf(&b, ": %q", e.Offending)
	}
	if e.Suggestion != "" {
		b.WriteString("; " + e.Suggestion)
	}
	return b.String()
}

// Errors are all that was found, in the order of the file.
type Errors []Error

// Error has one line for each.
func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As walk the list.
func (es Errors) Unwrap() []error {
	out := make([]error, len(es))
	for i, e := range es {
		out[i] = e
	}
	return out
}

// sorted puts the errors into the order of the file, each once: a mistake in a
// policy is found again in each that extends it. Those of one place keep the
// order in which they were found.
func (es Errors) sorted() Errors {
	seen := make(map[Error]bool, len(es))
	es = slices.DeleteFunc(es, func(e Error) bool {
		again := seen[e]
		seen[e] = true
		return again
	})
	slices.SortStableFunc(es, func(a, b Error) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return es
}

// maxOffending bounds what of the file is repeated in a message.
const maxOffending = 60

func shorten(s string) string {
	if len(s) <= maxOffending {
		return s
	}
	return strings.ToValidUTF8(s[:maxOffending], "") + "…"
}
