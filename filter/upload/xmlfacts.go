package upload

import "strings"

// xmlFacts is what makes an XML that is no drawing act like a page once a browser
// opens it: an element that runs something together with a name space, or a style
// sheet, that gives it its meaning; and what makes a parser read other files.
type xmlFacts struct {
	page, runs, styled   bool
	includes, reachesOut bool
}

func (f *xmlFacts) element(name string) *Refusal {
	if name == "script" || name == "iframe" {
		f.runs = true
	}
	return f.judge()
}

func (f *xmlFacts) attribute(element, name, value string) *Refusal {
	switch v := strings.TrimSpace(value); {
	case strings.HasSuffix(v, "//www.w3.org/1999/xhtml"), strings.HasSuffix(v, "//www.w3.org/2000/svg"), strings.HasSuffix(v, "//www.w3.org/1999/xsl/transform"), strings.HasSuffix(v, "//www.w3.org/1999/XSL/Transform"):
		f.page = true
	case strings.HasSuffix(v, "//www.w3.org/2001/XInclude"):
		f.includes = true
	case element == "include" && name == "href" && (strings.Contains(v, ":") || strings.HasPrefix(v, "/") || strings.Contains(v, "..")):
		f.reachesOut = true
	case name == "href" && strings.HasPrefix(squeeze(v[:min(len(v), 64)]), "javascript:"):
		f.runs = true
	case isHandler(name) && strings.ContainsAny(v, "(="):
		f.runs = true
	}
	return f.judge()
}

func (f *xmlFacts) judge() *Refusal {
	switch {
	case f.runs && (f.page || f.styled):
		return refuse("GH-SVG-002", "an XML with a script")
	case f.includes && f.reachesOut:
		return refuse("GH-XML-001", "an XML that includes another file")
	}
	return nil
}
