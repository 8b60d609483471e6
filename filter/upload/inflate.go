package upload

import "errors"

// inflater decodes DEFLATE (RFC 1951) as the compressed bytes arrive: it can stop
// at any bit and go on with the next chunk. compress/flate wants a reader that
// blocks, which a proxy's callbacks cannot give.
type inflater struct {
	sink   func([]byte) *Refusal // takes the decoded bytes; nil to count only
	window []byte                // the last 32 KiB, as a ring; nil when counting
	wpos   int                   // where the next byte goes
	out    int                   // from where it was not passed on yet

	in    []byte
	given int // length of the chunk that in is the rest of
	bits  uint64
	nbits uint

	state  inflateState
	final  bool
	left   int // bytes of a stored block
	litlen huffman
	dist   huffman
	lit    *huffman // those of the block: litlen and dist, or the fixed ones
	dst    *huffman
	header blockHeader

	consumed int64 // whole input bytes
	produced int64
	limit    int64 // of produced; 0 means none
	// patient says that a bomb is told by limit alone.
	patient bool
	spare   []byte // the window, while only counting
}

type inflateState uint8

const (
	blockStart inflateState = iota
	storedLength
	storedData
	dynamicCounts
	dynamicCodeLengths
	dynamicLengths
	blockData
	inflateDone
)

const windowSize = 32 << 10

var (
	errInflate = errors.New("not DEFLATE")
	errBomb    = errors.New("inflates as bombs do")
	errTooBig  = errors.New("inflates beyond its budget")
)

func newInflater(sink func([]byte) *Refusal) *inflater {
	z := &inflater{sink: sink}
	if sink != nil {
		z.window = make([]byte, windowSize)
	}
	return z
}

// write decodes what it can of b. done means that the last block has ended; rest
// is what follows it. What was decoded before a mistake has been passed on.
func (z *inflater) write(b []byte) (rest []byte, done bool, r *Refusal, err error) {
	if z.state == inflateDone {
		return b, true, nil, nil
	}
	z.in, z.given = b, len(b)
	for err == nil && r == nil {
		var more bool
		more, r, err = z.step()
		if z.state == inflateDone || !more {
			break
		}
	}
	if r == nil {
		r = z.flush()
	}
	rest, z.in = z.in, nil
	if z.state == inflateDone {
		rest = b[len(b)-len(rest)-z.giveBack():]
	}
	z.consumed += int64(len(b) - len(rest))
	return rest, z.state == inflateDone, r, err
}

// giveBack is how many whole bytes were read ahead. They are always of the last
// chunk: what one symbol lacked is the most that is kept across chunks.
func (z *inflater) giveBack() int {
	whole := int(z.nbits / 8)
	z.nbits, z.bits = 0, 0
	return whole
}

func (z *inflater) fill() {
	for z.nbits <= 48 && len(z.in) > 0 {
		z.bits |= uint64(z.in[0]) << z.nbits
		z.nbits += 8
		z.in = z.in[1:]
	}
}

func (z *inflater) take(n uint) (int, bool) {
	if z.nbits < n {
		z.fill()
		if z.nbits < n {
			return 0, false
		}
	}
	v := int(z.bits & (1<<n - 1)) // #nosec G115 -- at most 32 bits
	z.bits >>= n
	z.nbits -= n
	return v, true
}

func (z *inflater) step() (more bool, r *Refusal, err error) {
	switch z.state {
	case blockStart:
		return z.blockStart()
	case storedLength:
		return z.storedLength()
	case storedData:
		return z.stored()
	case dynamicCounts, dynamicCodeLengths, dynamicLengths:
		more, err = z.dynamic()
		return more, nil, err
	case blockData:
		return z.block()
	default:
		return false, nil, nil
	}
}

func (z *inflater) blockStart() (bool, *Refusal, error) {
	v, ok := z.take(3)
	if !ok {
		return false, nil, nil
	}
	z.final = v&1 == 1
	switch v >> 1 {
	case 0:
		z.bits >>= z.nbits % 8
		z.nbits -= z.nbits % 8
		z.state = storedLength
	case 1:
		z.lit, z.dst = &fixedCodes.litlen, &fixedCodes.dist
		z.state = blockData
	case 2:
		z.state = dynamicCounts
	default:
		return false, nil, errInflate
	}
	return true, nil, nil
}

func (z *inflater) storedLength() (bool, *Refusal, error) {
	v, ok := z.take(32)
	if !ok {
		return false, nil, nil
	}
	if v&0xffff != ^(v>>16)&0xffff {
		return false, nil, errInflate
	}
	z.left = v & 0xffff
	z.state = storedData
	return true, nil, nil
}

func (z *inflater) stored() (bool, *Refusal, error) {
	for z.left > 0 {
		if z.rushStored(); z.left == 0 {
			break
		}
		v, ok := z.take(8)
		if !ok {
			return false, nil, nil
		}
		z.left--
		if r, err := z.emit(byte(v)); r != nil || err != nil { // #nosec G115 -- eight bits
			return false, r, err
		}
	}
	z.endBlock()
	return true, nil, nil
}

func (z *inflater) endBlock() {
	z.state = blockStart
	if z.final {
		z.state = inflateDone
	}
}

func (z *inflater) emit(c byte) (*Refusal, error) {
	z.produced++
	if z.limit > 0 && z.produced > z.limit {
		return nil, errTooBig
	}
	if z.window == nil {
		return nil, nil
	}
	z.window[z.wpos] = c
	if z.wpos++; z.wpos == windowSize {
		r := z.flush()
		z.wpos, z.out = 0, 0
		if r == nil && z.isBomb() {
			return nil, errBomb
		}
		return r, nil
	}
	return nil, nil
}

// isBomb compares output and input. It is asked at fixed places of the output, so
// that the answer does not depend on how the input is cut.
func (z *inflater) isBomb() bool {
	used := z.consumed + int64(z.given-len(z.in)) - int64(z.nbits/8) // #nosec G115 -- at most 7
	return !z.patient && z.produced > bombSize && z.produced > bombRatio*max(used, 1)
}

func (z *inflater) flush() *Refusal {
	if z.window == nil || z.out == z.wpos {
		return nil
	}
	fresh := z.window[z.out:z.wpos]
	z.out = z.wpos
	return z.sink(fresh)
}

// block decodes symbols (RFC 1951 section 3.2.5). A length and its distance are
// taken together or not at all: 48 bits at most.
func (z *inflater) block() (bool, *Refusal, error) {
	for {
		z.rush()
		z.fill()
		bits, n := z.bits, z.nbits
		symbol, used := z.lit.decode(bits, n)
		if used <= 0 {
			return false, nil, starved(used, n)
		}
		bits, n = bits>>uint(used), n-uint(used)
		switch {
		case symbol < 256:
			z.bits, z.nbits = bits, n
			if r, err := z.emit(byte(symbol)); r != nil || err != nil { // #nosec G115 -- below 256
				return false, r, err
			}
			continue
		case symbol == 256:
			z.bits, z.nbits = bits, n
			z.endBlock()
			return true, nil, nil
		case symbol > 285:
			return false, nil, errInflate
		}
		length, distance, bits, n, err := z.match(symbol-257, bits, n)
		if length == 0 {
			return false, nil, err
		}
		z.bits, z.nbits = bits, n
		if r, err := z.copyMatch(length, distance); r != nil || err != nil {
			return false, r, err
		}
	}
}

// starved tells a code that does not exist from one whose end is missing.
func starved(used int, n uint) error {
	if used < 0 || n >= maxCodeBits {
		return errInflate
	}
	return nil
}

func (z *inflater) match(code int, bits uint64, n uint) (length, distance int, rest uint64, left uint, err error) {
	extra := uint(lengthExtra[code])
	if n < extra {
		return 0, 0, 0, 0, nil
	}
	length = int(lengthBase[code]) + int(bits&(1<<extra-1)) // #nosec G115 -- at most 5 bits
	bits, n = bits>>extra, n-extra
	symbol, used := z.dst.decode(bits, n)
	if used <= 0 {
		return 0, 0, 0, 0, starved(used, n)
	}
	if symbol > 29 {
		return 0, 0, 0, 0, errInflate
	}
	bits, n = bits>>uint(used), n-uint(used)
	extra = uint(distExtra[symbol])
	if n < extra {
		return 0, 0, 0, 0, nil
	}
	distance = int(distBase[symbol]) + int(bits&(1<<extra-1)) // #nosec G115 -- at most 13 bits
	return length, distance, bits >> extra, n - extra, nil
}

func (z *inflater) copyMatch(length, distance int) (*Refusal, error) {
	if int64(distance) > z.produced {
		return nil, errInflate
	}
	if z.window == nil {
		z.produced += int64(length)
		if z.limit > 0 && z.produced > z.limit {
			return nil, errTooBig
		}
		return nil, nil
	}
	from := (z.wpos - distance) & (windowSize - 1)
	for range length {
		if r, err := z.emit(z.window[from]); r != nil || err != nil {
			return r, err
		}
		from = (from + 1) & (windowSize - 1)
	}
	return nil, nil
}

// countOnly goes on without keeping what is decoded. It must not be called from the
// sink.
func (z *inflater) countOnly() {
	if z.window != nil {
		z.spare, z.window, z.sink = z.window, nil, nil
	}
}

// reset makes the inflater ready for the next stream, in the same memory.
func (z *inflater) reset(sink func([]byte) *Refusal) {
	if sink != nil && z.window == nil {
		if z.window, z.spare = z.spare, nil; z.window == nil {
			z.window = make([]byte, windowSize)
		}
	}
	z.sink, z.wpos, z.out = sink, 0, 0
	z.in, z.bits, z.nbits = nil, 0, 0
	z.state, z.final, z.consumed, z.produced = blockStart, false, 0, 0
}
