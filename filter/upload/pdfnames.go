package upload

import "bytes"

// pdfNames reads the names (ISO 32000-2, 7.3.5) in a text of PDF objects.
type pdfNames struct {
	name []byte // with its escapes resolved
	in   bool
	esc  []byte
	// js says that the name JS has been read, and white space behind it.
	js   bool
	seen pdfSeen
}

// pdfSeen is what the names since the last stream tell about the next one.
type pdfSeen struct {
	objectStream, first, n, encrypted bool
}

// activeName tells the keys and action types that make a PDF do something by
// itself (ISO 32000-2, 12.6, 7.11.4, 12.7.8, 13.7), by the rule against them. JS
// is not among them: three characters stand in any large picture, so what
// follows counts too.
func activeName(name []byte) string {
	switch string(name) {
	case "JavaScript":
		return "GH-PDF-002"
	case "Launch":
		return "GH-PDF-003"
	case "EmbeddedFile", "EmbeddedFiles":
		return "GH-PDF-004"
	case "XFA":
		return "GH-PDF-005"
	case "RichMedia":
		return "GH-PDF-006"
	case "SubmitForm", "ImportData":
		return "GH-PDF-007"
	}
	return ""
}

const nameJS = "JS"

func (p *pdfNames) write(b []byte) *Refusal {
	for i := 0; i < len(b); i++ {
		c := b[i]
		if p.js {
			if beginsValue(c) {
				return activePDF("GH-PDF-002", nameJS)
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
		if r := p.ended(c); r != nil {
			return r
		}
		p.js = string(p.name) == nameJS && isPDFSpace(c)
		p.in = c == '/'
		p.name, p.esc = p.name[:0], p.esc[:0]
	}
	return nil
}

// ended judges a whole name, before the byte that ended it.
func (p *pdfNames) ended(c byte) *Refusal {
	if id := activeName(p.name); id != "" {
		return activePDF(id, string(p.name))
	}
	switch string(p.name) {
	case nameJS:
		if beginsValue(c) {
			return activePDF("GH-PDF-002", nameJS)
		}
	case "ObjStm":
		p.seen.objectStream = true
	case "First":
		p.seen.first = true
	case "N":
		p.seen.n = true
	case "Encrypt":
		p.seen.encrypted = true
	}
	return nil
}

func (p *pdfNames) end() *Refusal {
	if !p.in {
		return nil
	}
	return p.ended(' ')
}

func activePDF(id, name string) *Refusal { return refuse(id, "a PDF with /"+name) }

// beginsValue tells what the value of /JS can begin with: a string, a reference
// to a stream, or a comment in front of either.
func beginsValue(c byte) bool {
	return c == '(' || c == '<' || c == '%' || '0' <= c && c <= '9'
}

// isPDFSpace tells white space (ISO 32000-2, table 1).
func isPDFSpace(c byte) bool {
	return c == 0 || c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == ' '
}

// regular takes one more byte of a name (ISO 32000-2, 7.3.5); #xx is a byte.
func (p *pdfNames) regular(c byte) bool {
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
