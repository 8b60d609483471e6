package upload

import "encoding/binary"

// The fast half of the inflater: what nearly all of a stream is made of, taken as
// long as there is enough input for the longest symbol and enough room for the
// longest match. Everything else, every mistake included, is left to the slow half,
// which alone says what is wrong.

const (
	longestMatch = 258
	// rushInput is how much input a round may read ahead.
	rushInput = 8
	// wordRoom is what may be touched behind the longest match, or written before it.
	wordRoom = 8
)

// rush decodes symbols of a block while that is simple. Of what is read ahead at
// once, three short codes of bytes can be taken, or a length and its distance, which
// are 48 bits at most.
func (z *inflater) rush() {
	room := z.rushRoom()
	if room <= 0 || len(z.in) < rushInput {
		return
	}
	var (
		in, bits, n  = z.in, z.bits, z.nbits
		window, from = z.window, z.wpos
		lit          = z.lit
		at, end      = from, from + room
	)
	for at < end && len(in) >= rushInput {
		bits |= binary.LittleEndian.Uint64(in) << n
		in = in[(63-n)>>3:]
		n |= 56
		e := lit.fast[bits&(1<<fastBits-1)]
		if e-1 < literalEntries {
			used := uint(e & 15)
			bits, n = bits>>used, n-used
			second := lit.fast[bits&(1<<fastBits-1)]
			if second-1 >= literalEntries {
				put(window, at, e)
				at++
				continue
			}
			used = uint(second & 15)
			bits, n = bits>>used, n-used
			put(window, at, e)
			put(window, at+1, second)
			at += 2
			continue
		}
		symbol, used := int(e>>4), uint(e&15)
		if e == 0 {
			long, width := lit.decode(bits, n)
			if width <= 0 {
				break
			}
			symbol, used = long, uint(width)
			if symbol < 256 {
				put(window, at, uint16(symbol<<4)) // #nosec G115 -- below 256
				at, bits, n = at+1, bits>>used, n-used
				continue
			}
		}
		if symbol == 256 || symbol > 285 { // the end of the block, or none
			break
		}
		length, distance, all := rushMatch(symbol-257, bits>>used, z.dst)
		if all == 0 || int64(distance) > z.produced+int64(at-from) {
			break
		}
		bits, n = bits>>(used+all), n-used-all
		if window != nil {
			repeat(window, at, length, distance)
		}
		at += length
	}
	z.in, z.bits, z.nbits = in, bits&(1<<n-1), n
	z.produced += int64(at - from)
	if window != nil {
		z.wpos = at
	}
}

// literalEntries parts the entries of bytes from the others, zero excepted.
const literalEntries = 256<<4 - 1

// put writes the byte of a table's entry, unless bytes are only counted.
func put(window []byte, at int, entry uint16) {
	if window != nil {
		window[at&(windowSize-1)] = byte(entry >> 4) // #nosec G115 -- of a byte
	}
}

// rushRoom is how much may be decoded before something has to be looked at: the
// window's end, or the limit.
func (z *inflater) rushRoom() int {
	room := windowSize - longestMatch - wordRoom
	if z.window != nil {
		room -= z.wpos
	}
	if z.limit > 0 && z.produced+windowSize > z.limit {
		return 0
	}
	return room
}

// rushMatch is match where there are bits enough; all is 0 for what is none.
func rushMatch(code int, bits uint64, dst *huffman) (length, distance int, all uint) {
	extra := uint(lengthExtra[code])
	length = int(lengthBase[code]) + int(bits&(1<<extra-1)) // #nosec G115 -- at most 5 bits
	bits >>= extra
	e := dst.fast[bits&(1<<fastBits-1)]
	symbol, used := int(e>>4), uint(e&15)
	if e == 0 {
		long, width := dst.decode(bits, maxCodeBits)
		if width <= 0 {
			return 0, 0, 0
		}
		symbol, used = long, uint(width)
	}
	if symbol > 29 {
		return 0, 0, 0
	}
	bits >>= used
	more := uint(distExtra[symbol])
	distance = int(distBase[symbol]) + int(bits&(1<<more-1)) // #nosec G115 -- at most 13 bits
	return length, distance, extra + used + more
}

// repeat copies a match to at, from where the window does not end within wordRoom behind it.
func repeat(window []byte, at, length, distance int) {
	source := at - distance
	if source < 0 || distance < 8 { // it begins before the window does, or overlaps itself
		for i := range length {
			window[at+i] = window[(source+i)&(windowSize-1)]
		}
		return
	}
	if length > 64 && distance >= length {
		copy(window[at:at+length], window[source:source+length])
		return
	}
	// Words, of the last one as much as there is to be: behind it is what was written a
	// window ago, and can be referred to.
	le := binary.LittleEndian
	for ; length >= 8; length -= 8 {
		le.PutUint64(window[at:], le.Uint64(window[source:]))
		at, source = at+8, source+8
	}
	keep := ^uint64(0) << (uint(length) * 8 & 63) // #nosec G115 -- below 8
	if length > 0 {
		le.PutUint64(window[at:], le.Uint64(window[at:])&keep|le.Uint64(window[source:])&^keep)
	}
}

// rushStored takes a stored block's bytes together, but for those that end the
// window.
func (z *inflater) rushStored() {
	n := min(z.left, len(z.in), z.rushRoom())
	if n <= 0 || z.nbits >= 8 {
		return
	}
	if z.window != nil {
		copy(z.window[z.wpos:], z.in[:n])
		z.wpos += n
	}
	z.in, z.left, z.produced = z.in[n:], z.left-n, z.produced+int64(n)
}
