package abi

import "slices"

// Names is a list of header names to remove, prepared so that a response that
// has none of them costs no more than a look at its own lines: policies remove
// twenty names of which a response has one.
type Names struct {
	list []string
	keys []uint32 // of the names, in their order
	bits uint64
}

// NewNames prepares names, which are in lower case.
func NewNames(names ...string) Names {
	n := Names{list: slices.Clone(names), keys: make([]uint32, len(names))}
	for i, name := range names {
		n.keys[i] = keyOf(name)
		n.bits |= bit(n.keys[i])
	}
	return n
}

// List is the names in their order; the slice is the list's own.
func (n *Names) List() []string { return n.list }

func (n *Names) has(key uint32, name string) bool {
	if n.bits&bit(key) == 0 {
		return false
	}
	for i := range n.keys {
		if n.keys[i] == key && n.list[i] == name {
			return true
		}
	}
	return false
}

// RemoveAll removes every header of the list but those of but.
func (m *Map) RemoveAll(n *Names, but ...string) {
	if m.seen&n.bits == 0 {
		return
	}
	kept := 0
	for i := range m.marks {
		if n.has(m.marks[i].key, m.lines[i][0]) && !slices.Contains(but, m.lines[i][0]) {
			m.drop(i)
			continue
		}
		if kept != i {
			m.move(kept, i)
		}
		kept++
	}
	m.lines, m.marks = m.lines[:kept], m.marks[:kept]
}
