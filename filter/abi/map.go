// Package abi holds what of the proxy-wasm ABI 0.2 can be said without a host:
// how a header map is packed, and a map of response headers that is edited in
// the VM and given back in one call. Each call to the host costs about as much
// as all of a policy's decisions, so that reading once and writing once is what
// makes the filter fast.
//
// It promises to allocate nothing once its buffers have grown to what a stream
// needs, and to take no packed map for anything but what it says. It does not
// call a host; the filter's main package does.
package abi

// Map is an editable header map. The zero value is empty; Load gives it a new
// content in its old memory.
type Map struct {
	lines   [][2]string
	values  []string
	changed bool
}

// Load takes a packed map. The strings are parts of packed: it must not change
// while they are in use. It returns false, and leaves the map empty, if packed
// is no packed map.
func (m *Map) Load(packed string) bool {
	var ok bool
	m.lines, ok = Unpack(m.lines[:0], packed)
	m.changed = false
	if !ok {
		m.lines = m.lines[:0]
	}
	return ok
}

// Lines are all lines in order; the slice is the map's own.
func (m *Map) Lines() [][2]string { return m.lines }

// Changed tells whether Set, Add or Remove changed anything since Load.
func (m *Map) Changed() bool { return m.changed }

// Values returns all lines of the header; the slice is good until the next call.
func (m *Map) Values(name string) []string {
	m.values = m.values[:0]
	for i := range m.lines {
		if m.lines[i][0] == name {
			m.values = append(m.values, m.lines[i][1])
		}
	}
	return m.values
}

// Value returns the header's first line.
func (m *Map) Value(name string) (string, bool) {
	for i := range m.lines {
		if m.lines[i][0] == name {
			return m.lines[i][1], true
		}
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

// Set replaces all lines of the header by one, in the place of the first.
func (m *Map) Set(name, value string) {
	for i := range m.lines {
		if m.lines[i][0] == name {
			if m.lines[i][1] != value {
				m.lines[i][1], m.changed = value, true
			}
			m.removeFrom(i+1, name)
			return
		}
	}
	m.Add(name, value)
}

// SetLines replaces all lines of the header by several, at the end.
func (m *Map) SetLines(name string, values []string) {
	m.Remove(name)
	for _, value := range values {
		m.Add(name, value)
	}
}

// Add puts a further line at the end.
func (m *Map) Add(name, value string) {
	m.lines = append(m.lines, [2]string{name, value})
	m.changed = true
}

// Remove takes all lines of the header away.
func (m *Map) Remove(name string) { m.removeFrom(0, name) }

func (m *Map) removeFrom(start int, name string) {
	kept := start
	for i := start; i < len(m.lines); i++ {
		if m.lines[i][0] == name {
			continue
		}
		if kept != i {
			m.lines[kept] = m.lines[i]
		}
		kept++
	}
	if kept < len(m.lines) {
		m.lines, m.changed = m.lines[:kept], true
	}
}
