package upload

import "bytes"

// pdfSlack is what transports leave behind a PDF's end; readers look for the end
// mark further up if they must.
const pdfSlack = 16 << 10

// pdf looks for active content among the names of a PDF's plain objects, and
// for the end that every PDF has. Names inside compressed streams are not seen.
type pdf struct {
	tail  tail
	since int64 // bytes since the last end mark
	ended bool
	name  []byte // of the name being read, with its escapes resolved
	in    bool
	esc   []byte
	// js says that the name JS has been read, and white space behind it.
	js bool
}

// pdfTail keeps an end mark that is cut in two.
const pdfTail = len(pdfEnd) - 1

const pdfEnd = "%%EOF"

func newPDF() checker { return &pdf{tail: tail{max: pdfTail}} }

// activeName tells the keys and action types that make a PDF do something by
// itself (ISO 32000-2, 12.6, 7.11.4, 12.7.8, 13.7). JS is not among them: three
// characters stand in any large picture, so what follows counts too.
func activeName(name []byte) bool {
	switch string(name) {
	case "JavaScript", "Launch", "EmbeddedFile", "EmbeddedFiles", "XFA", "RichMedia", "SubmitForm", "ImportData":
		return true
	}
	return false
}

const nameJS = "JS"

func (p *pdf) write(b []byte) *Refusal {
	p.findEnd(b)
	for i := 0; i < len(b); i++ {
		c := b[i]
		if p.js {
			if beginsValue(c) {
				return activePDF(nameJS)
			}
			p.js = isPDFSpace(c)
		}
		if !p.in {
			if p.js {
				continue
			}
			j := bytes.IndexByte(b[i:], '/')
			if j < 0 {
				return nil
			}
			i += j
			p.in, p.name, p.esc = true, p.name[:0], p.esc[:0]
			continue
		}
		if p.regular(c) {
			continue
		}
		if activeName(p.name) || string(p.name) == nameJS && beginsValue(c) {
			return activePDF(string(p.name))
		}
		p.js = string(p.name) == nameJS && isPDFSpace(c)
		p.in = c == '/'
		p.name, p.esc = p.name[:0], p.esc[:0]
	}
	return nil
}

func activePDF(name string) *Refusal { return unsafe(RulePDF, "a PDF with /"+name) }

// beginsValue tells what the value of /JS can begin with: a string, a reference
// to a stream, or a comment in front of either.
func beginsValue(c byte) bool {
	return c == '(' || c == '<' || c == '%' || '0' <= c && c <= '9'
}

// isPDFSpace tells white space (ISO 32000-2, table 1).
func isPDFSpace(c byte) bool {
	return c == 0 || c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == ' '
}

func (p *pdf) findEnd(b []byte) {
	seam := append(p.tail.buf[:len(p.tail.buf):len(p.tail.buf)], b[:min(len(b), pdfTail)]...)
	p.since += int64(len(b))
	if bytes.Contains(seam, []byte(pdfEnd)) {
		p.ended, p.since = true, int64(len(b))
	}
	if i := bytes.LastIndex(b, []byte(pdfEnd)); i >= 0 {
		p.ended, p.since = true, int64(len(b)-i-len(pdfEnd))
	}
	p.tail.write(b)
}

// regular takes one more byte of a name (ISO 32000-2, 7.3.5); #xx is a byte.
func (p *pdf) regular(c byte) bool {
	if isPDFSpace(c) || bytes.IndexByte([]byte("()<>[]{}/%"), c) >= 0 {
		return false
	}
	if len(p.name) > 32 {
		return true // longer than any that matters
	}
	if len(p.esc) == 0 && c != '#' {
		p.name = append(p.name, c)
		return true
	}
	if p.esc = append(p.esc, c); len(p.esc) < 3 {
		return true
	}
	if decoded, ok := unhex(p.esc[1], p.esc[2]); ok {
		p.name = append(p.name, decoded)
	} else {
		p.name = append(p.name, p.esc...)
	}
	p.esc = p.esc[:0]
	return true
}

func (p *pdf) end(int64) *Refusal {
	if p.in && activeName(p.name) {
		return activePDF(string(p.name))
	}
	if !p.ended || p.since > pdfSlack {
		return truncated("a PDF without %%EOF at its end")
	}
	return nil
}
