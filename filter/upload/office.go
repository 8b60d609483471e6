package upload

import (
	"strings"
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
	case strings.HasSuffix(base, ".rels"), strings.HasPrefix(lower, "word/") && strings.HasSuffix(base, ".xml"),
		strings.HasPrefix(lower, "xl/externallinks/"), base == "content.xml", base == "styles.xml" && strings.HasPrefix(z.env.kind, "od"),
		lower == "[content_types].xml":
		return newOfficeXML(), nil
	case strings.Contains(lower, "embeddings/"), strings.HasPrefix(z.env.kind, "od"):
		return &embedded{inner}, nil
	}
	return inner, nil
}

// embedded refuses OLE objects inside a document: they hold programs, and old
// formats whose readers have a history.
type embedded struct{ *member }

func (m *embedded) write(b []byte) *Refusal {
	if !m.decided && len(m.head) < len(oleMagic) {
		head := append(m.head[:len(m.head):len(m.head)], b[:min(len(b), len(oleMagic)-len(m.head))]...)
		if string(head) == oleMagic {
			return refuse("GH-OFF-004", "an embedded OLE object, "+quote(m.name))
		}
	}
	return m.member.write(b)
}

// officeXML looks for fields and links that reach out, in the parts of Office
// Open XML and OpenDocument.
type officeXML struct {
	scan   xmlScanner
	field  []byte
	target string
	kind   string
	mode   string
}

func newOfficeXML() *officeXML {
	o := &officeXML{}
	o.scan.handler = o
	return o
}

func (o *officeXML) write(b []byte) *Refusal { return o.scan.write(b) }

func (o *officeXML) end() *Refusal {
	return o.relationship()
}

func (o *officeXML) element(name string) *Refusal {
	if r := o.relationship(); r != nil {
		return r
	}
	switch name {
	case "ddelink", "dde-source", "dde-connection-decl", "dde-link":
		return refuse("GH-OFF-003", "a document with a DDE link")
	case "script", "event-listener":
		return nil // judged by the macros that they would call
	}
	return nil
}

func (o *officeXML) attribute(element, name, value string) *Refusal {
	switch element {
	case "relationship":
		switch name {
		case "type":
			o.kind = value[strings.LastIndexByte(value, '/')+1:]
		case "target":
			o.target = value
		case "targetmode":
			o.mode = strings.ToLower(value)
		}
	case "override", "default":
		if name == "contenttype" && strings.Contains(strings.ToLower(value), "macroenabled") {
			return refuse("GH-OFF-001", "a document that says it has macros")
		}
	case "fldsimple":
		if name == "instr" && isDDE([]byte(value)) {
			return refuse("GH-OFF-003", "a document with a DDE field")
		}
	case "fldchar":
		if name == "fldchartype" && value == "begin" {
			o.field = o.field[:0]
		}
	}
	return nil
}

// relationship judges the one whose tag has ended.
func (o *officeXML) relationship() *Refusal {
	kind, mode, target := strings.ToLower(o.kind), o.mode, o.target
	o.kind, o.mode, o.target = "", "", ""
	if mode != "external" {
		return nil
	}
	switch kind {
	case "attachedtemplate", "oleobject", "frame", "subdocument", "package", "control", "activexcontrolbinary":
		return refuse("GH-OFF-002", "a document with an external "+kind)
	}
	t := squeeze(target)
	if strings.HasPrefix(t, "mhtml:") || strings.HasPrefix(t, "javascript:") || strings.HasPrefix(t, "ms-") || strings.HasPrefix(t, "script:") {
		return refuse("GH-OFF-002", "a document that refers to "+t[:strings.IndexByte(t, ':')])
	}
	return nil
}

// maxField is what is kept of a field's instruction.
const maxInstruction = 256

func (o *officeXML) text(element string, b []byte) *Refusal {
	if element != "instrtext" {
		return nil
	}
	o.field = append(o.field, b[:min(len(b), maxInstruction-len(o.field))]...)
	if isDDE(o.field) {
		return refuse("GH-OFF-003", "a document with a DDE field")
	}
	return nil
}

func (o *officeXML) declared(text string) *Refusal {
	if strings.HasPrefix(strings.ToLower(text), "entity") {
		return refuse("GH-XML-001", "a document that declares entities")
	}
	return nil
}

func isDDE(field []byte) bool {
	s := strings.ToUpper(strings.TrimLeft(string(field), " \t\r\n\"\\"))
	return strings.HasPrefix(s, "DDE")
}
