package upload

// What a policy can say of actions that lead out of a PDF.
const (
	// LeadAllow lets them be.
	LeadAllow = "allow"
	// LeadClick wants somebody to click: what happens on opening a file or a page is
	// refused. It is the default.
	LeadClick = "click"
	// LeadReject refuses them all.
	LeadReject = "reject"
)

// PDF is what a policy says of PDFs.
type PDF struct {
	// URI is about addresses (ISO 32000-2, 12.6.4.8).
	URI string
	// GoToRemote is about other files (12.6.4.3 and 12.6.4.4); a file on a share
	// makes readers send their user's credentials.
	GoToRemote string
}

func leadKnown(v string) bool {
	return v == "" || v == LeadAllow || v == LeadClick || v == LeadReject
}

// pdfRules is what one PDF is judged by, and what is known of its actions.
type pdfRules struct {
	policy PDF
	// Objects, by number: those that an action on opening refers to, and those
	// that lead out.
	opened, remote *pdfObjects
}

// pdfObjects is a set of numbers of objects, which may hold too many of a file that
// has more than 65,536.
type pdfObjects [1024]uint64

func (o *pdfObjects) add(n int) { o[n>>6&1023] |= 1 << (n & 63) }

// leads judges an action that leads out.
func (p *pdfRules) leads(name string, auto bool, object int) *Refusal {
	policy := p.policy.GoToRemote
	if name == "URI" {
		policy = p.policy.URI
	}
	switch {
	case policy == LeadAllow:
	case policy == LeadReject || auto:
		return refuse("GH-PDF-010", "a PDF with /"+name)
	case object >= 0:
		if p.remote == nil {
			p.remote = &pdfObjects{}
		}
		p.remote.add(object)
	}
	return nil
}

// opens notes an object that an action on opening refers to.
func (p *pdfRules) opens(object int) {
	if p.opened == nil {
		p.opened = &pdfObjects{}
	}
	p.opened.add(object)
}

// end tells whether something that leads out happens on opening.
func (p *pdfRules) end() *Refusal {
	if p.opened == nil || p.remote == nil {
		return nil
	}
	for i, set := range p.opened {
		if set&p.remote[i] != 0 {
			return refuse("GH-PDF-010", "a PDF that leads elsewhere on being opened")
		}
	}
	return nil
}
