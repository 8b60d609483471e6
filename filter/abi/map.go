// Package abi holds what of the proxy-wasm ABI 0.2 can be said without a host:
// how a header map is packed, and a map of response headers that is read once,
// edited in the VM, and then told to the host as the fewest edits that there
// are. Each call to the host costs about as much as all of a policy's decisions.
//
// It promises to allocate nothing once its buffers have grown to what a stream
// needs, and to take no packed map for anything but what it says. It does not
// call a host; the filter's main package does.
package abi

// Map is an editable header map. The zero value is empty; Load gives it a new
// content in its old memory.
type Map struct {
	lines [][2]string
	// marks are short hashes of the lines' names, and seen has a bit for each of
	// them: most of what a policy sets or removes is not there, and comparing
	// names to find that out is what most of the time would go into.
	marks   []mark
	seen    uint64
	removed []string // names that the host has and that must go first
	values  []string
	edits   int
	// whole says that a header of ours has several lines, which hosts add in
	// ways of their own: the host gets all lines at once then.
	whole bool
}

type mark struct {
	key   uint32
	state state
}

type state uint8

const (
	untouched state = iota
	replaced
	added
)

// Host takes the edits. Replace sets one line in the place of all of the name.
type Host interface {
	Remove(name string) error
	Replace(name, value string) error
	Add(name, value string) error
	// ReplaceAll sets all lines in the place of all.
	ReplaceAll(lines [][2]string) error
}

// Load takes a packed map. The strings are parts of packed: it must not change
// while they are in use. It returns false, and leaves the map empty, if packed
// is no packed map.
func (m *Map) Load(packed string) bool {
	lines, ok := Unpack(m.lines[:0], packed)
	m.removed, m.edits, m.seen, m.whole = m.removed[:0], 0, 0, false
	n := len(lines)
	if cap(m.marks) < n {
		m.moreMarks(n)
	}
	m.lines, m.marks = lines, m.marks[:n]
	for i := range lines {
		key := keyOf(lines[i][0])
		m.marks[i].key, m.marks[i].state = key, untouched
		m.seen |= bit(key)
	}
	return ok
}

// moreMarks makes room for n of them, and for what a policy adds.
//
//go:noinline
func (m *Map) moreMarks(n int) { m.marks = make([]mark, 0, n+n/2+16) }

func keyOf(name string) uint32 {
	n := len(name)
	if n == 0 {
		return 0
	}
	return uint32(n)<<24 | uint32(name[0])<<16 | uint32(name[n/2])<<8 | uint32(name[n-1]) // #nosec G115 -- a hash
}

// bit spreads the keys over 64.
func bit(key uint32) uint64 { return 1 << ((key * 0x9e3779b1) >> 26) }

// Lines are all lines in order; the slice is the map's own.
func (m *Map) Lines() [][2]string { return m.lines }

// Edits is how many edits there are; 0 means that Tell does nothing.
func (m *Map) Edits() int { return m.edits }

// Values returns all lines of the header; the slice is good until the next call.
func (m *Map) Values(name string) []string {
	m.values = m.values[:0]
	key := keyOf(name)
	for i := m.find(0, key, name); i >= 0; i = m.find(i+1, key, name) {
		m.values = append(m.values, m.lines[i][1])
	}
	return m.values
}

// Value returns the header's first line.
func (m *Map) Value(name string) (string, bool) {
	if i := m.find(0, keyOf(name), name); i >= 0 {
		return m.lines[i][1], true
	}
	return "", false
}

// Status is the response's, or 0 if there is none in the map.
func (m *Map) Status() int {
	text, _ := m.Value(":status")
	if len(text) != 3 {
		return 0
	}
	status := 0
	for i := range 3 {
		if text[i] < '0' || text[i] > '9' {
			return 0
		}
		status = status*10 + int(text[i]-'0')
	}
	return status
}

// SetLines replaces all lines of the header by several, at the end.
func (m *Map) SetLines(name string, values []string) {
	m.Remove(name)
	for _, value := range values {
		m.Add(name, value)
	}
}

// find returns the place of the first line from start on, or -1.
func (m *Map) find(start int, key uint32, name string) int {
	if m.seen&bit(key) == 0 {
		return -1
	}
	for i := start; i < len(m.marks); i++ {
		if m.marks[i].key == key && m.lines[i][0] == name {
			return i
		}
	}
	return -1
}

// Set replaces all lines of the header by one.
func (m *Map) Set(name, value string) {
	key := keyOf(name)
	i := m.find(0, key, name)
	switch {
	case i < 0:
		m.add(key, name, value)
	case m.find(i+1, key, name) >= 0:
		m.remove(key, name)
		m.add(key, name, value)
	case m.lines[i][1] != value:
		m.lines[i][1] = value
		if m.marks[i].state == untouched {
			m.marks[i].state = replaced
			m.edits++
		}
	}
}

// Add puts a further line at the end.
func (m *Map) Add(name, value string) {
	key := keyOf(name)
	m.whole = m.whole || m.find(0, key, name) >= 0
	m.add(key, name, value)
}

func (m *Map) add(key uint32, name, value string) {
	m.lines = appendLine(m.lines, name, value)
	m.marks = appendMark(m.marks, key, added)
	m.seen |= bit(key)
	m.edits++
}

// Remove takes all lines of the header away.
func (m *Map) Remove(name string) { m.remove(keyOf(name), name) }

func (m *Map) remove(key uint32, name string) {
	i := m.find(0, key, name)
	if i < 0 {
		return
	}
	kept := i
	for ; i < len(m.lines); i++ {
		if m.marks[i].key == key && m.lines[i][0] == name {
			m.drop(i)
			continue
		}
		m.move(kept, i)
		kept++
	}
	m.lines, m.marks = m.lines[:kept], m.marks[:kept]
}

// drop counts out a line that is about to be moved over.
func (m *Map) drop(i int) {
	if m.marks[i].state != untouched {
		m.edits--
	}
	if m.marks[i].state != added {
		// Once for each line: not every host takes all at once.
		m.removed = appendName(m.removed, m.lines[i][0])
		m.edits++
	}
}

func (m *Map) move(to, from int) {
	m.lines[to][0], m.lines[to][1], m.marks[to] = m.lines[from][0], m.lines[from][1], m.marks[from]
}

// Tell makes the host's map what this one is.
func (m *Map) Tell(h Host) error {
	if m.edits == 0 {
		return nil
	}
	if m.whole {
		return h.ReplaceAll(m.lines)
	}
	for _, name := range m.removed {
		if err := h.Remove(name); err != nil {
			return err
		}
	}
	for i := range m.marks {
		var err error
		switch m.marks[i].state {
		case replaced:
			err = h.Replace(m.lines[i][0], m.lines[i][1])
		case added:
			err = h.Add(m.lines[i][0], m.lines[i][1])
		case untouched:
		}
		if err != nil {
			return err
		}
	}
	return nil
}
