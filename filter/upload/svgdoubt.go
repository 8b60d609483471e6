package upload

import "strings"

// svgDoubt is an element that is refused unless its attributes, and what it holds,
// excuse it: two that programs leave in drawings, and that do nothing anywhere.
//
//   - Illustrator's copy of the drawing in its own format:
//     <foreignObject requiredExtensions="http://ns.adobe.com/..."><i:pgfRef/></foreignObject>
//   - <script xmlns=""/>, which browsers write for their extensions' sake, as the last of
//     the drawing. HTML knows neither name spaces nor, everywhere, elements that end at
//     once: nothing may follow that could be its content.
type svgDoubt struct {
	element string // "" if there is none
	depth   int    // where it stands
	excused bool
}

// excuses judges an attribute of the element.
func (d *svgDoubt) excuses(name, value string) bool {
	if d.element == "script" {
		d.excused = name == "xmlns" && value == ""
		return d.excused
	}
	if name == "requiredextensions" {
		d.excused = strings.HasPrefix(value, "http://ns.adobe.com/") || value == "&ns_ai;" || value == "&ns_flows;"
	}
	return true
}

// followed judges the element by the next one.
func (d *svgDoubt) followed(name string, depth int) *Refusal {
	if d.element == "" {
		return nil
	}
	if r := d.settled(); r != nil {
		return r
	}
	switch {
	case d.element == "script":
		return d.refused()
	case depth <= d.depth:
		*d = svgDoubt{}
		return nil
	case name == "pgfref", name == "imagereplacement", name == "targetref":
		return nil
	}
	return d.refused()
}

// settled judges the element once its tag is complete.
func (d *svgDoubt) settled() *Refusal {
	if d.element != "" && !d.excused {
		return d.refused()
	}
	return nil
}

// remarked judges a comment or declaration behind the element.
func (d *svgDoubt) remarked() *Refusal {
	if d.element == "script" {
		return d.refused()
	}
	return nil
}

func (d *svgDoubt) refused() *Refusal {
	if d.element == "foreignobject" {
		return refuse("GH-SVG-001", "an SVG with <foreignobject")
	}
	return refuse("GH-SVG-002", "an SVG with <script")
}
