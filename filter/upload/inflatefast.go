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
)

// rush decodes symbols of a block while that is simple.
func (z *inflater) rush() {
	room := z.rushRoom()
	if room <= 0 || len(z.in) < rushInput {
		return
	}
	var (
		in, bits, n  = z.in, z.bits, z.nbits
		window, from = z.window, z.wpos
		lit, dst     = &z.lit.fast, &z.dst.fast
		at, end      = from, from + room
	)
	for at < end && len(in) >= rushInput {
		bits |= binary.LittleEndian.Uint64(in) << n
		in = in[(63-n)>>3:]
		n |= 56
		e := lit[bits&(1<<fastBits-1)]
		symbol, used := int(e>>4), uint(e&15)
		if e != 0 && symbol < 256 {
			if window != nil {
				window[at&(windowSize-1)] = byte(symbol) // #nosec G115 -- below 256
			}
			at, bits, n = at+1, bits>>used, n-used
			continue
		}
		if symbol < 257 || symbol > 285 { // a long code, the end of the block, or none
			break
		}
		length, distance, all := rushMatch(symbol-257, bits>>used, dst)
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

// rushRoom is how much may be decoded before something has to be looked at: the
// window's end, or the limit.
func (z *inflater) rushRoom() int {
	room := windowSize - longestMatch - 1
	if z.window != nil {
		room -= z.wpos
	}
	if z.limit > 0 && z.produced+windowSize > z.limit {
		return 0
	}
	return room
}

// rushMatch is match for short codes; all is 0 for any other.
func rushMatch(code int, bits uint64, dst *[1 << fastBits]uint16) (length, distance int, all uint) {
	extra := uint(lengthExtra[code])
	length = int(lengthBase[code]) + int(bits&(1<<extra-1)) // #nosec G115 -- at most 5 bits
	bits >>= extra
	e := dst[bits&(1<<fastBits-1)]
	symbol, used := e>>4, uint(e&15)
	if e == 0 || symbol > 29 {
		return 0, 0, 0
	}
	bits >>= used
	more := uint(distExtra[symbol])
	distance = int(distBase[symbol]) + int(bits&(1<<more-1)) // #nosec G115 -- at most 13 bits
	return length, distance, extra + used + more
}

// repeat copies a match to at, which it does not pass the window's end from.
func repeat(window []byte, at, length, distance int) {
	source := at - distance
	if source >= 0 && distance >= length {
		copy(window[at:at+length], window[source:source+length])
		return
	}
	for i := range length { // it overlaps itself, or begins before the window does
		window[at+i] = window[(source+i)&(windowSize-1)]
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
