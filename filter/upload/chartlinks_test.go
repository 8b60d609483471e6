package upload

import (
	"strings"
	"testing"
)

func TestOnlyAChartMayHaveItsFiguresInAFileElsewhere(t *testing.T) {
	t.Parallel()
	const link = `<Relationships><Relationship Id="r" Type="http://x/relationships/oleObject" Target="file:///C:\a\b.xlsx" TargetMode="External"/></Relationships>`
	const rels = "word/charts/_rels/chart1.xml.rels=" + link
	chart := func(data string) string {
		return `word/charts/chart1.xml=<c:chartSpace xmlns:c="x"><c:externalData r:id="r">` + data + `</c:externalData></c:chartSpace>`
	}
	for what, c := range map[string]struct {
		accepted bool
		parts    []string
	}{
		"a chart":                          {true, []string{chart(`<c:autoUpdate val="0"/>`), rels}},
		"a chart behind its link":          {true, []string{rels, chart(`<c:autoUpdate val="false"/>`)}},
		"a chart that says nothing":        {true, []string{chart(""), rels}},
		"a chart without a link":           {true, []string{chart("")}},
		"a chart whose name has capitals":  {true, []string{strings.Replace(chart(""), "chart1", "Chart1", 1), rels}},
		"a chart in UTF-16":                {true, []string{"word/charts/chart1.xml=" + utf16LE("<c:chartSpace/>"), rels}},
		"a chart that updates":             {false, []string{chart(`<c:autoUpdate val="1"/>`), rels}},
		"a chart that updates, by default": {false, []string{chart(`<c:autoUpdate/>`), rels}},
		"a chart that says both":           {false, []string{chart(`<c:autoUpdate val="1"/><c:autoUpdate val="0"/>`), rels}},
		"a newer chart that updates":       {false, []string{`word/charts/chart1.xml=<cx:chartSpace><cx:externalData autoUpdate="1"/></cx:chartSpace>`, rels}},
		"no chart at all":                  {false, []string{rels}},
		"a text in a chart's place":        {false, []string{"word/charts/chart1.xml=<w:document><c:chartSpace/></w:document>", rels}},
		"a chart in another place":         {false, []string{strings.Replace(chart(""), "chart1", "chart2", 1), rels}},
		"a chart among documents":          {false, []string{chart(""), "word/_rels/document.xml.rels=" + link}},
		"a name in other letters":          {false, []string{chart(""), "word/charts/_rels/chart%31.xml.rels=" + link}},
		"a scheme that runs something":     {false, []string{chart(""), strings.Replace(rels, `file:///C:\a\b.xlsx`, "mhtml:http://x!y", 1)}},
		"an object that is no chart's":     {false, []string{chart(""), strings.Replace(rels, "oleObject", "frame", 1)}},
	} {
		if r := sniff(t, Config{}, "a.docx", sampleDOCX(t, c.parts...)); r.Accepted != c.accepted || !c.accepted && r.ID != "GH-OFF-002" {
			t.Errorf("%s: %+v", what, r)
		}
		inside := sampleZIP(t, "a.docx="+sampleDOCX(t, c.parts...))
		if r := sniff(t, Config{}, "a.zip", inside); r.Accepted != c.accepted {
			t.Errorf("%s, in an archive: %+v", what, r)
		}
	}
	many := []string{}
	for i := range maxChartLinks + 1 {
		many = append(many, strings.Replace(rels, "chart1", "chart1"+strings.Repeat("0", i), 1))
	}
	if r := sniff(t, Config{}, "a.docx", sampleDOCX(t, append(many, chart(""))...)); r.ID != "GH-OFF-002" {
		t.Errorf("more links than are remembered: %+v", r)
	}
}

func utf16LE(s string) string {
	b := []byte("\xff\xfe")
	for i := range len(s) {
		b = append(b, s[i], 0)
	}
	return string(b)
}
