package upload

import (
	"strings"

	"gatehouse/filter/upload/internal/blocks"
)

// fileValue is a string of JSON that holds a file, in base64 or as a data: URL
// of base64. It takes only what all decoders read alike: no letters of another
// alphabet (which some drop), no white space but line ends, no padding but at the
// end, and no bits behind the last byte.
type fileValue struct {
	carrier *jsonBody
	field   *jsonField
	head    []byte // of what may be a data: URL
	coded   bool   // the head is over: base64 follows
	file    *file
	bits    uint32
	letters int // of the group of four that is being read
	pads    int
	out     []byte
	sextets [256]byte
	filled  bool
}

// maxDataHead bounds what stands before the comma of a data: URL.
const maxDataHead = 512

// decodedPiece is how many bytes go to the file at once.
const decodedPiece = 3 << 10

const dataScheme = "data:"

func notBase64(why string) *Refusal { return refuse("GH-JSN-002", "a JSON field with "+why) }

func (v *fileValue) write(b []byte) *Refusal {
	for !v.coded && len(b) > 0 {
		v.head = append(v.head, b[0])
		b = b[1:]
		if r := v.begin(); r != nil {
			return r
		}
	}
	return v.decode(b)
}

// begin tells a data: URL from base64, which has no colon.
func (v *fileValue) begin() *Refusal {
	n := min(len(v.head), len(dataScheme))
	if blocks.String(v.head[:n]) != dataScheme[:n] {
		return v.plain()
	}
	if v.head[len(v.head)-1] == ',' {
		return v.dataURL(string(v.head[len(dataScheme) : len(v.head)-1]))
	}
	if len(v.head) > maxDataHead {
		return notBase64("a data: URL whose head is longer than 512 bytes")
	}
	return nil
}

// plain: the head was base64 itself.
func (v *fileValue) plain() *Refusal {
	head := v.head
	v.coded, v.head = true, nil
	var r *Refusal
	if v.file, r = v.carrier.open(v.field, "", ""); r != nil {
		return r
	}
	return v.decode(head)
}

// dataURL reads type;parameters;base64. Some libraries put the file's name there.
func (v *fileValue) dataURL(head string) *Refusal {
	media, coded := strings.CutSuffix(head, ";base64")
	if !coded {
		return notBase64("a data: URL that is not in base64")
	}
	name := ""
	media, params, _ := strings.Cut(media, ";")
	if kind, sub, ok := strings.Cut(media, "/"); media != "" && (!ok || !isToken(kind) || !isToken(sub)) {
		return notBase64("a data: URL without a media type")
	}
	declared := strings.ToLower(media)
	for param := range strings.SplitSeq(params, ";") {
		key, value, _ := strings.Cut(param, "=")
		switch strings.ToLower(key) {
		case "":
		case "name", "filename":
			decoded, ok := decodeExtended("utf-8''" + value)
			if !ok || name != "" {
				return notBase64("a data: URL with a name that is none")
			}
			name = decoded
		case "base64":
			return notBase64("a data: URL that says base64 twice")
		}
	}
	v.coded, v.head = true, nil
	var r *Refusal
	v.file, r = v.carrier.open(v.field, name, declared)
	return r
}

func (v *fileValue) decode(b []byte) *Refusal {
	for len(b) > 0 {
		n, r := v.groups(b)
		if r != nil {
			return r
		}
		// What is no whole group goes letter by letter, until one begins again.
		rest := b[n:min(n+4-v.letters, len(b))]
		if r := v.letterByLetter(rest); r != nil {
			return r
		}
		b = b[n+len(rest):]
	}
	return nil
}

// groups decodes whole groups of four letters, as most of a file is, and says how
// far it got.
func (v *fileValue) groups(b []byte) (n int, r *Refusal) {
	if v.letters > 0 || v.pads > 0 {
		return 0, nil
	}
	v.fill()
	for ; len(b)-n >= 4; n += 4 {
		w, x, y, z := v.sextets[b[n]], v.sextets[b[n+1]], v.sextets[b[n+2]], v.sextets[b[n+3]]
		if w|x|y|z > 63 {
			return n, nil
		}
		v.out = append(v.out, w<<2|x>>4, x<<4|y>>2, y<<6|z)
		if len(v.out) >= decodedPiece {
			if r := v.flush(); r != nil {
				return n, r
			}
		}
	}
	return n, nil
}

// fill makes the table of letters, once there are any.
func (v *fileValue) fill() {
	if v.filled {
		return
	}
	v.filled = true
	for c := range v.sextets {
		v.sextets[c] = sextet(byte(c), v.field.urlSafe) // #nosec G115 -- 256 of them
	}
}

func (v *fileValue) letterByLetter(b []byte) *Refusal {
	for _, c := range b {
		if c == '\r' || c == '\n' {
			continue
		}
		if c == '=' {
			v.pads++
			continue
		}
		six := sextet(c, v.field.urlSafe)
		if six > 63 {
			return notBase64("a character that its base64 does not have")
		}
		if v.pads > 0 {
			return notBase64("base64 that goes on after its padding")
		}
		v.bits = v.bits<<6 | uint32(six)
		if v.letters++; v.letters < 4 {
			continue
		}
		v.out = append(v.out, byte(v.bits>>16), byte(v.bits>>8), byte(v.bits)) // #nosec G115 -- three bytes of 24 bits
		v.letters, v.bits = 0, 0
		if len(v.out) >= decodedPiece {
			if r := v.flush(); r != nil {
				return r
			}
		}
	}
	return nil
}

// flush lets the file see what was decoded.
func (v *fileValue) flush() *Refusal {
	if len(v.out) == 0 {
		return nil
	}
	r := v.file.write(v.out)
	v.out = v.out[:0]
	return r
}

// sextet is what a letter stands for, more than 63 if it is none.
func sextet(c byte, urlSafe bool) byte {
	switch {
	case c >= 'A' && c <= 'Z':
		return c - 'A'
	case c >= 'a' && c <= 'z':
		return c - 'a' + 26
	case c >= '0' && c <= '9':
		return c - '0' + 52
	case !urlSafe && c == '+', urlSafe && c == '-':
		return 62
	case !urlSafe && c == '/', urlSafe && c == '_':
		return 63
	}
	return 255
}

// end judges the last group and then the file.
func (v *fileValue) end() *Refusal {
	if !v.coded && len(v.head) > 0 {
		if strings.Contains(blocks.String(v.head), ":") {
			return notBase64("a data: URL without content")
		}
		if r := v.plain(); r != nil { // "data" is base64 too
			return r
		}
	}
	if v.file == nil {
		return nil // an empty string
	}
	missing := (4 - v.letters) % 4
	switch {
	case v.letters == 1:
		return notBase64("base64 that is cut off")
	case v.pads != missing && (v.pads != 0 || !v.field.urlSafe):
		return notBase64("base64 whose padding is wrong")
	case v.letters > 0 && v.bits<<(6*missing)&(1<<(8*missing)-1) != 0:
		return notBase64("base64 with bits behind its last byte")
	}
	whole := v.bits << (6 * missing)
	for i := range v.letters - 1 {
		v.out = append(v.out, byte(whole>>(16-8*i))) // #nosec G115 -- one byte of 24 bits
	}
	if r := v.flush(); r != nil {
		return r
	}
	return v.file.end()
}
