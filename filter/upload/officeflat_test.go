package upload

import "testing"

func TestXMLThatOfficeOpensIsJudgedAsItsDocumentsAre(t *testing.T) {
	t.Parallel()
	for text, id := range map[string]string{
		`<w:wordDocument w:macrosPresent="no"><w:body><w:t>DDE</w:t></w:body></w:wordDocument>`:                             "",
		`<w:wordDocument w:macrosPresent="yes"/>`:                                                                           "GH-OFF-001",
		`<w:wordDocument><w:docSuppData><w:binData w:name="editdata.mso">QWN0</w:binData></w:docSuppData></w:wordDocument>`: "GH-OFF-001",
		`<w:wordDocument><w:binData>0M8<!-- x --><![CDATA[R4K]]>GxGuE</w:binData></w:wordDocument>`:                         "GH-OFF-004",
		`<w:wordDocument><w:docOleData/></w:wordDocument>`:                                                                  "GH-OFF-004",
		`<w:wordDocument><w:binData w:name="wordml://1.png">iVBORw0KGgo=</w:binData></w:wordDocument>`:                      "",
		"<w:wordDocument><w:binData>\n QWN0aXZl\nTWltZQAAAfAE</w:binData></w:wordDocument>":                                 "GH-OFF-001",
		"<w:wordDocument><w:binData>\n QWN0aXZlTWltZQAAAfAE</w:binData></w:wordDocument>":                                   "GH-OFF-001",
		`<w:wordDocument><w:instrText> DDEAUTO c:\x </w:instrText></w:wordDocument>`:                                        "GH-OFF-003",
		`<w:wordDocument><w:attachedTemplate w:val="http://x/y.dot"/></w:wordDocument>`:                                     "GH-OFF-002",
		`<w:wordDocument><w:attachedTemplate w:val="C:\y.dot"/></w:wordDocument>`:                                           "",
		`<w:wordDocument><w:ocx/></w:wordDocument>`:                                                                         "GH-OFF-005",
		`<Workbook><Cell ss:Formula="=SUM(R1C1:R2C1)"/></Workbook>`:                                                         "",
		`<Workbook><Cell ss:Formula="=cmd|'/c calc'!A0"/></Workbook>`:                                                       "GH-OFF-003",
		`<Workbook><NamedRange ss:Name="a" ss:RefersTo="=cmd|'/c calc'!A0"/></Workbook>`:                                    "GH-OFF-003",
		`<Workbook><SupBook><Path>cmd|/c calc.exe</Path></SupBook></Workbook>`:                                              "GH-OFF-003",
		`<Workbook><SupBook><Path>C:\a\b.xls</Path></SupBook><SupBook><Path>x</Path></SupBook></Workbook>`:                  "",
		`<pkg:package><pkg:part pkg:contentType="application/vnd.ms-office.vbaProject"/></pkg:package>`:                     "GH-OFF-001",
		`<pkg:package><pkg:part><pkg:binaryData>0M8R4KGxGuEAAAAA</pkg:binaryData></pkg:part></pkg:package>`:                 "GH-OFF-004",
		`<pkg:package><pkg:part><pkg:binaryData>&#48;M8R4KGxGuE</pkg:binaryData></pkg:part></pkg:package>`:                  "GH-OFF-004",
		`<pkg:package><Relationship Type="a/attachedTemplate" Target="http://x/y" TargetMode="External"/></pkg:package>`:    "GH-OFF-002",
		`<office:document><office:script><ooo:source-code>Sub Main</ooo:source-code></office:script></office:document>`:     "GH-OFF-001",
		`<a><binData>0M8R4KGxGuE</binData><source-code>x</source-code><path>a|b</path></a>`:                                 "",
	} {
		for _, content := range []string{text, `<?xml version="1.0"?><?mso-application progid="Word.Document"?>` + text, utf16LE(text)} {
			p := policyOf(t, Config{})
			r := sniff(t, Config{}, "a.xml", content)
			pieces, err := p.Sniff(&pieceReader{[]byte(content), 1}, "a.xml", "")
			must(t, err)
			if r.ID != id || pieces.ID != id {
				t.Errorf("%s: %+v, in pieces %+v, want %q", content, r, pieces, id)
			}
		}
	}
}
