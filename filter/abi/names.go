package abi

import "slices"

// Names is a list of header names to remove, prepared so that a response that
// has none of them costs no more than a look at its own lines: policies remove
// twenty names of which a response has one.
type Names struct {
	list []string
	bits uint64
}

// NewNames prepares names, which are in lower case.
func NewNames(names ...string) Names {
	n := Names{list: slices.Clone(names)}
	for _, name := range names {
		n.bits |= bit(keyOf(name))
	}
	return n
}

// List is the names in their order; the slice is the list's own.
func (n *Names) List() []string { return n.list }

// RemoveAll removes every header of the list but those of but.
func (m *Map) RemoveAll(n *Names, but ...string) {
	if m.seen&n.bits == 0 {
		return
	}
	for i := 0; i < len(m.marks); {
		name := m.lines[i][0]
		if n.bits&bit(m.marks[i].key) == 0 || !slices.Contains(n.list, name) || slices.Contains(but, name) {
			i++
			continue
		}
		m.remove(m.marks[i].key, name) // another line is in this place now
	}
}
