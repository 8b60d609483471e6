package policy

import "strings"

// Mistake is one thing wrong with a configuration.
type Mistake struct { //nolint:errname // the word is used so in all rooms
	Where string // path in the JSON, e.g. "policies.base.limits[0].by"
	What  string // what is there
	Fix   string // what to do
}

func (m Mistake) Error() string { return m.Where + ": " + m.What + ": " + m.Fix }

// Mistakes are all that was found, in the order of the text.
type Mistakes []Mistake //nolint:errname // as Mistake

func (ms Mistakes) Error() string {
	lines := make([]string, len(ms))
	for i, m := range ms {
		lines[i] = m.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As and errors.Is walk the list.
func (ms Mistakes) Unwrap() []error {
	errs := make([]error, len(ms))
	for i, m := range ms {
		errs[i] = m
	}
	return errs
}

func (ms *Mistakes) add(where, what, fix string) {
	*ms = append(*ms, Mistake{Where: where, What: what, Fix: fix})
}
