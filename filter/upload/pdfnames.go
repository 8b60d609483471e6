package upload

import (
	"bytes"
	"strings"

	"gatehouse/filter/upload/internal/blocks"
)

// pdfNames reads the names (ISO 32000-2, 7.3.5) in a text of PDF objects, and what
// follows some of them.
type pdfNames struct {
	rules  *pdfRules
	name   []byte // with its escapes resolved
	in     bool
	esc    []byte
	recent tail
	value  pdfValue
	auto   pdfAuto
	seen   pdfSeen
	action bool // the name before was S
}

// pdfSeen is what the names since the last stream tell about the next one.
type pdfSeen struct {
	objectStream, first, n, encrypted bool
	params                            pdfParams
	filters                           int
}

// pdfParams is what a stream's dictionary says about its filters.
type pdfParams struct {
	filters                                  [maxPDFFilters + 1]pdfFilter
	predictor, columns, colours, bits, early int
	earlySaid                                bool
}

// pdfContext is how much is kept of what stands before a name: enough to find the
// number of the object that an action is.
const pdfContext = 256

func newPDFNames(rules *pdfRules) pdfNames {
	return pdfNames{rules: rules, recent: tail{max: pdfContext}}
}

// again is that of another text, in the same memory.
func (p *pdfNames) again(rules *pdfRules) pdfNames {
	return pdfNames{rules: rules, name: p.name[:0], esc: p.esc[:0], recent: tail{buf: p.recent.buf[:0], max: pdfContext}}
}

// next is the first place from one on where a name begins that may mean something,
// or len(b). It passes over others, of which there is one in 256 bytes of a picture;
// any name parts an S from what follows it.
func (p *pdfNames) next(b []byte, from int) int {
	if p.action {
		return blocks.IndexByteFrom(b, from, '/')
	}
	if i := pdfNameTriple.Index(b[from:]); i >= 0 {
		return from + i
	}
	for from = max(from, len(b)-2); from < len(b); from++ { // of what begins here too little is seen
		if b[from] == '/' {
			return from
		}
	}
	return len(b)
}

// pdfWatched are the names that mean something, alone.
var pdfWatched = [...]string{
	"JavaScript", "OnInstantiate", "Launch", "EmbeddedFile", "EmbeddedFiles", "XFA", "RichMedia", "RichMediaExecute", "SubmitForm", "ImportData",
	"JS", "EF", "S", "OpenAction", "AA", "URI", "GoToR", "GoToE",
	"ObjStm", "First", "N", "Encrypt", "Predictor", "Columns", "Colors", "BitsPerComponent", "EarlyChange",
	"FlateDecode", "Fl", "LZWDecode", "LZW", "ASCIIHexDecode", "AHx", "ASCII85Decode", "A85", "RunLengthDecode", "RL",
	"DCTDecode", "DCT", "JPXDecode", "CCITTFaxDecode", "CCF", "JBIG2Decode",
}

// pdfSecond has, by a name's first byte as it is written, those that may follow it:
// any if one of the two begins an escape, and what ends a name of one byte.
var pdfSecond = func() (is [256][256 / 64]uint64) {
	set := func(first, second byte) { is[first][second/64] |= 1 << (second % 64) }
	for _, name := range pdfWatched {
		set(name[0], '#')
		if len(name) > 1 {
			set(name[0], name[1])
			continue
		}
		for c := range pdfRegular {
			if pdfRegular[c] == 0 {
				set(name[0], byte(c)) // #nosec G115 -- below 256
			}
		}
	}
	for c := range 256 {
		set('#', byte(c)) // #nosec G115 -- below 256
	}
	return is
}()

func pdfNamesBegin(first, second byte) bool { return pdfSecond[first][second/64]>>(second%64)&1 != 0 }

var pdfNameTriple = blocks.NewTriple('/', &pdfSecond)

// isWatched tells whether a name is in the list, so that what the list lacks means
// nothing anywhere.
func isWatched(name []byte) bool {
	for _, w := range &pdfWatched {
		if len(w) == len(name) && w == blocks.String(name) {
			return true
		}
	}
	return false
}

// activeName tells the keys and action types that make a PDF do something by
// itself (ISO 32000-2, 12.6, 7.11.4, 12.7.8, 13.6, 13.7), by the rule against them.
// JS and EF are not among them: so few characters stand in any large picture, so
// what follows counts too.
func activeName(name []byte) string {
	switch blocks.String(name) {
	case "JavaScript", "OnInstantiate":
		return "GH-PDF-002"
	case "Launch":
		return "GH-PDF-003"
	case "EmbeddedFile", "EmbeddedFiles":
		return "GH-PDF-004"
	case "XFA":
		return "GH-PDF-005"
	case "RichMedia", "RichMediaExecute":
		return "GH-PDF-006"
	case "SubmitForm", "ImportData":
		return "GH-PDF-007"
	}
	return ""
}

func (p *pdfNames) write(b []byte) *Refusal {
	for i := 0; i < len(b); i++ {
		if p.in {
			n, r := p.read(b, i)
			if r != nil {
				return r
			}
			if i = n; i == len(b) {
				break
			}
		}
		c := b[i]
		follows := p.auto.depth > 0
		if p.value.kind != valueNone {
			if r := p.valued(p.value.kind, p.value.write(c)); r != nil {
				return r
			}
		}
		if follows {
			p.auto.write(c, p.rules)
		}
		if p.in = c == '/'; p.in {
			continue
		}
		if p.value.kind == valueNone && p.auto.depth == 0 {
			i = p.next(b, i+1) - 1
		}
	}
	p.recent.write(b)
	return nil
}

// read goes on with a name from a place in b to where it ends, and judges it there.
func (p *pdfNames) read(b []byte, from int) (int, *Refusal) {
	end, plain := from, len(p.name)+len(p.esc) == 0
	for end < len(b) && pdfRegular[b[end]] != 0 {
		plain = plain && pdfRegular[b[end]] == 1
		end++
	}
	if plain && end < len(b) { // as it stands
		p.in = false
		return end, p.ended(b[from:end], b[:end])
	}
	for _, c := range b[from:end] {
		p.regular(c)
	}
	if end == len(b) {
		return end, nil
	}
	p.in = false
	return end, p.whole(b[:end])
}

// whole judges the name that was gathered.
func (p *pdfNames) whole(text []byte) *Refusal {
	r := p.ended(p.name, text)
	p.name, p.esc = p.name[:0], p.esc[:0]
	return r
}

// ended judges a whole name. text is what was read since recent.
func (p *pdfNames) ended(name, text []byte) *Refusal {
	ofAction := p.action
	p.action = false
	if len(name) > longestPDFName || len(name) == 0 || len(name) > 1 && !pdfNamesBegin(name[0], name[1]) || !isWatched(name) {
		return nil
	}
	if id := activeName(name); id != "" && !(blocks.String(name) == "JavaScript" && inText(p.context(text))) {
		return activePDF(id, string(name))
	}
	switch blocks.String(name) {
	case "JS":
		p.value = pdfValue{kind: valueJS}
	case "EF":
		p.value = pdfValue{kind: valueEF}
	case "S":
		p.action = true
	case "OpenAction", "AA":
		p.value = pdfValue{kind: valueAuto}
	case "URI", "GoToR", "GoToE":
		if ofAction {
			return p.rules.leads(string(name), p.auto.depth > 0, objectNumber(p.context(text)))
		}
	default:
		p.stream(name)
	}
	return nil
}

// stream notes what tells of the data that follow a dictionary.
func (p *pdfNames) stream(name []byte) {
	number := func(target *int) { p.value = pdfValue{kind: valueNumber, target: target} }
	params := &p.seen.params
	switch blocks.String(name) {
	case "ObjStm":
		p.seen.objectStream = true
	case "First":
		p.seen.first = true
	case "N":
		p.seen.n = true
	case "Encrypt":
		p.seen.encrypted = true
	case "Predictor":
		number(&params.predictor)
	case "Columns":
		number(&params.columns)
	case "Colors":
		number(&params.colours)
	case "BitsPerComponent":
		number(&params.bits)
	case "EarlyChange":
		params.earlySaid = true
		number(&params.early)
	default:
		if f := filterNamed(name); f != filterNone && p.seen.filters < maxPDFFilters {
			params.filters[p.seen.filters] = f
			p.seen.filters++
		}
	}
}

// context is what stands before the end of a name.
func (p *pdfNames) context(text []byte) []byte {
	if len(text) >= pdfContext {
		return text[len(text)-pdfContext:]
	}
	return append(p.recent.buf[:len(p.recent.buf):len(p.recent.buf)], text...)
}

// inText tells a name that is a part of a string that people read: an address, a title
// that speaks of it. No reader comes to see it as a name: between the parenthesis and
// it stands nothing that could end a comment or a string, begin a dictionary or an
// object. (Should an object stream's table point there, then the script itself has its
// own name, JS.)
func inText(context []byte) bool {
	text := context[bytes.LastIndexByte(context, '(')+1:]
	if len(text) == len(context) || bytes.Contains(text, []byte("obj")) {
		return false
	}
	return !bytes.ContainsFunc(text, func(r rune) bool {
		return r < ' ' || r == ')' || r == '<' || r == '>' || r == '[' || r == ']' || r == '{' || r == '}'
	})
}

// objectNumber finds the number of the object that the context is in, -1 if it is
// not there.
func objectNumber(context []byte) int {
	i := bytes.LastIndex(context, []byte("obj"))
	if i < 4 || context[i-1] == 'd' {
		return -1
	}
	fields := bytes.Fields(context[max(0, i-24):i])
	if len(fields) < 2 {
		return -1
	}
	n := 0
	for _, c := range fields[len(fields)-2] {
		if c < '0' || c > '9' || n > maxPDFNumber {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// valued acts on what turned out to follow a name.
func (p *pdfNames) valued(kind pdfValueKind, is pdfValueIs) *Refusal {
	switch {
	case is == valueWaits:
		return nil
	case kind == valueJS && is != valueElse:
		return activePDF("GH-PDF-002", "JS")
	case kind == valueEF && is != valueElse:
		return activePDF("GH-PDF-004", "EF")
	case kind == valueAuto && is == valueOpens:
		p.auto = pdfAuto{depth: 1}
	case kind == valueAuto && is == valueReference:
		p.rules.opens(p.value.n)
	}
	p.value = pdfValue{}
	return nil
}

func (p *pdfNames) end() *Refusal {
	if !p.in {
		return nil
	}
	return p.whole(nil)
}

func activePDF(id, name string) *Refusal { return refuse(id, "a PDF with /"+name) }

// isPDFSpace tells white space (ISO 32000-2, table 1).
func isPDFSpace(c byte) bool {
	return c == 0 || c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == ' '
}

// pdfRegular has the bytes that go on with a name (ISO 32000-2, 7.2.3): 2 is for the
// one that begins an escape.
var pdfRegular = func() (is [256]byte) {
	for c := range is {
		switch b := byte(c); { // #nosec G115 -- below 256
		case isPDFSpace(b), strings.IndexByte("()<>[]{}/%", b) >= 0:
		case b == '#':
			is[c] = 2
		default:
			is[c] = 1
		}
	}
	return is
}()

// longestPDFName is how long a name may be that means something here.
const longestPDFName = 32

// regular takes one more byte of a name; #xx is a byte (ISO 32000-2, 7.3.5).
func (p *pdfNames) regular(c byte) {
	if len(p.name) > longestPDFName {
		return
	}
	if len(p.esc) == 0 && c != '#' {
		p.name = append(p.name, c)
		return
	}
	if p.esc = append(p.esc, c); len(p.esc) < 3 {
		return
	}
	if decoded, ok := unhex(p.esc[1], p.esc[2]); ok {
		p.name = append(p.name, decoded)
	} else {
		p.name = append(p.name, p.esc...)
	}
	p.esc = p.esc[:0]
}
