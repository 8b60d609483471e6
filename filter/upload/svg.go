package upload

import (
	"strings"
)

// svg refuses what makes a drawing run code or load something (SVG 2, section
// 2; the browsers' "secure static mode" allows none of it).
type svg struct {
	scan  xmlScanner
	style finder
	plain bool // an XML that is no drawing
}

func newSVG(env) checker { return newDrawing() }

func newDrawing() *svg {
	s := &svg{style: newFinder("@import", "@\\", "javascript:", "url(", "expression(", "-moz-binding")}
	s.scan.handler = s
	return s
}

func newXML(env) checker {
	s := newDrawing()
	s.plain = true
	return s
}

func (s *svg) write(b []byte) *Refusal { return s.scan.write(b) }

func (s *svg) end(int64) *Refusal {
	if !s.scan.complete() {
		return truncated("an XML whose elements are not all closed")
	}
	return nil
}

func (s *svg) element(name string) *Refusal {
	if s.plain {
		return nil
	}
	switch name {
	case "script", "handler":
		return refuse("GH-SVG-002", "an SVG with <"+name)
	case "foreignobject", "iframe", "embed", "object", "html", "body", "form", "base", "meta", "video", "audio":
		return refuse("GH-SVG-001", "an SVG with <"+name)
	}
	return nil
}

func (s *svg) attribute(element, name, value string) *Refusal {
	if s.plain {
		if name == "xmlns" && strings.Contains(value, "//www.w3.org/1999/xhtml") && s.scan.element == "script" {
			return refuse("GH-SVG-002", "an XML with a script of XHTML")
		}
		return nil
	}
	switch {
	case isHandler(name):
		return refuse("GH-SVG-003", "an SVG with "+name+"=")
	case name == "href" || name == "src":
		return referred(element, value)
	case name == "attributename":
		if target := localName([]byte(strings.TrimSpace(value))); target == "href" || isHandler(target) {
			return refuse("GH-SVG-004", "an SVG that animates "+target)
		}
	case strings.Contains(squeeze(value), "javascript:"):
		return refuse("GH-SVG-004", "an SVG with javascript: in "+name)
	case name == "style" || strings.Contains(value, "url("):
		f := finder{needles: s.style.needles, keep: s.style.keep}
		return styled(&f, []byte(value+"    "))
	}
	return nil
}

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
		return nil
	case has, strings.HasPrefix(v, "//"), strings.HasPrefix(v, `\\`):
		return refuse("GH-SVG-005", "an SVG that loads something from outside")
	}
	return nil
}

func rasterData(v string) bool {
	for _, kind := range [...]string{"png", "jpeg", "jpg", "gif", "webp", "avif", "bmp"} {
		if strings.HasPrefix(v, "data:image/"+kind) {
			return true
		}
	}
	return false
}

func (s *svg) text(element string, b []byte) *Refusal {
	if s.plain || element != "style" {
		return nil
	}
	return styled(&s.style, b)
}

func styled(f *finder, b []byte) *Refusal {
	found := f.find(b, func(needle string, after []byte) bool {
		if needle != "url(" {
			return true
		}
		target := strings.TrimLeft(string(after[:min(len(after), 24)]), " \t\r\n\"'")
		return target != "" && !strings.HasPrefix(target, "#") && !strings.HasPrefix(target, "data:image/") &&
			!strings.HasPrefix(target, "data:font/") && !strings.HasPrefix(target, "data:application/") &&
			(strings.Contains(target, ":") || strings.HasPrefix(target, "//"))
	})
	if found != "" {
		return refuse("GH-SVG-005", "an SVG whose style has "+found)
	}
	return nil
}

func (s *svg) declared(text string) *Refusal {
	lower := strings.ToLower(text)
	switch {
	case strings.HasPrefix(lower, "xml ") && hiddenEncoding(lower):
		return refuse("GH-SVG-006", "an XML in an encoding that hides its text")
	case strings.HasPrefix(lower, "php"):
		return refuse("GH-COD-002", "PHP code in an XML")
	case strings.HasPrefix(lower, "entity") && s.unsafeEntity(lower):
		if s.plain {
			return refuse("GH-XML-001", "an XML that declares an entity which loads something or multiplies")
		}
		return refuse("GH-SVG-006", "an SVG that declares entities")
	case strings.HasPrefix(lower, "xml-stylesheet") && !s.plain:
		return refuse("GH-SVG-006", "an SVG with a style sheet")
	}
	return nil
}

func hiddenEncoding(lower string) bool {
	for _, name := range [...]string{"utf-7", "utf7", "ebcdic", "cp037", "iso-2022", "hz-gb", "ibm037", "scsu"} {
		if strings.Contains(lower, name) {
			return true
		}
	}
	return false
}

// unsafeEntity lets names of namespaces pass, as drawing programs declare them,
// and in plain XML any text.
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
	value = strings.Trim(value, `"'`)
	return strings.Contains(value, "&") || !strings.HasPrefix(value, "http://") && !strings.HasPrefix(value, "https://")
}
