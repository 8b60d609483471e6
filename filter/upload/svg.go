package upload

import (
	"bytes"
	"strings"

	"gatehouse/filter/upload/internal/blocks"
)

// svg refuses what makes a drawing run code or load something (SVG 2, section
// 2; the browsers' "secure static mode" allows none of it).
type svg struct {
	scan  xmlScanner
	style finder
	css   cssText
	plain bool // an XML that is no drawing
	facts xmlFacts
	roots int
	flat  *officeFlat // nil if it is no document of Office in one file
	doubt svgDoubt
}

func newSVG(env) checker { return newDrawing(false) }

func newDrawing(plain bool) *svg {
	s := &svg{plain: plain, style: newFinder("@import", "javascript:", "url(", "expression(", "-moz-binding", "behavior:", "image-set("), css: cssText{inXML: true}}
	s.style.keep = cssTarget + len("url(")
	s.scan = newXMLScanner(s)
	return s
}

func newXML(env) checker { return newDrawing(true) }

func (s *svg) write(b []byte) *Refusal { return s.scan.write(b) }

func (s *svg) end(int64) *Refusal {
	if r := s.doubt.settled(); r != nil {
		return r
	}
	if !s.scan.complete() {
		return truncated("an XML whose elements are not all closed")
	}
	if s.flat != nil {
		return s.flat.end()
	}
	return nil
}

func (s *svg) element(name string) *Refusal {
	if s.scan.depth == 0 {
		if s.roots++; s.roots > 1 {
			return unsafe(RuleAppended, "an XML with a second root")
		}
		if s.plain {
			s.flat = newOfficeFlat(name)
		}
	}
	if s.flat != nil {
		if r := s.flat.element(name); r != nil {
			return r
		}
	}
	if s.plain {
		return s.facts.element(name)
	}
	if r := s.doubt.followed(name, s.scan.depth); r != nil {
		return r
	}
	switch name {
	case "script", "foreignobject":
		s.doubt = svgDoubt{element: name, depth: s.scan.depth}
	case "handler", "listener":
		return refuse("GH-SVG-002", "an SVG with <"+name)
	case "iframe", "embed", "object", "html", "body", "form", "base", "meta", "video", "audio", "applet":
		return refuse("GH-SVG-001", "an SVG with <"+name)
	}
	return nil
}

func (s *svg) attribute(element, name, value string) *Refusal {
	if s.flat != nil {
		if r := s.flat.attribute(element, name, value); r != nil {
			return r
		}
	}
	if s.plain {
		return s.facts.attribute(element, name, value)
	}
	switch {
	case (element == "script" || element == "foreignobject") && !s.doubt.excuses(name, value):
		return s.doubt.refused()
	case isHandler(name):
		return refuse("GH-SVG-003", "an SVG with "+name+"=")
	case name == "href" || name == "src" || name == "base": // xml:base is where the others start from
		return referred(element, value)
	case name == "srcset" || name == "imagesrcset" || name == "background" || name == "archive":
		if strings.Contains(slashes(squeeze(value)), "//") {
			return refuse("GH-SVG-005", "an SVG that loads something from outside")
		}
	case name == "ping":
		return refuse("GH-SVG-005", "an SVG that tells somebody of clicks")
	case element == "include" && strings.Contains(value, "//www.w3.org/2001/XInclude"):
		return refuse("GH-SVG-005", "an SVG that includes something")
	case name == "attributename":
		if target := localName([]byte(strings.TrimSpace(value))); target == "href" || isHandler(target) {
			return refuse("GH-SVG-004", "an SVG that animates "+target)
		}
	case isCalm(value): // neither of the two that follow
	case strings.IndexByte(value, ':') >= 0 && strings.Contains(squeeze(value), "javascript:"):
		return refuse("GH-SVG-004", "an SVG with javascript: in "+name)
	case name == "style" || strings.ContainsAny(value, "(\\"):
		f, css := finder{needles: s.style.needles, keep: s.style.keep}, cssText{}
		return styled(&f, css.write([]byte(value+"    ")))
	}
	return nil
}

// heeded has the names that element asks for.
func (s *svg) heeded(name string) bool {
	switch name {
	case "script", "iframe":
		return true
	case "handler", "listener", "foreignobject", "pgfref", "imagereplacement", "targetref", "embed", "object", "html", "body", "form", "base", "meta", "video", "audio", "applet":
		return !s.plain || s.flat != nil && s.flat.heeded(name)
	}
	return s.flat != nil && s.flat.heeded(name)
}

// watched has the names that attribute asks for.
func (s *svg) watched(name string) bool {
	switch name {
	case "src", "base", "ping", "attributename", "style", "script", "foreignobject", "srcset", "imagesrcset", "background", "archive":
		return !s.plain || s.flat != nil && s.flat.watched(name)
	case "include", "href":
		return true
	}
	return isHandler(name) || s.flat != nil && s.flat.watched(name)
}

// suspicious has what attribute looks for in any value, as it may be written: a
// reference may stand for all of it.
func (s *svg) suspicious() (set [4]byte, any bool) {
	if s.plain {
		return [4]byte{'/', '&', '/', '&'}, true
	}
	return [4]byte{':', '(', '\\', '&'}, true
}

func (s *svg) read(element string) bool {
	return !s.plain && (element == "style" || element == "script") || s.flat != nil && s.flat.read(element)
}

// slashes has the other slash as browsers read it in addresses.
func slashes(v string) string { return strings.ReplaceAll(v, `\`, "/") }

func isHandler(name string) bool {
	if len(name) < 4 || !strings.HasPrefix(name, "on") {
		return false
	}
	for _, c := range name {
		if c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}

// squeeze drops what browsers ignore in a scheme.
func squeeze(value string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if r <= ' ' {
			return -1
		}
		return r
	}, value))
}

// referred judges what an element refers to. A link may lead anywhere but to a
// script; everything else must be inside, or a picture in the text itself.
func referred(element, value string) *Refusal {
	v := squeeze(value)
	scheme, _, has := strings.Cut(v, ":")
	if strings.ContainsAny(scheme, "/?#") {
		has = false
	}
	switch {
	case strings.HasPrefix(v, "&"):
		return refuse("GH-SVG-006", "an SVG that refers through an entity")
	case has && (scheme == "javascript" || scheme == "vbscript"):
		return refuse("GH-SVG-004", "an SVG that refers to "+scheme+":")
	case has && scheme == "data":
		if !rasterData(v) {
			return refuse("GH-SVG-004", "an SVG that refers to data that are no picture")
		}
	case element == "a":
		if has && !linkScheme(scheme) {
			return refuse("GH-SVG-004", "an SVG that links to "+quote(scheme))
		}
		return nil
	case has, strings.HasPrefix(slashes(v[:min(len(v), 2)]), "//"):
		return refuse("GH-SVG-005", "an SVG that loads something from outside")
	}
	return nil
}

// linkScheme tells what a link may lead to.
func linkScheme(scheme string) bool {
	switch scheme {
	case "http", "https", "mailto", "tel", "ftp", "urn", "doi", "sms", "geo":
		return true
	}
	return false
}

// untypedData is how Illustrator embeds pictures and fonts.
const untypedData = "data:;base64,"

func rasterData(v string) bool {
	if data, untyped := strings.CutPrefix(v, untypedData); untyped {
		return strings.HasPrefix(data, "ivborw0kgg") || strings.HasPrefix(data, "/9j/") || strings.HasPrefix(data, "r0lgod") // PNG, JPEG, GIF
	}
	for _, kind := range [...]string{"png", "jpeg", "jpg", "gif", "webp", "avif", "bmp"} {
		if strings.HasPrefix(v, "data:image/"+kind) {
			return true
		}
	}
	return false
}

func (s *svg) text(element string, b []byte) *Refusal {
	if s.flat != nil {
		return s.flat.text(element, b)
	}
	if s.doubt.element == "script" && len(bytes.TrimSpace(b)) > 0 {
		return s.doubt.refused()
	}
	if element == "script" {
		return nil
	}
	return styled(&s.style, s.css.write(b))
}

// cssTarget is how much is seen of what url() refers to.
const cssTarget = 48

func styled(f *finder, b []byte) *Refusal {
	found := f.find(b, func(needle string, after []byte) bool {
		if needle != "url(" {
			return true
		}
		target := strings.TrimLeft(blocks.String(after[:min(len(after), cssTarget)]), " \t\r\n\"'")
		if target == "" {
			return len(after) >= cssTarget
		}
		target = slashes(squeeze(target))
		return !strings.HasPrefix(target, "#") && !strings.HasPrefix(target, "data:image/") &&
			!strings.HasPrefix(target, "data:font/") && !strings.HasPrefix(target, untypedData) && !strings.HasPrefix(target, "data:application/") &&
			(strings.Contains(target, ":") || strings.HasPrefix(target, "//") || strings.HasPrefix(target, "&"))
	})
	if found != "" {
		return refuse("GH-SVG-005", "an SVG whose style has "+found)
	}
	return nil
}

func (s *svg) comment() *Refusal { return s.doubt.remarked() }

func (s *svg) declared(text string) *Refusal {
	if r := s.doubt.remarked(); r != nil {
		return r
	}
	lower := strings.ToLower(text)
	switch {
	case strings.HasPrefix(lower, "xml ") && hiddenEncoding(lower):
		return refuse("GH-SVG-006", "an XML in an encoding that hides its text")
	case strings.HasPrefix(lower, "php"), isShortTag(lower):
		return refuse("GH-COD-002", "PHP code in an XML")
	case strings.HasPrefix(lower, "entity") && s.unsafeEntity(lower):
		if s.plain {
			return refuse("GH-XML-001", "an XML that declares an entity which loads something or multiplies")
		}
		return refuse("GH-SVG-006", "an SVG that declares entities")
	case strings.HasPrefix(lower, "xml-stylesheet"):
		s.facts.styled = true
		if !s.plain {
			return refuse("GH-SVG-006", "an SVG with a style sheet")
		}
		return s.facts.judge()
	case strings.HasPrefix(lower, "doctype") && !s.plain && outsideDTD(lower):
		return refuse("GH-SVG-006", "an SVG whose document type is loaded from outside")
	case strings.HasPrefix(lower, "attlist") && (strings.Contains(lower, "javascript:") || declaresHandler(lower)):
		return refuse("GH-SVG-003", "an XML that declares an event handler for its elements")
	case strings.HasPrefix(lower, "attlist") && !s.plain && declaresAddress(lower):
		return refuse("GH-SVG-005", "an SVG that declares what its elements load")
	}
	if s.flat != nil {
		return s.flat.parts.declared(text)
	}
	return nil
}

// outsideDTD lets the document types of the W3C pass, which nobody loads.
func outsideDTD(lower string) bool {
	for part := range strings.FieldsFuncSeq(lower, func(r rune) bool { return isXMLSpace(byte(min(r, 0x7f))) || r == '"' || r == '\'' }) { // #nosec G115 -- capped
		if strings.Contains(part, "://") && !strings.HasPrefix(part, "http://www.w3.org/") && !strings.HasPrefix(part, "https://www.w3.org/") {
			return true
		}
		if strings.HasPrefix(part, "file:") || strings.HasPrefix(part, "/") {
			return part != "//"
		}
	}
	return false
}

// isShortTag tells PHP behind a short tag from an instruction, which has a name.
func isShortTag(lower string) bool {
	name := lower
	if i := strings.IndexAny(lower, " \t\r\n?"); i >= 0 {
		name = lower[:i]
	}
	return lower != "" && lower != "?" && name == "" || strings.ContainsAny(name, "=($`;")
}

// declaresAddress tells defaults of attributes that load something.
func declaresAddress(lower string) bool {
	if strings.Contains(lower, "url(") {
		return true
	}
	for _, word := range strings.Fields(lower) {
		switch localName([]byte(word)) {
		case "href", "src", "base":
			return strings.Contains(slashes(lower), "//") || strings.Contains(lower, "data:")
		}
	}
	return false
}

func declaresHandler(lower string) bool {
	for _, word := range strings.Fields(lower) {
		if isHandler(word) {
			return true
		}
	}
	return false
}

// hiddenEncoding tells charsets in which markup does not stand as in ASCII.
func hiddenEncoding(lower string) bool {
	_, rest, found := strings.Cut(lower, "encoding")
	if !found {
		return false
	}
	name, _, _ := strings.Cut(strings.TrimLeft(rest, " \t\r\n=\"'"), "?")
	name, _, _ = strings.Cut(strings.TrimRight(name, " \t\r\n"), " ")
	name = strings.TrimRight(name, "\"'")
	for _, known := range [...]string{"utf-8", "utf8", "utf-16", "utf16", "us-ascii", "ascii", "iso-8859-", "iso8859-", "iso_8859-", "latin", "windows-125", "windows-874", "cp125",
		"koi8-", "cskoi8", "cp437", "cp737", "cp775", "cp85", "cp86", "cp932", "cp936", "cp949", "cp950", "ibm437", "ibm737", "ibm775", "ibm85", "ibm86", "windows_125",
		"gb2312", "gbk", "gb18030", "big5", "shift_jis", "shift-jis", "sjis", "windows-31j", "euc-", "macintosh", "x-mac", "ks_c_5601", "tis-620", "iso-10646-ucs-2"} {
		if strings.HasPrefix(name, known) {
			return false
		}
	}
	return name != ""
}

// unsafeEntity lets names of namespaces and styles pass, as drawing programs declare
// them, and in plain XML any text.
func (s *svg) unsafeEntity(lower string) bool {
	fields := strings.Fields(lower)
	if len(fields) < 3 || fields[1] == "%" {
		return true
	}
	value := fields[2]
	if value == "system" || value == "public" || strings.ContainsAny(strings.Join(fields[2:], " "), "<%") {
		return true
	}
	if s.plain {
		return strings.Contains(strings.ReplaceAll(strings.Join(fields[2:], " "), "&#", ""), "&")
	}
	if isStyle(strings.Trim(strings.Join(fields[2:], " "), `"`)) {
		return false
	}
	value = strings.Trim(value, `"'`)
	return strings.Contains(value, "&") || !strings.HasPrefix(value, "http://") && !strings.HasPrefix(value, "https://")
}

// isStyle tells declarations of a style that load nothing, in lower case.
func isStyle(text string) bool {
	for declaration := range strings.SplitSeq(strings.Trim(text, "; "), ";") {
		property, value, _ := strings.Cut(strings.TrimSpace(declaration), ":")
		first, _, _ := strings.Cut(property, "-")
		switch first {
		case "fill", "stroke", "font", "stop", "opacity", "clip", "enable", "letter", "text", "color", "display", "overflow":
		default:
			return false
		}
		if value == "" || strings.ContainsFunc(value, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("#.,-' ", r))
		}) {
			return false
		}
	}
	return true
}
