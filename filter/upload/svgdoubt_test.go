package upload

import "testing"

func TestWhatProgramsLeaveInDrawingsIsTakenWhereItDoesNothing(t *testing.T) {
	t.Parallel()
	const (
		svg   = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:i="http://ns.adobe.com/AdobeIllustrator/10.0/">`
		own   = `<foreignObject requiredExtensions="http://ns.adobe.com/AdobeIllustrator/10.0/" x="0" width="1">`
		copyI = `<i:pgfRef xlink:href="#adobe_illustrator_pgf"></i:pgfRef>`
	)
	for content, id := range map[string]string{
		svg + `<switch>` + own + copyI + `</foreignObject><g id="a"><path d="M0 0"/></g></switch></svg>`:                                    "",
		svg + `<switch><foreignObject requiredExtensions="&ns_ai;"><i:pgfRef/><i:imageReplacement/></foreignObject><g/></switch><p/></svg>`: "",
		svg + own + `</foreignObject></svg>`:                                                                "",
		svg + `<foreignObject/></svg>`:                                                                      "GH-SVG-001",
		svg + `<foreignObject width="1"><i:pgfRef/></foreignObject></svg>`:                                  "GH-SVG-001",
		svg + `<foreignObject requiredExtensions="http://www.w3.org/1999/xhtml"><p/></foreignObject></svg>`: "GH-SVG-001",
		svg + own + `<div xmlns="http://www.w3.org/1999/xhtml">x</div></foreignObject></svg>`:               "GH-SVG-001",
		svg + own + `<i:pgfRef><p/></i:pgfRef></foreignObject></svg>`:                                       "GH-SVG-001",
		svg + own + copyI + `<p/></foreignObject></svg>`:                                                    "GH-SVG-001",
		svg + own + `<i:pgfRef/><i:pgfRef/><input/></foreignObject></svg>`:                                  "GH-SVG-001",
		svg + own + copyI + `</foreignObject><foreignObject/></svg>`:                                        "GH-SVG-001",
		svg + own + `<i:pgfRef onload="x"/></foreignObject></svg>`:                                          "GH-SVG-003",
		svg + `<foreignObject onload="x()" requiredExtensions="http://ns.adobe.com/"/></svg>`:               "GH-SVG-003",
		svg + own + `<i:pgfRef xlink:href="http://x/"/></foreignObject></svg>`:                              "GH-SVG-005",
		svg + `<path d="M0 0"/><script xmlns=""/></svg>`:                                                    "",
		svg + `<path d="M0 0"/><script xmlns=""></script></svg>` + "\n":                                     "",
		svg + `<script/></svg>`:                                                                                 "GH-SVG-002",
		svg + `<script xmlns="" href="a.js"/></svg>`:                                                            "GH-SVG-002",
		svg + `<script href="a.js" xmlns=""/></svg>`:                                                            "GH-SVG-002",
		svg + `<script xmlns="http://www.w3.org/2000/svg"/></svg>`:                                              "GH-SVG-002",
		svg + `<script xmlns:a=""/></svg>`:                                                                      "GH-SVG-002",
		svg + `<script xmlns="">alert(1)</script></svg>`:                                                        "GH-SVG-002",
		svg + `<script xmlns=""><![CDATA[alert(1)]]></script></svg>`:                                            "GH-SVG-002",
		svg + `<script xmlns="">&js;</script></svg>`:                                                            "GH-SVG-002",
		svg + `<script xmlns=""/>` + "<!--\nalert(1)\n--></svg>":                                                "GH-SVG-002",
		svg + `<script xmlns=""/><?x alert(1)?></svg>`:                                                          "GH-SVG-002",
		svg + `<script xmlns=""></x><g/>alert(1)</script></svg>`:                                                "GH-SVG-002",
		svg + `<script xmlns=""/><script xmlns=""/></svg>`:                                                      "GH-SVG-002",
		svg + own + copyI + `<script xmlns=""/></foreignObject></svg>`:                                          "GH-SVG-001",
		svg + `<image xlink:href="data:;base64,iVBORw0KGgoAAAANSUhEUgAAAW4"/></svg>`:                            "",
		svg + `<image xlink:href="data:;base64,PHN2Zz4="/></svg>`:                                               "GH-SVG-004",
		svg + `<style>@font-face{font-family:'A';src:url("data:;base64,T1RUTw")}</style></svg>`:                 "",
		`<!DOCTYPE svg [<!ENTITY st0 "fill:#CCC;stroke-miterlimit:10;font-family:'Arial';">]>` + svg + `</svg>`: "",
		`<!DOCTYPE svg [<!ENTITY st0 "fill:url(http://x/)">]>` + svg + `</svg>`:                                 "GH-SVG-006",
		`<!DOCTYPE svg [<!ENTITY st0 "javascript:alert">]>` + svg + `</svg>`:                                    "GH-SVG-006",
		`<!DOCTYPE svg [<!ENTITY st0 "href">]>` + svg + `</svg>`:                                                "GH-SVG-006",
		`<!DOCTYPE svg [<!ENTITY st0 "fill:&a;">]>` + svg + `</svg>`:                                            "GH-SVG-006",
	} {
		if r := sniff(t, Config{}, "a.svg", content); r.ID != id || r.Accepted != (id == "") {
			t.Errorf("%s: %+v", content, r)
		}
	}
}
