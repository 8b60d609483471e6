package abi

import "slices"

// A packed map is, in little endian: the number of lines, the lengths of name
// and value of each, and then names and values, each followed by a NUL
// (proxy-wasm ABI 0.2, "serialized maps").

// maxLines bounds what is taken for a map; Envoy's own bound on headers is 100
// unless configured otherwise.
const maxLines = 16 << 10

// Unpack appends the lines of a packed map to dst; the strings are parts of
// packed. It is false, with dst as it was, if packed is no packed map.
func Unpack(dst [][2]string, packed string) ([][2]string, bool) {
	if packed == "" {
		return dst, true
	}
	if len(packed) < 4 {
		return dst, false
	}
	n := int(number(packed, 0))
	if n < 0 || n > maxLines || len(packed) < 4+8*n {
		return dst, false
	}
	at, first := 4+8*n, len(dst)
	out := dst
	if cap(out)-first < n {
		out = moreLines(dst, n)
	}
	out = out[:first+n]
	lines, sizes := out[first:], packed[4:at]
	for i := range lines {
		name, value := int(number(sizes, 8*i)), int(number(sizes, 8*i+4))
		if name < 0 || value < 0 || name > len(packed)-at || value > len(packed)-at-name || len(packed)-at-name-value < 2 {
			return dst, false
		}
		lines[i][0], lines[i][1] = packed[at:at+name], packed[at+name+1:at+name+1+value]
		at += name + value + 2
	}
	return out, true
}

//go:noinline
func moreLines(dst [][2]string, n int) [][2]string { return slices.Grow(dst, n) }

// appendLine appends without a line of its own in between: compiled to Wasm, that
// would be a call of memory.copy for each.
func appendLine(dst [][2]string, name, value string) [][2]string {
	n := len(dst)
	if n == cap(dst) {
		return growLines(dst, name, value)
	}
	dst = dst[:n+1]
	dst[n][0], dst[n][1] = name, value
	return dst
}

//go:noinline
func growLines(dst [][2]string, name, value string) [][2]string {
	return append(dst, [2]string{name, value})
}

// appendMark does for a mark what appendLine does for a line.
func appendMark(dst []mark, key uint32, s state) []mark {
	n := len(dst)
	if n == cap(dst) {
		return growMarks(dst, key, s)
	}
	dst = dst[:n+1]
	dst[n].key, dst[n].state = key, s
	return dst
}

//go:noinline
func growMarks(dst []mark, key uint32, s state) []mark { return append(dst, mark{key, s}) }

// appendName does for a name what appendLine does for a line.
func appendName(dst []string, name string) []string {
	n := len(dst)
	if n == cap(dst) {
		return growNames(dst, name)
	}
	dst = dst[:n+1]
	dst[n] = name
	return dst
}

//go:noinline
func growNames(dst []string, name string) []string {
	return append(dst, name)
}

func number(s string, at int) uint32 {
	s = s[at : at+4]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

// Pack appends the packed form of lines to dst.
func Pack(dst []byte, lines [][2]string) []byte {
	dst = appendNumber(dst, len(lines))
	for i := range lines {
		dst = appendNumber(dst, len(lines[i][0]))
		dst = appendNumber(dst, len(lines[i][1]))
	}
	for i := range lines {
		dst = append(append(dst, lines[i][0]...), 0)
		dst = append(append(dst, lines[i][1]...), 0)
	}
	return dst
}

func appendNumber(dst []byte, n int) []byte {
	return append(dst, byte(n), byte(n>>8), byte(n>>16), byte(n>>24)) // #nosec G115 -- the number's bytes
}
