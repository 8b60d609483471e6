package upload

import (
	"bytes"
	"strings"
)

// officeXML looks for fields, formulas and links that reach out, in the parts of
// Office Open XML (ECMA-376) and OpenDocument.
type officeXML struct {
	scan    xmlScanner
	fields  [][]byte // instructions, of the fields that are open
	formula []byte
	target  string
	kind    string
	mode    string
	related bool // a relationship's tag is being read
	part    string
	charts  *chartLinks // of the document, nil if there is none
	rooted  bool
	isChart bool // that shows what it has until somebody wants more
	updates bool // it would be one, but asks for newer figures by itself
}

// maxInstruction is what is kept of a field's instruction or of a formula,
// maxFields how many fields are followed inside one another.
const (
	maxInstruction = 256
	maxFields      = 8
)

func newOfficeXML() *officeXML {
	o := &officeXML{fields: make([][]byte, 1, maxFields)}
	o.scan = newXMLScanner(o)
	return o
}

func (o *officeXML) write(b []byte) *Refusal { return o.scan.write(b) }

func (o *officeXML) end() *Refusal {
	if r := o.relationship(); r != nil {
		return r
	}
	if o.isChart && o.charts != nil {
		o.charts.chart(o.part)
	}
	return o.endFormula()
}

func (o *officeXML) element(name string) *Refusal {
	if r := o.relationship(); r != nil {
		return r
	}
	if r := o.endFormula(); r != nil {
		return r
	}
	if !o.rooted {
		o.rooted, o.isChart = true, name == "chartspace"
	}
	switch name {
	case "autoupdate":
		o.isChart, o.updates = false, o.isChart
	case "ddelink", "dde-source", "dde-connection-decl", "dde-link":
		return refuse("GH-OFF-003", "a document with a DDE link")
	case "olelink", "applet":
		return refuse("GH-OFF-002", "a document with <"+name)
	case "macrosheet":
		return refuse("GH-OFF-001", "a document with an Excel 4 macro sheet")
	case "ocx":
		return refuse("GH-OFF-005", "a document with an ActiveX control")
	case "encryption-data":
		return encryptedDocument()
	}
	return nil
}

func (o *officeXML) attribute(element, name, value string) *Refusal {
	switch element {
	case "relationship":
		o.related = true
		switch name {
		case "type":
			o.kind = strings.Clone(strings.ToLower(value[strings.LastIndexByte(value, '/')+1:]))
		case "target":
			o.target = strings.Clone(value)
		case "targetmode":
			o.mode = strings.Clone(strings.ToLower(value))
		}
		return nil
	case "override", "default":
		if name == "contenttype" {
			return activeType(strings.ToLower(value))
		}
	case "fldsimple":
		if name == "instr" {
			return fieldInstruction([]byte(value))
		}
	case "fldchar":
		if name == "fldchartype" {
			o.field(value)
		}
	case "definedname":
		if name == "name" && strings.HasPrefix(strings.ToLower(value), "_xlnm.auto_") {
			return refuse("GH-OFF-001", "a document that calls a macro on being opened")
		}
	case "customui":
		if name == "onload" && strings.ContainsAny(value, `:!/\`) {
			return refuse("GH-OFF-002", "a document whose ribbon calls a macro of another file")
		}
	case "section-source", "cell-range-source":
		if name == "href" && leadsOut(value) {
			return refuse("GH-OFF-002", "a document that takes its text from elsewhere")
		}
	case "floating-frame", "object", "object-ole":
		if name == "href" && (leadsOut(value) || isShare(value)) {
			return refuse("GH-OFF-002", "a document with a frame or an object from elsewhere")
		}
	case "image", "fill-image":
		if name == "href" && isShare(value) {
			return refuse("GH-OFF-002", "a document that shows a file from a share, to which its reader's credentials are sent")
		}
	case "event-listener":
		switch {
		case name == "action" && value == "execute":
			return refuse("GH-OFF-002", "a slide that starts a program or a macro")
		case name == "macro-name" && !strings.HasPrefix(value, "application:"): // LibreOffice's own, as its templates do
			return refuse("GH-OFF-001", "a document that calls a macro")
		}
	case "autoupdate":
		if name == "val" && (value == "0" || value == "false") {
			o.isChart = o.updates
		}
	case "externaldata":
		if name == "autoupdate" && value != "0" && value != "false" {
			o.isChart = false
		}
	}
	if name == "formula" && formulaDDE(value) {
		return refuse("GH-OFF-003", "a document with a DDE formula")
	}
	return activeAttribute(name, value)
}

// watched has the names that attribute asks for, of elements and of attributes.
func (o *officeXML) watched(name string) bool {
	switch name {
	case "relationship", "override", "default", "fldsimple", "fldchar", "definedname", "section-source", "customui", "action", "href", "autoupdate", "formula", "macro-name":
		return true
	}
	return false
}

// heeded has the names that element asks for, and those behind which it ends something.
func (o *officeXML) heeded(name string) bool {
	switch name {
	case "ddelink", "dde-source", "dde-connection-decl", "dde-link", "olelink", "applet", "macrosheet", "ocx", "encryption-data", "relationship", "autoupdate":
		return true
	}
	return o.read(name)
}

func (o *officeXML) suspicious() (set [4]byte, any bool) { return set, false }

// read has the elements that text asks for.
func (o *officeXML) read(element string) bool {
	switch element {
	case "instrtext", "delinstrtext", "f", "definedname", "formula", "formula1", "formula2":
		return true
	}
	return false
}

// activeType judges a part by its content type: its name and place mean nothing.
func activeType(media string) *Refusal {
	switch {
	case strings.Contains(media, "macroenabled"), strings.Contains(media, "vbaproject"), strings.Contains(media, "vbadata"), strings.Contains(media, "macrosheet"):
		return refuse("GH-OFF-001", "a document that says it has macros")
	case strings.Contains(media, "activex"):
		return refuse("GH-OFF-005", "a document with an ActiveX control")
	}
	return nil
}

// activeAttribute looks for addresses that start something, wherever they stand.
func activeAttribute(name, value string) *Refusal {
	switch {
	case name == "action" && startsProgram(value):
		return refuse("GH-OFF-002", "a slide that starts a program or a macro")
	case name == "href" && strings.Contains(value, ":"):
		v := squeeze(value)
		if strings.HasPrefix(v, "vnd.sun.star.script:") || strings.HasPrefix(v, "macro:") || strings.HasPrefix(v, "script:") {
			return refuse("GH-OFF-001", "a document that calls a macro")
		}
	}
	return nil
}

// startsProgram tells the actions of a slide that do more
// than show something.
func startsProgram(action string) bool {
	action = strings.ToLower(action[:min(len(action), 24)])
	return strings.HasPrefix(action, "ppaction://program") || strings.HasPrefix(action, "ppaction://macro")
}

// field follows the fields that stand inside one another (ECMA-376, 17.16.18).
func (o *officeXML) field(kind string) {
	switch {
	case kind == "begin" && len(o.fields) < maxFields:
		o.fields = append(o.fields, nil)
	case kind == "begin":
		o.fields[len(o.fields)-1] = nil
	case kind == "end" && len(o.fields) > 1:
		o.fields = o.fields[:len(o.fields)-1]
	}
}

// harmlessOutside are kinds of relationships that documents have to other files,
// and that no program follows before its user says so, or that only show or play.
func harmlessOutside(kind string) bool {
	switch kind {
	case "hyperlink", "image", "video", "audio", "media", "movie", "externallinkpath", "xlpathmissing", "xlstartup", "xlalternatestartup", "xllibrary",
		"mailmergesource", "mailmergeheadersource", "recipientdata", "attachedschema", "customxml", "slide", "person", "":
		return true
	}
	return false
}

// relationship judges the one whose tag has ended.
func (o *officeXML) relationship() *Refusal {
	if !o.related {
		return nil
	}
	kind, mode, target := o.kind, o.mode, o.target
	o.kind, o.mode, o.target, o.related = "", "", "", false
	switch kind {
	case "vbaproject", "wordvbadata", "xlmacrosheet", "xlintlmacrosheet":
		return refuse("GH-OFF-001", "a document with the macros "+quote(target))
	case "control", "activexcontrolbinary", "activexcontrol":
		return refuse("GH-OFF-005", "a document with an ActiveX control")
	case "afchunk":
		if name := strings.ToLower(target); !strings.HasSuffix(name, ".docx") && !strings.HasSuffix(name, ".txt") {
			return refuse("GH-OFF-002", "a document that takes in the page "+quote(target))
		}
	}
	if mode != "external" {
		return nil
	}
	switch {
	case harmlessOutside(kind), kind == "attachedtemplate" && staysHere(target), kind == "oleobject" && o.charts != nil && o.charts.link(o.part):
	default:
		return externalObject(kind)
	}
	if mediaOutside(kind) && isShare(target) {
		return refuse("GH-OFF-002", "a document that shows a file from a share, to which its reader's credentials are sent")
	}
	t := squeeze(target)
	for _, scheme := range [...]string{"mhtml:", "javascript:", "vbscript:", "ms-", "script:", "search-ms:", "search:", "shell:", "data:text/"} {
		if strings.HasPrefix(t, scheme) {
			return refuse("GH-OFF-002", "a document that refers to "+t[:strings.IndexByte(t, ':')])
		}
	}
	return nil
}

func (o *officeXML) text(element string, b []byte) *Refusal {
	switch element {
	case "instrtext", "delinstrtext":
		top := &o.fields[len(o.fields)-1]
		if len(*top) == maxInstruction {
			return nil // judged as it is
		}
		*top = append(*top, b[:min(len(b), maxInstruction-len(*top))]...)
		return fieldInstruction([]byte(unescapeXML(string(*top))))
	case "f", "definedname", "formula", "formula1", "formula2":
		o.formula = append(o.formula, b[:min(len(b), maxInstruction-len(o.formula))]...)
	}
	return nil
}

// endFormula judges a cell's formula.
func (o *officeXML) endFormula() *Refusal {
	if len(o.formula) == 0 {
		return nil
	}
	f := unescapeXML(string(o.formula))
	o.formula = o.formula[:0]
	if formulaDDE(f) {
		return refuse("GH-OFF-003", "a document with a DDE formula")
	}
	return nil
}

// formulaDDE finds program|'topic'!item outside of strings, for which formulas have no
// other use, and the function by which LibreOffice does the same.
func formulaDDE(f string) bool {
	inString, bar := false, false
	for i := range len(f) {
		switch {
		case f[i] == '"':
			inString = !inString
		case inString:
		case f[i] == '(' && strings.HasSuffix(strings.ToUpper(f[:i]), "DDE") && (i == 3 || !isLetter(f[i-4])):
			return true
		case f[i] == '|':
			bar = i > 0
		case f[i] == '!' && bar:
			return true
		}
	}
	return false
}

func (o *officeXML) comment() *Refusal { return nil }

func (o *officeXML) declared(text string) *Refusal {
	lower := strings.ToLower(text)
	if strings.HasPrefix(lower, "xml ") && hiddenEncoding(lower) {
		return truncated("a document in an encoding that hides its text")
	}
	if strings.HasPrefix(lower, "entity") {
		return refuse("GH-XML-001", "a document that declares entities")
	}
	return nil
}

// fieldInstruction judges the instruction of a field.
func fieldInstruction(field []byte) *Refusal {
	if isDDE(field) {
		return refuse("GH-OFF-003", "a document with a DDE field")
	}
	if c := bytes.TrimSpace(field); len(c) == 0 || strings.IndexByte("qilrQILR", c[0]) < 0 {
		return nil // none of those that follow
	}
	words := strings.Fields(strings.ToUpper(string(field)))
	if len(words) < 2 {
		return nil
	}
	switch words[0] {
	case "QUOTE":
		if len(words) > 3 && allNumbers(words[1:]) {
			return refuse("GH-OFF-003", "a document with a field that is spelt in numbers")
		}
	case "INCLUDETEXT", "INCLUDE", "RD":
		if leadsOut(words[1]) {
			return refuse("GH-OFF-002", "a document that takes its text from elsewhere")
		}
	case "LINK":
		if len(words) > 2 && leadsOut(words[2]) {
			return refuse("GH-OFF-002", "a document that is linked to an object elsewhere")
		}
	case "INCLUDEPICTURE", "IMPORT":
		if isShare(strings.TrimLeft(words[1], `"`)) {
			return refuse("GH-OFF-002", "a document that shows a file from a share, to which its reader's credentials are sent")
		}
	}
	return nil
}

func allNumbers(words []string) bool {
	for _, w := range words {
		if strings.Trim(w, "0123456789") != "" {
			return false
		}
	}
	return true
}

// staysHere tells the template that somebody wrote a document with, on a drive of
// their own: nothing is asked for it from elsewhere. Shares are elsewhere, also those
// that a file: address leads to (RFC 8089, appendix E.3).
func staysHere(target string) bool {
	t := strings.NewReplacer("%5c", `\`, "%2f", "/", `\`, "/").Replace(strings.ToLower(target))
	t = strings.ReplaceAll(t, `\`, "/")
	if volume, _, is := strings.Cut(t, ":"); is && strings.Contains(volume, "%20") && isASCIILetter(t[0]) && !strings.Contains(t, "/") {
		return true // on a Mac's disk, Macintosh%20HD:Users:...: no scheme has a space
	}
	if local, is := strings.CutPrefix(t, "file://"); is {
		if local, is = strings.CutPrefix(strings.TrimPrefix(local, "localhost"), "/"); !is {
			return false // of another host
		}
		t = local
		if len(t) > 2 && t[0] == '/' && t[2] == ':' {
			t = t[1:] // file:////C:/..., as Word writes at times; no host has a colon
		}
	}
	if len(t) > 3 && t[1] == ':' && isASCIILetter(t[0]) && t[2] == '/' {
		t = t[3:]
	}
	return t != "" && t[0] != '/' && !strings.Contains(t, ":")
}

// mediaOutside tells kinds of relationships that are followed as soon as a page is shown.
func mediaOutside(kind string) bool {
	switch kind {
	case "image", "video", "audio", "media", "movie":
		return true
	}
	return false
}

// isShare tells files on other hosts.
func isShare(target string) bool {
	lower := strings.ToLower(target)
	return !staysHere(target) && (strings.HasPrefix(lower, "file:") || strings.HasPrefix(lower, `\\`) || strings.HasPrefix(lower, "//"))
}

// leadsOut tells addresses and shares.
func leadsOut(target string) bool {
	t := strings.ToLower(strings.TrimLeft(target, "\"' "))
	return strings.HasPrefix(t, "http:") || strings.HasPrefix(t, "https:") || strings.HasPrefix(t, `\\`) || strings.HasPrefix(t, "ftp:") ||
		strings.HasPrefix(t, "file:") && !staysHere(t)
}

func isDDE(field []byte) bool {
	return hasFold(bytes.TrimLeft(field, " \t\r\n\"\\"), "dde")
}

// fieldSettled tells whether nothing that may follow makes an instruction, which was
// judged as it is, one that is refused.
func fieldSettled(field []byte) bool {
	if len(bytes.TrimLeft(field, " \t\r\n\"\\")) < len("DDE") {
		return false
	}
	words := strings.Fields(strings.ToUpper(string(field)))
	switch {
	case len(words) < 2:
		return false
	case words[0] == "QUOTE":
		return !allNumbers(words[1:])
	case words[0] == "LINK":
		return len(words) > 3
	case words[0] == "INCLUDETEXT", words[0] == "INCLUDE", words[0] == "RD", words[0] == "INCLUDEPICTURE", words[0] == "IMPORT":
		return len(words) > 2
	}
	return true
}
