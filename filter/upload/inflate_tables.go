package upload

import "math/bits"

// The longest code, and how much of one is looked up at once.
const (
	maxCodeBits = 15
	fastBits    = 9
)

// huffman decodes canonical codes (RFC 1951 section 3.2.2).
type huffman struct {
	fast    [1 << fastBits]uint16 // symbol<<4 | length, by the next bits
	count   [maxCodeBits + 1]uint16
	symbols [288]uint16
}

// build makes the decoder of these code lengths; false if they oversubscribe.
func (h *huffman) build(lengths []uint8) bool {
	clear(h.fast[:])
	clear(h.count[:])
	for _, n := range lengths {
		h.count[n]++
	}
	h.count[0] = 0
	left := 1
	var next, offset [maxCodeBits + 2]int
	code := 0
	for n := 1; n <= maxCodeBits; n++ {
		left = left<<1 - int(h.count[n])
		if left < 0 {
			return false
		}
		code = (code + int(h.count[n-1])) << 1
		next[n] = code
		offset[n+1] = offset[n] + int(h.count[n])
	}
	for symbol, n := range lengths {
		if n == 0 {
			continue
		}
		h.symbols[offset[n]] = uint16(symbol) // #nosec G115 -- fewer than 288
		offset[n]++
		if n <= fastBits {
			h.enter(next[n], n, symbol)
		}
		next[n]++
	}
	return true
}

func (h *huffman) enter(code int, n uint8, symbol int) {
	reversed := int(bits.Reverse16(uint16(code)) >> (16 - n)) // #nosec G115 -- at most 9 bits
	for i := reversed; i < 1<<fastBits; i += 1 << n {
		h.fast[i] = uint16(symbol<<4) | uint16(n) // #nosec G115 -- fewer than 288
	}
}

// decode finds the next symbol among n bits. used is its length, 0 if n bits are
// not enough, negative if no code begins so.
func (h *huffman) decode(b uint64, n uint) (symbol, used int) {
	if e := h.fast[b&(1<<fastBits-1)]; e != 0 {
		if uint(e&15) > n {
			return 0, 0
		}
		return int(e >> 4), int(e & 15)
	}
	code, first, index := 0, 0, 0
	for l := 1; l <= maxCodeBits; l++ {
		if uint(l) > n {
			return 0, 0
		}
		code |= int(b & 1)
		b >>= 1
		count := int(h.count[l])
		if code-count < first {
			return int(h.symbols[index+code-first]), l
		}
		index += count
		first = (first + count) << 1
		code <<= 1
	}
	return 0, -1
}

// Lengths and distances (RFC 1951 section 3.2.5).
var (
	lengthBase = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}

	lengthExtra = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}

	distBase = [30]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}

	distExtra = [30]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}

	codeOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
)

// blockHeader is a dynamic block's description while it is being read.
type blockHeader struct {
	nlen, ndist, ncode int
	have               int
	lengths            [320]uint8
}

// fixedCodes are those of RFC 1951 section 3.2.6; made once and never written to.
var fixedCodes = makeFixedCodes()

type codes struct{ litlen, dist huffman }

func makeFixedCodes() *codes {
	var lengths [288]uint8
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 8
		}
	}
	c := &codes{}
	c.litlen.build(lengths[:])
	var dist [30]uint8
	for i := range dist {
		dist[i] = 5
	}
	c.dist.build(dist[:])
	return c
}

// dynamic reads a block's code lengths (RFC 1951 section 3.2.7).
func (z *inflater) dynamic() (more bool, err error) {
	h := &z.header
	switch z.state {
	case dynamicCounts:
		v, ok := z.take(14)
		if !ok {
			return false, nil
		}
		*h = blockHeader{nlen: v&31 + 257, ndist: v>>5&31 + 1, ncode: v>>10 + 4}
		if h.nlen > 286 || h.ndist > 30 {
			return false, errInflate
		}
		z.state = dynamicCodeLengths
	case dynamicCodeLengths:
		for ; h.have < h.ncode; h.have++ {
			v, ok := z.take(3)
			if !ok {
				return false, nil
			}
			h.lengths[codeOrder[h.have]] = uint8(v) // #nosec G115 -- three bits
		}
		if !z.litlen.build(h.lengths[:19]) {
			return false, errInflate
		}
		h.have, h.lengths = 0, [320]uint8{}
		z.state = dynamicLengths
	default:
		return z.codeLengths()
	}
	return true, nil
}

func (z *inflater) codeLengths() (more bool, err error) {
	h := &z.header
	for h.have < h.nlen+h.ndist {
		z.fill()
		symbol, used := z.litlen.decode(z.bits, z.nbits)
		if used <= 0 {
			return false, starved(used, z.nbits)
		}
		extra, base := uint(0), 0
		switch symbol {
		case 16:
			extra, base = 2, 3
		case 17:
			extra, base = 3, 3
		case 18:
			extra, base = 7, 11
		}
		if z.nbits < uint(used)+extra { // #nosec G115 -- positive
			return false, nil
		}
		repeat := base + int(z.bits>>uint(used)&(1<<extra-1)) // #nosec G115 -- at most 7 bits
		z.bits >>= uint(used) + extra
		z.nbits -= uint(used) + extra
		if !h.set(symbol, repeat) {
			return false, errInflate
		}
	}
	if h.lengths[256] == 0 || !z.litlen.build(h.lengths[:h.nlen]) || !z.dist.build(h.lengths[h.nlen:h.nlen+h.ndist]) {
		return false, errInflate
	}
	z.lit, z.dst, z.state = &z.litlen, &z.dist, blockData
	return true, nil
}

func (h *blockHeader) set(symbol, repeat int) bool {
	if symbol < 16 {
		h.lengths[h.have] = uint8(symbol) // #nosec G115 -- fewer than 16
		h.have++
		return true
	}
	if symbol == 16 && h.have == 0 || h.have+repeat > h.nlen+h.ndist {
		return false
	}
	value := uint8(0)
	if symbol == 16 {
		value = h.lengths[h.have-1]
	}
	for range repeat {
		h.lengths[h.have] = value
		h.have++
	}
	return true
}
