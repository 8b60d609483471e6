package upload

import (
	"strings"

	"gatehouse/filter/upload/internal/blocks"
)

// officeFlat looks into XML that is a whole document, which Office and LibreOffice open
// as one: the XML of Word and Excel 2003, a package of Open XML in one file
// (pkg:package), OpenDocument in one file. What would be members of an archive stands
// in it as BASE64.
type officeFlat struct {
	parts *officeXML
	data  []byte // the beginning of a text
}

// newOfficeFlat is nil if the root says that it is no such document.
func newOfficeFlat(root string) *officeFlat {
	switch root {
	case "worddocument", "workbook", "package", "document":
		return &officeFlat{parts: newOfficeXML()}
	}
	return nil
}

func (o *officeFlat) element(name string) *Refusal {
	o.data = o.data[:0]
	switch name {
	case "docsuppdata", "source-code", "library-embedded":
		return refuse("GH-OFF-001", "an XML with macros")
	case "docoledata":
		return refuse("GH-OFF-004", "an XML with embedded OLE objects")
	}
	return o.parts.element(name)
}

func (o *officeFlat) attribute(element, name, value string) *Refusal {
	switch {
	case element == "worddocument" && name == "macrospresent" && value == "yes":
		return refuse("GH-OFF-001", "an XML with macros")
	case element == "part" && name == "contenttype":
		lower := strings.ToLower(value)
		if strings.HasSuffix(lower, "oleobject") {
			return refuse("GH-OFF-004", "an XML with an embedded OLE object")
		}
		return activeType(lower)
	case element == "attachedtemplate" && !staysHere(value):
		return refuse("GH-OFF-002", "an XML with a template from elsewhere")
	case name == "refersto" && formulaDDE(value):
		return refuse("GH-OFF-003", "an XML with a DDE formula")
	}
	return o.parts.attribute(element, name, value)
}

const (
	// flatData is enough of a text to tell what it is the BASE64 of.
	flatData = 16
	// flatPath is as much as is read of a file's place.
	flatPath = 512
)

func (o *officeFlat) text(element string, b []byte) *Refusal {
	switch element {
	case "path":
		return o.path(b)
	case "bindata", "binarydata":
		return o.binary(b)
	}
	return o.parts.text(element, b)
}

// path judges where a sheet of another file is: program|topic is no place.
func (o *officeFlat) path(b []byte) *Refusal {
	o.data = append(o.data, b[:min(len(b), flatPath-len(o.data))]...)
	if strings.Contains(unescapeXML(blocks.String(o.data)), "|") {
		return refuse("GH-OFF-003", "an XML with a DDE link")
	}
	return nil
}

// binary judges BASE64 by its beginning. Readers pass over what is none.
func (o *officeFlat) binary(b []byte) *Refusal {
	for _, c := range b {
		if len(o.data) == flatData {
			break
		}
		if isASCIILetter(c) || c >= '0' && c <= '9' || c == '+' || c == '/' {
			o.data = append(o.data, c)
		} else if c == '&' {
			return refuse("GH-OFF-004", "an XML with an object whose BASE64 is disguised")
		}
	}
	switch text := blocks.String(o.data); {
	case strings.HasPrefix(text, "0M8R4KGxGuE"): // oleMagic
		return refuse("GH-OFF-004", "an XML with an embedded OLE object")
	case strings.HasPrefix(text, "QWN0aXZlTWltZ"): // ActiveMime, in which Office packs macros and objects
		return refuse("GH-OFF-001", "an XML with packed macros or objects")
	}
	return nil
}

func (o *officeFlat) end() *Refusal { return o.parts.end() }

func (o *officeFlat) watched(name string) bool {
	switch name {
	case "macrospresent", "contenttype", "attachedtemplate", "refersto":
		return true
	}
	return o.parts.watched(name)
}

func (o *officeFlat) heeded(name string) bool {
	switch name {
	case "docsuppdata", "docoledata", "source-code", "library-embedded", "bindata", "binarydata", "path":
		return true
	}
	return o.parts.heeded(name)
}

func (o *officeFlat) read(element string) bool {
	switch element {
	case "bindata", "binarydata", "path":
		return true
	}
	return o.parts.read(element)
}
