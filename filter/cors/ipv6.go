package cors

import (
	"strconv"
	"strings"
)

// isCanonicalIPv6 tells whether h, "[...]", is an IPv6 address as browsers
// serialise it (URL standard, section 3.6 "IPv6 serializer"): eight groups in
// lower-case hexadecimal without leading zeros, the first longest run of two or
// more zeros as "::", never a dotted quad. An origin in any other form can never
// be sent, so that it is a mistake to allow it. It is here because net/netip
// would be a further part of the Wasm module.
func isCanonicalIPv6(h string) bool {
	if len(h) < 4 || h[0] != '[' || h[len(h)-1] != ']' {
		return false
	}
	text := h[1 : len(h)-1]
	groups, ok := parseIPv6(text)
	return ok && text == formatIPv6(groups)
}

func parseIPv6(s string) (groups [8]uint16, ok bool) {
	front, back, short := strings.Cut(s, "::")
	head, ok := parseGroups(front)
	if !ok {
		return groups, false
	}
	tail, ok := parseGroups(back)
	if !ok || len(head)+len(tail) > 8 || short == (len(head)+len(tail) == 8) {
		return groups, false
	}
	copy(groups[:], head)
	copy(groups[8-len(tail):], tail)
	return groups, true
}

func parseGroups(s string) ([]uint16, bool) {
	if s == "" {
		return nil, true
	}
	var groups []uint16
	for part := range strings.SplitSeq(s, ":") {
		n, err := strconv.ParseUint(part, 16, 16)
		if err != nil || len(groups) == 8 {
			return nil, false
		}
		groups = append(groups, uint16(n))
	}
	return groups, true
}

func formatIPv6(groups [8]uint16) string {
	from, to := longestZeros(groups)
	var b []byte
	for i := 0; i < 8; i++ {
		if i == from {
			b = append(b, "::"...)
			i = to - 1
			continue
		}
		if i > 0 && i != to {
			b = append(b, ':')
		}
		b = strconv.AppendUint(b, uint64(groups[i]), 16)
	}
	return string(b)
}

// longestZeros is the first longest run of two or more zero groups; from is -1
// if there is none.
func longestZeros(groups [8]uint16) (from, to int) {
	from, to = -1, -1
	for i := 0; i < 8; {
		end := i
		for end < 8 && groups[end] == 0 {
			end++
		}
		if end-i >= 2 && end-i > to-from {
			from, to = i, end
		}
		i = max(end, i+1)
	}
	return from, to
}
