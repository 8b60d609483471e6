package upload

import (
	"strings"

	"gatehouse/filter/upload/internal/blocks"
)

// open finds the judge of a member, by what its name makes of it in an office
// document; any other is judged by what it holds.
func (z *zip) open(e *zipEntry) (zipMember, *Refusal) {
	inner, r := newMember(z.env, e.name)
	if r != nil || e.folder() {
		return nil, r
	}
	lower := strings.ToLower(e.name)
	base := lower[strings.LastIndexByte(lower, '/')+1:]
	switch {
	case strings.HasSuffix(lower, "vbaproject.bin"), strings.HasSuffix(lower, "vbadata.xml"), strings.Contains(lower, "xl/macrosheets/"):
		return nil, refuse("GH-OFF-001", "macros in "+e.name)
	case z.env.kind != "zip" && (strings.HasPrefix(lower, "basic/") || strings.HasPrefix(lower, "scripts/")) && strings.HasPrefix(z.env.kind, "od"):
		return nil, refuse("GH-OFF-001", "macros in "+e.name)
	case z.isPart(lower, base):
		p := &xmlMember{officeXML: newOfficeXML()}
		p.part, p.charts = e.name, &z.charts
		return p, nil
	case strings.Contains(lower, "embeddings/"), isOffice(z.env.kind):
		return &embedded{inner}, nil
	}
	return inner, nil
}

// isPart tells the members of a document that are XML, wherever they lie: their
// place is told by relationships. In an archive, they lie where documents have them.
func (z *zip) isPart(lower, base string) bool {
	if isOffice(z.env.kind) && (strings.HasSuffix(base, ".xml") || strings.HasSuffix(base, ".vml")) {
		return true
	}
	return strings.HasSuffix(base, ".rels") || lower == "[content_types].xml" || base == "content.xml" ||
		(strings.HasPrefix(lower, "word/") || strings.HasPrefix(lower, "xl/") || strings.HasPrefix(lower, "ppt/charts/")) && strings.HasSuffix(base, ".xml")
}

func isOffice(kind string) bool {
	switch kind {
	case "docx", "xlsx", "pptx", "odt", "ods", "odp", "odg":
		return true
	}
	return false
}

// embedded refuses OLE objects inside a document: they hold programs, and old
// formats whose readers have a history.
type embedded struct{ *member }

func (m *embedded) write(b []byte) *Refusal {
	if !m.decided && len(m.head) < len(oleMagic) {
		head := append(m.head[:len(m.head):len(m.head)], b[:min(len(b), len(oleMagic)-len(m.head))]...)
		if blocks.String(head) == oleMagic {
			return refuse("GH-OFF-004", "an embedded OLE object, "+quote(m.name))
		}
	}
	return m.member.write(b)
}

// xmlMember is a member that says it is XML; an OLE object or a program may say so, too.
type xmlMember struct {
	*officeXML
	head []byte
}

func (p *xmlMember) write(b []byte) *Refusal {
	if n := min(len(oleMagic)-len(p.head), len(b)); n > 0 {
		if p.head = append(p.head, b[:n]...); len(p.head) == len(oleMagic) {
			if r := p.noXML(); r != nil {
				return r
			}
		}
	}
	return p.officeXML.write(b)
}

// noXML refuses what is told by its first bytes.
func (p *xmlMember) noXML() *Refusal {
	switch {
	case blocks.String(p.head) == oleMagic:
		return refuse("GH-OFF-004", "an embedded OLE object, "+quote(p.part))
	case strings.HasPrefix(eicarText, blocks.String(p.head)):
		return refuse("GH-COD-003", "the EICAR test file, in an archive")
	case at(p.head, 0, "MZ"):
		return refuse("GH-ARC-004", "an archive with a program, as "+quote(p.part))
	}
	switch detectMagic(p.head) {
	case "elf", "macho", "lnk":
		return refuse("GH-ARC-004", "an archive with a program, as "+quote(p.part))
	}
	return nil
}
