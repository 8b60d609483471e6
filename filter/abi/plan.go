package abi

// Plan is what a policy does to nearly every packed map: lines that go, by their
// names, and lines that come, packed already. It does in one pass over the map what
// Map does in several, with a fraction of the code: the filter's code is cold in the
// processor's caches at each response, and costs by its extent. Whatever a plan does
// not foresee is left to Map.
//
// A Plan is immutable once its Add, Drop, Show and Stop have been called.
type Plan struct {
	// first has the number of the first name of each slot, counted from 1, and next that
	// of the one behind it: most lines of a map are found to be none of 40 names by a look.
	first       [planSlots]int32
	next        []int32
	keys        []uint32
	names       []string
	does        []does
	lines       int
	sizes, text string // of the lines that come
}

// does says what to do about a name: a slot to show its value in, and flags.
type does uint8

const (
	slotMask does = 3 // 0 is none
	drop     does = 4
	stop     does = 8
)

// Slots is how many values can be shown; they are numbered from 1.
const Slots = 3

// Add has a line come.
func (p *Plan) Add(name, value string) {
	p.lines++
	p.sizes += string(appendNumber(appendNumber(nil, len(name)), len(value)))
	p.text += name + "\x00" + value + "\x00"
}

// Drop has all lines of the name go.
func (p *Plan) Drop(name string) { p.name(name, drop) }

// Stop has no map taken that has the name.
func (p *Plan) Stop(name string) { p.name(name, stop) }

// Show tells the value of a name in a slot.
func (p *Plan) Show(name string, slot int) { p.name(name, does(slot)) } // #nosec G115 -- up to Slots

func (p *Plan) name(name string, what does) {
	key := keyOf(name)
	for i := range p.names {
		if p.names[i] == name {
			p.does[i] |= what
			return
		}
	}
	slot := slotOf(key)
	p.next = append(p.next, p.first[slot])
	p.first[slot] = int32(len(p.names) + 1) // #nosec G115 -- a configuration has fewer
	p.keys, p.names, p.does = append(p.keys, key), append(p.names, name), append(p.does, what)
}

const planSlots = 128

func slotOf(key uint32) uint32 { return (key * 0x9e3779b1) >> 25 }

// find is called with the first number of the key's slot.
func (p *Plan) find(i int32, key uint32, name string) does {
	for ; i != 0; i = p.next[i-1] {
		if p.keys[i-1] == key && p.names[i-1] == name {
			return p.does[i-1]
		}
	}
	return 0
}

// Bounds of what a plan takes: with more lines the host has more to do for a whole
// map than for edits.
const (
	maxCuts  = 12
	maxPlain = 20
)

// Cuts is one map under a plan. The zero value is ready; Scan gives it a new map.
type Cuts struct {
	packed     string
	lines, end int
	n          int
	cuts       [maxCuts]cut
	// Values are those shown, of the last line of each name, and Counts how many there
	// are; 0 is no slot.
	Values [Slots + 1]string
	Counts [Slots + 1]int
}

type cut struct{ line, from, to int }

// Scan finds what goes. It is false for what is no packed map, and for what the plan
// does not foresee.
//
//go:noinline
func (c *Cuts) Scan(p *Plan, packed string) bool {
	if len(packed) < 4 {
		return false
	}
	n := int(number(packed, 0))
	if n < 0 || n > maxPlain || len(packed) < 4+8*n {
		return false
	}
	c.packed, c.lines, c.n = packed, n, 0
	for slot := range c.Counts {
		c.Counts[slot] = 0
	}
	at := 4 + 8*n
	for i := range n {
		name, value := int(number(packed, 4+8*i)), int(number(packed, 8+8*i))
		if name < 0 || value < 0 || name > len(packed)-at || value > len(packed)-at-name || len(packed)-at-name-value < 2 {
			return false
		}
		from := at
		at += name + value + 2
		key := keyOf(packed[from : from+name])
		if first := p.first[slotOf(key)]; first != 0 {
			if what := p.find(first, key, packed[from:from+name]); what != 0 && !c.meet(what, cut{i, from, at}, name) {
				return false
			}
		}
	}
	c.end = at
	return true
}

// meet does what the plan says of a line.
func (c *Cuts) meet(what does, line cut, name int) bool {
	if what&stop != 0 {
		return false
	}
	if slot := what & slotMask; slot != 0 {
		c.Values[slot] = c.packed[line.from+name+1 : line.to-1]
		c.Counts[slot]++
	}
	if what&drop != 0 {
		if c.n == maxCuts {
			return false
		}
		c.cuts[c.n] = line
		c.n++
	}
	return true
}

// Packed is what the map becomes, packed, with further lines at its end; in the memory
// of dst, if there is enough.
func (c *Cuts) Packed(dst []byte, p *Plan, further [][2]string) []byte {
	dst = roomFor(dst, len(c.packed)+len(p.sizes)+len(p.text)+sizeOf(further))
	at := putNumber(dst, 0, c.lines-c.n+p.lines+len(further))
	from := 4
	for i := range c.n {
		to := 4 + 8*c.cuts[i].line
		at = put(dst, at, c.packed[from:to])
		from = to + 8
	}
	at = put(dst, at, c.packed[from:4+8*c.lines])
	at = put(dst, at, p.sizes)
	for i := range further {
		at = putNumber(dst, putNumber(dst, at, len(further[i][0])), len(further[i][1]))
	}
	from = 4 + 8*c.lines
	for i := range c.n {
		at = put(dst, at, c.packed[from:c.cuts[i].from])
		from = c.cuts[i].to
	}
	at = put(dst, at, c.packed[from:c.end])
	at = put(dst, at, p.text)
	for i := range further {
		for _, s := range further[i] {
			at = put(dst, at, s)
			dst[at] = 0
			at++
		}
	}
	return dst[:at]
}

// sizeOf is what lines take in a packed map.
func sizeOf(lines [][2]string) int {
	size := 0
	for i := range lines {
		size += 8 + len(lines[i][0]) + len(lines[i][1]) + 2
	}
	return size
}

// roomFor is n bytes, of dst or new.
func roomFor(dst []byte, n int) []byte {
	if cap(dst) < n {
		return moreRoom(n)
	}
	return dst[:n]
}

//go:noinline
func moreRoom(n int) []byte { return make([]byte, n, n+n/2) }

// put copies s to its place and returns the next one.
//
//go:noinline
func put(dst []byte, at int, s string) int { return at + copy(dst[at:], s) }

//go:noinline
func putNumber(dst []byte, at, n int) int {
	d := dst[at : at+4]
	d[0], d[1], d[2], d[3] = byte(n), byte(n>>8), byte(n>>16), byte(n>>24) // #nosec G115 -- the number's bytes
	return at + 4
}
