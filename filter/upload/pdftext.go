package upload

import "gatehouse/filter/upload/internal/blocks"

// pdfInText looks for a text that is a PDF, too: readers take a header anywhere in the
// first kilobyte (ISO 32000-1, annex H.3.4.1). A text that only speaks of one has no
// objects.
type pdfInText struct {
	header  finder
	objects finder
	seen    int
	begun   bool
}

// lateHeader is how many bytes may stand before and in the header of a PDF.
const lateHeader = 1024

// write tells whether there is a header and an object behind it.
func (p *pdfInText) write(b []byte) bool {
	if !p.begun {
		if b = p.behindHeader(b); !p.begun {
			return false
		}
	}
	return p.objects.find(b, func(_ string, after []byte) bool {
		return len(after) > 0 && (isCodeSpace(after[0]) || after[0] == '<' || after[0] == '%' || after[0] == '[')
	}) != ""
}

// behindHeader is what follows the header, if it is found.
func (p *pdfInText) behindHeader(b []byte) []byte {
	head := b[:min(len(b), lateHeader-p.seen)]
	p.seen += len(head)
	if len(p.header.carry) == 0 && blocks.IndexByte(head, '%') < 0 {
		return nil
	}
	if p.header.needles == nil {
		p.header = newFinder("%pdf-")
	}
	left := 0
	if p.header.find(head, func(_ string, after []byte) bool { left = len(after); return true }) == "" {
		return nil
	}
	p.begun, p.objects = true, newFinder(" obj")
	p.objects.keep++ // for what follows it
	return b[len(head)-left:]
}
