package upload

import "errors"

// pdfDecoder undoes one filter of a PDF's stream (ISO 32000-2, 7.4). done says that
// the data have ended as they say themselves.
type pdfDecoder interface {
	write(b []byte, out func([]byte) *Refusal) (done bool, r *Refusal, err error)
}

var errPDFData = errors.New("not what the filter says")

// pdfPiece is how much is decoded at a time, in bytes.
const pdfPiece = 256

// pieces gathers what a decoder makes.
type pieces struct {
	buf []byte
	out func([]byte) *Refusal
}

func (p *pieces) add(c byte) *Refusal {
	if p.buf = append(p.buf, c); len(p.buf) < pdfPiece {
		return nil
	}
	return p.flush()
}

func (p *pieces) flush() *Refusal {
	if len(p.buf) == 0 {
		return nil
	}
	r := p.out(p.buf)
	p.buf = p.buf[:0]
	return r
}

// byBytes feeds a decoder that takes a byte at a time.
func byBytes(p *pieces, b []byte, out func([]byte) *Refusal, take func(c byte) (bool, *Refusal, error)) (bool, *Refusal, error) {
	p.out = out
	for _, c := range b {
		done, r, err := take(c)
		if done || r != nil || err != nil {
			if r == nil {
				r = p.flush()
			}
			return done, r, err
		}
	}
	return false, p.flush(), nil
}

// asciiHex is 7.4.2.
type asciiHex struct {
	pieces
	high byte
	half bool
}

func (d *asciiHex) write(b []byte, out func([]byte) *Refusal) (bool, *Refusal, error) {
	return byBytes(&d.pieces, b, out, d.take)
}

func (d *asciiHex) take(c byte) (bool, *Refusal, error) {
	switch {
	case isPDFSpace(c):
		return false, nil, nil
	case c == '>' && d.half:
		v, _ := unhex(d.high, '0')
		return true, d.add(v), nil
	case c == '>':
		return true, nil, nil
	}
	if !d.half {
		d.high, d.half = c, true
		_, ok := unhex('0', c)
		return false, nil, pdfDataError(ok)
	}
	d.half = false
	v, ok := unhex(d.high, c)
	if !ok {
		return false, nil, errPDFData
	}
	return false, d.add(v), nil
}

func pdfDataError(ok bool) error {
	if ok {
		return nil
	}
	return errPDFData
}

// ascii85 is 7.4.3.
type ascii85 struct {
	pieces
	value uint64
	n     int
}

func (d *ascii85) write(b []byte, out func([]byte) *Refusal) (bool, *Refusal, error) {
	d.out = out
	for len(b) > 0 {
		if n, r := d.groups(b); n > 0 {
			if b = b[n:]; r != nil {
				return false, r, nil
			}
			continue
		}
		done, r, err := d.take(b[0])
		if done || r != nil || err != nil {
			if r == nil {
				r = d.flush()
			}
			return done, r, err
		}
		b = b[1:]
	}
	return false, d.flush(), nil
}

// groups decodes whole groups of five that stand together, up to the next piece's
// end, and tells how many bytes they are.
func (d *ascii85) groups(b []byte) (n int, r *Refusal) {
	if d.n > 0 || len(d.buf)%4 != 0 {
		return 0, nil
	}
	for ; len(b)-n >= 5; n += 5 {
		g := b[n : n+5]
		c0, c1, c2, c3, c4 := g[0]-'!', g[1]-'!', g[2]-'!', g[3]-'!', g[4]-'!'
		if c0 > 84 || c1 > 84 || c2 > 84 || c3 > 84 || c4 > 84 {
			return n, nil
		}
		v := (((uint64(c0)*85+uint64(c1))*85+uint64(c2))*85+uint64(c3))*85 + uint64(c4)
		d.buf = append(d.buf, byte(v>>24), byte(v>>16), byte(v>>8), byte(v)) // #nosec G115 -- one byte of it each
		if len(d.buf) >= pdfPiece {
			return n + 5, d.flush()
		}
	}
	return n, nil
}

func (d *ascii85) take(c byte) (bool, *Refusal, error) {
	switch {
	case isPDFSpace(c):
		return false, nil, nil
	case c == 'z' && d.n == 0:
		return false, d.group(4), nil
	case c == '~':
		return true, d.rest(), nil
	case c < '!' || c > 'u':
		return false, nil, errPDFData
	}
	d.value = d.value*85 + uint64(c-'!')
	if d.n++; d.n < 5 {
		return false, nil, nil
	}
	return false, d.group(4), nil
}

// rest is a last group that is not full.
func (d *ascii85) rest() *Refusal {
	if d.n < 2 {
		return nil
	}
	bytes := d.n - 1
	for ; d.n < 5; d.n++ {
		d.value = d.value*85 + 84
	}
	return d.group(bytes)
}

func (d *ascii85) group(n int) *Refusal {
	v := d.value
	d.value, d.n = 0, 0
	for i := range n {
		if r := d.add(byte(v >> (24 - 8*i))); r != nil { // #nosec G115 -- one byte of it
			return r
		}
	}
	return nil
}

// runLength is 7.4.5.
type runLength struct {
	pieces
	literal int // bytes to copy
	repeat  int // times the next byte counts
}

func (d *runLength) write(b []byte, out func([]byte) *Refusal) (bool, *Refusal, error) {
	return byBytes(&d.pieces, b, out, d.take)
}

func (d *runLength) take(c byte) (bool, *Refusal, error) {
	switch {
	case d.literal > 0:
		d.literal--
		return false, d.add(c), nil
	case d.repeat > 0:
		for ; d.repeat > 0; d.repeat-- {
			if r := d.add(c); r != nil {
				return false, r, nil
			}
		}
	case c < 128:
		d.literal = int(c) + 1
	case c > 128:
		d.repeat = 257 - int(c)
	default:
		return true, nil, nil
	}
	return false, nil, nil
}

// lzw is 7.4.4: codes of 9 to 12 bits, the highest bit first.
type lzw struct {
	pieces
	early  int // codes grow that many codes early
	prefix [4096]uint16
	last   [4096]byte
	stack  [4096]byte
	next   int
	before int // the code before, -1 behind a clear
	first  byte
	bits   uint32
	nbits  uint
}

const (
	lzwClear = 256
	lzwEnd   = 257
)

// earlyChange is 1 unless the dictionary says otherwise (table 8).
func (p pdfParams) earlyChange() int {
	if p.earlySaid {
		return min(p.early, 1)
	}
	return 1
}

func newLZW(early int) *lzw { return &lzw{early: early, next: lzwEnd + 1, before: -1} }

func (d *lzw) write(b []byte, out func([]byte) *Refusal) (bool, *Refusal, error) {
	return byBytes(&d.pieces, b, out, d.take)
}

func (d *lzw) width() uint {
	switch n := d.next + d.early; {
	case n >= 2048:
		return 12
	case n >= 1024:
		return 11
	case n >= 512:
		return 10
	}
	return 9
}

func (d *lzw) take(c byte) (bool, *Refusal, error) {
	d.bits = d.bits<<8 | uint32(c)
	d.nbits += 8
	w := d.width()
	if d.nbits < w {
		return false, nil, nil
	}
	d.nbits -= w
	return d.code(int(d.bits >> d.nbits & (1<<w - 1)))
}

func (d *lzw) code(code int) (bool, *Refusal, error) {
	switch {
	case code == lzwEnd:
		return true, nil, nil
	case code == lzwClear:
		d.next, d.before = lzwEnd+1, -1
		return false, nil, nil
	case d.before < 0 && code > 255, code > d.next, code == d.next && d.next >= 4096:
		return false, nil, errPDFData
	}
	n, at := 0, code
	if code == d.next {
		d.stack[n] = d.first
		n, at = 1, d.before
	}
	for ; at > lzwEnd && n < len(d.stack)-1; n++ {
		d.stack[n] = d.last[at]
		at = int(d.prefix[at])
	}
	d.first = byte(at) // #nosec G115 -- a code below 256
	d.stack[n] = d.first
	if d.before >= 0 && d.next < 4096 {
		d.prefix[d.next], d.last[d.next] = uint16(d.before), d.first // #nosec G115 -- below 4096
		d.next++
	}
	d.before = code
	for ; n >= 0; n-- {
		if r := d.add(d.stack[n]); r != nil {
			return false, r, nil
		}
	}
	return false, nil, nil
}

// predicted undoes a predictor (7.4.4.4): of PNG, whose rows tell how they were
// made, or of TIFF, where each byte is the difference to the one before.
type predicted struct {
	pieces
	tiff   bool
	bpp    int // bytes a pixel
	row    []byte
	before []byte
	at     int
	how    byte
	inRow  bool
}

// maxPDFRow bounds a row of object streams, which have no more than a few columns.
const maxPDFRow = 4096

func newPredicted(p pdfParams) (*predicted, bool) {
	columns, colours, bits := orDefault(p.columns, 1), orDefault(p.colours, 1), orDefault(p.bits, 8)
	if columns > maxPDFRow*8 || colours > 32 || bits > 16 {
		return nil, false
	}
	row := (columns*colours*bits + 7) / 8
	if row > maxPDFRow || p.predictor == 2 && bits != 8 {
		return nil, false
	}
	return &predicted{tiff: p.predictor == 2, bpp: max(1, colours*bits/8), row: make([]byte, row), before: make([]byte, row)}, true
}

func orDefault(v, otherwise int) int {
	if v == 0 {
		return otherwise
	}
	return v
}

func (d *predicted) write(b []byte, out func([]byte) *Refusal) (bool, *Refusal, error) {
	return byBytes(&d.pieces, b, out, d.take)
}

func (d *predicted) take(c byte) (bool, *Refusal, error) {
	if !d.inRow && !d.tiff {
		if c > 4 {
			return false, nil, errPDFData
		}
		d.how, d.inRow = c, true
		return false, nil, nil
	}
	c += d.guess()
	d.row[d.at] = c
	if d.at++; d.at == len(d.row) {
		d.row, d.before = d.before, d.row
		d.at, d.inRow = 0, false
	}
	return false, d.add(c), nil
}

// guess is what the predictor says the byte would be.
func (d *predicted) guess() byte {
	var left, above, corner int
	if d.at >= d.bpp {
		left, corner = int(d.row[d.at-d.bpp]), int(d.before[d.at-d.bpp])
	}
	above = int(d.before[d.at])
	how := d.how
	if d.tiff {
		how = 1
	}
	switch how {
	case 1:
		return byte(left) // #nosec G115 -- was a byte
	case 2:
		return byte(above) // #nosec G115 -- was a byte
	case 3:
		return byte((left + above) / 2) // #nosec G115 -- mean of bytes
	case 4:
		return byte(paeth(left, above, corner)) // #nosec G115 -- one of them
	}
	return 0
}

// paeth is PNG 3, section 9.4.
func paeth(left, above, corner int) int {
	p := left + above - corner
	l, a, c := abs(p-left), abs(p-above), abs(p-corner)
	switch {
	case l <= a && l <= c:
		return left
	case a <= c:
		return above
	}
	return corner
}

func abs(n int) int { return max(n, -n) }
