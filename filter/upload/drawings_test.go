package upload

import (
	"strings"
	"testing"
)

// verdicts are files that differ from one another in one trait.
type verdicts []struct {
	name, file string
	accepted   bool
}

func (v verdicts) check(t *testing.T, as string) {
	t.Helper()
	for _, tt := range v {
		for _, piece := range []int{len(tt.file), 1, 7} {
			f, r := policyOf(t, Config{}).newFile(as, "", true)
			for rest := []byte(tt.file); len(rest) > 0 && r == nil; rest = rest[min(piece, len(rest)):] {
				r = f.write(rest[:min(piece, len(rest))])
			}
			if r == nil {
				r = f.end()
			}
			if (r == nil) != tt.accepted {
				t.Errorf("%s, in pieces of %d: %+v", tt.name, piece, r)
			}
		}
	}
}

func TestADrawingLoadsNothingHoweverItsAddressIsSpelt(t *testing.T) {
	t.Parallel()
	svg := func(s string) string {
		return `<svg xmlns="http://www.w3.org/2000/svg">` + s + `</svg>`
	}
	blanks := strings.Repeat(" ", 60)
	verdicts{
		{"a rule behind an element of the style", svg(`<style>a{}<b/>@import "http://x";</style>`), false},
		{"a style behind an element", svg(`<style>a{}<b/>a{fill:red}</style><text>@import "http://x"</text>`), true},
		{"blanks before an address", svg(`<rect style="fill:url(` + blanks + `http://x)"/>`), false},
		{"blanks before a picture's name", svg(`<rect style="fill:url(` + blanks[:20] + `#g)"/>`), true},
		{"backslashes in a style", svg(`<style>a{b:url("\\\\x.com\\y")}</style>`), false},
		{"a slash and a backslash", svg(`<image href="/\x.com/y.png"/>`), false},
		{"a tab between slashes", svg(`<style>a{b:url(/\9/x.com/y)}</style>`), false},
		{"references in a style sheet", svg(`<style>@&#x69;mport "http://x"; a{b:&#000117;rl(http://x)}</style>`), false},
		{"a reference that is a bracket", svg(`<style>g&gt;a{b:url(#c)}</style>`), true},
		{"a set of pictures", svg(`<h:img xmlns:h="http://www.w3.org/1999/xhtml" srcset="//x/y 2x"/>`), false},
		{"an entity as an address", `<!DOCTYPE svg [<!ENTITY a "http://x/y">]>` + svg(`<rect fill="url(&a;#b)"/>`), false},
		{"a default that loads", `<!DOCTYPE svg [<!ATTLIST image href CDATA "http://x/y">]>` + svg("<image/>"), false},
		{"a default of a style", `<!DOCTYPE svg [<!ATTLIST g style CDATA "fill:url(http://x/y)">]>` + svg("<g/>"), false},
		{"a default of a name space", `<!DOCTYPE svg [<!ATTLIST svg xmlns:a CDATA #FIXED "http://ns.adobe.com/">]>` + svg("<g/>"), true},
		{"code behind a short tag", svg("<? system($_GET[0]); ?>"), false},
		{"a script behind thousands of blanks", svg(`<a href="` + strings.Repeat(" ", 5000) + `javascript:x"/>`), false},
		{"an address far into a style", svg(`<g style="` + strings.Repeat("fill:red;", 1000) + `b:url(http://x)"/>`), false},
		{"a long style", svg(`<g style="` + strings.Repeat("fill:red;", 1000) + `"/>`), true},
		{"a long picture", svg(`<image href="data:image/png;base64,` + strings.Repeat("iVBO", 3000) + `"/>`), true},
	}.check(t, "a.svg")
}

func TestADocumentOfAnOfficeInOneXMLIsReadAsOne(t *testing.T) {
	t.Parallel()
	const pkg = `<?mso-application progid="Word.Document"?><p:package xmlns:p="http://schemas.microsoft.com/office/2006/xmlPackage"><p:part p:name="/a" p:contentType="`
	const flat = `<o:document xmlns:o="urn:oasis:names:tc:opendocument:xmlns:office:1.0">`
	verdicts{
		{"a package", pkg + `application/xml"/></p:package>`, true},
		{"macros in a package", pkg + `application/vnd.ms-office.vbaProject"/></p:package>`, false},
		{"an object in a package", pkg + `application/vnd.openxmlformats-officedocument.oleObject"/></p:package>`, false},
		{"a template elsewhere", pkg + `x"><Relationship Type="x/attachedTemplate" Target="http://x" TargetMode="External"/></p:part></p:package>`, false},
		{"macros of 2003", `<w:wordDocument xmlns:w="x"><w:docSuppData/></w:wordDocument>`, false},
		{"a field of 2003", `<w:wordDocument xmlns:w="x"><w:instrText>DDEAUTO x</w:instrText></w:wordDocument>`, false},
		{"a formula of 2003", `<Workbook><Cell ss:Formula="=cmd|'/c calc'!A0"/></Workbook>`, false},
		{"a sum of 2003", `<Workbook><Cell ss:Formula="=SUM(R1C1)"/></Workbook>`, true},
		{"flat macros", flat + `<x:library-embedded xmlns:x="x"/></o:document>`, false},
		{"a flat text", flat + `<o:body/></o:document>`, true},
		{"the same names elsewhere", `<list><docSuppData/><library-embedded/></list>`, true},
		{"a link to a script", `<r xmlns:h="http://www.w3.org/1999/xhtml"><h:a href=" javascript:x">y</h:a></r>`, false},
	}.check(t, "a.xml")
}
