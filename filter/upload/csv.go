package upload

import (
	"bytes"
	"strings"

	"gatehouse/filter/upload/internal/blocks"
)

// csv looks at how cells begin. A formula is a matter of the program that opens
// the file, and honest files have them, so it is only noted; one that starts a
// program is refused.
type csv struct {
	text
	cell     []byte // its first bytes, from the sign on
	inside   bool   // of a cell
	quoted   bool
	line     bool // a line has ended in its quotes
	formula  bool
	open     int  // parentheses of the formula
	later    bool // the beginning of the formula is not kept any more
	bar      bool // there was a bar in it
	formulas int
	mark     []byte // the byte order mark, as far as it was read
	begun    bool
	wide     utf16Text
}

// maxCell is what is kept of a formula, at a time.
const maxCell = 256

func newCSV(env) checker { return &csv{} }

func (c *csv) write(b []byte) *Refusal {
	if r := c.text.write(b); r != nil {
		return r
	}
	b = c.wide.narrow(b)
	for i := 0; i < len(b); i++ {
		for c.inside && !c.formula && !csvTelling[b[i]] { // of a cell that is no formula only the end matters
			if i++; i == len(b) {
				return nil
			}
		}
		if !c.begun && c.skipMark(b[i]) {
			continue
		}
		if r := c.char(b[i]); r != nil {
			return r
		}
	}
	return nil
}

// csvTelling has the bytes that char asks for within a cell.
var csvTelling = [256]bool{'\n': true, '\r': true, ',': true, ';': true, '\t': true, 0: true, '"': true}

// skipMark passes over a byte order mark, which would hide the first cell's sign.
func (c *csv) skipMark(ch byte) bool {
	const utf8Mark = "\xef\xbb\xbf"
	if (c.wide.little || c.wide.big) && len(c.mark) == 0 {
		c.begun = true
		return ch == '?' // what is left of its mark
	}
	if len(c.mark) < len(utf8Mark) && ch == utf8Mark[len(c.mark)] {
		c.mark = append(c.mark, ch)
		return true
	}
	c.begun = true
	return false
}

func (c *csv) char(ch byte) *Refusal {
	line := ch == '\n' || ch == '\r'
	switch {
	case line && c.quoted && c.goesOn():
		c.line = true
		return nil
	case line || c.parts(ch):
		return c.endCell()
	case ch == '"':
		if !c.inside {
			c.quoted = true
			return nil
		}
		c.quoted = false
	case !c.inside && (ch == ' ' || ch == '\t'):
		return nil
	}
	if !c.inside {
		c.inside = true
		c.formula = strings.IndexByte("=+-@", ch) >= 0
	}
	if c.formula {
		return c.add(ch)
	}
	return nil
}

// goesOn tells whether the end of a line in quotes is a blank of a formula, or before
// one. Elsewhere it ends the cell, because not all readers know what is quoted.
func (c *csv) goesOn() bool {
	return !c.inside || c.formula && (c.cell[0] == '=' || c.later || !bytes.ContainsFunc(c.cell, isLatinLetter))
}

func isLatinLetter(r rune) bool { return r|0x20 >= 'a' && r|0x20 <= 'z' }

// parts tells the characters between cells. Within the parentheses of a formula they are
// its own, if they are not what parts cells for its reader.
func (c *csv) parts(ch byte) bool {
	if ch != ',' && ch != ';' && ch != '\t' && ch != 0 || c.quoted && (c.formula || !c.line) {
		return false
	}
	return !c.formula || c.open <= 0 && !c.inTopic()
}

// add keeps a character of a formula. Of one that is longer than what is kept, its
// beginning has been judged.
func (c *csv) add(ch byte) *Refusal {
	switch ch {
	case '(':
		c.open++
	case ')':
		c.open--
	}
	if len(c.cell) == maxCell {
		if c.cell[0] != '=' && !c.later { // a text that begins with a hyphen
			return nil
		}
		if r := c.judge(); r != nil {
			return r
		}
		c.bar = c.bar || bytes.IndexByte(c.cell[1:], '|') >= 0
		c.cell, c.later = c.cell[:copy(c.cell, c.cell[maxCell/2:])], true
	}
	c.cell = append(c.cell, ch)
	return nil
}

// inTopic tells whether what the cell has so far may be a program and the beginning of
// what it is told: which characters part cells is the reader's choice, so that any of
// them may stand there.
func (c *csv) inTopic() bool {
	i := bytes.IndexByte(c.cell, '|')
	return i > 1 && bytes.HasPrefix(bytes.TrimLeft(c.cell[i+1:], " "), []byte("'")) && bytes.Count(c.cell[i:], []byte("'")) == 1
}

// endCell refuses =program|'arguments'!cell, which spreadsheets start, and the
// functions that do the same or load something when the file is opened.
func (c *csv) endCell() *Refusal {
	r := c.judge()
	if r == nil && c.formula && (c.later || isFormula(c.cell)) {
		c.formulas++
	}
	c.cell, c.inside, c.formula, c.quoted = c.cell[:0], false, false, false
	c.line, c.later, c.bar, c.open = false, false, false, 0
	return r
}

func (c *csv) judge() *Refusal {
	cell := c.cell
	if !c.formula {
		return nil
	}
	if i := bytes.IndexByte(cell, '|'); i > 1 && bytes.IndexByte(cell[i:], '!') > 0 || c.bar && bytes.IndexByte(cell, '!') >= 0 {
		return refuse("GH-CSV-001", "a cell that starts a program through DDE")
	}
	if bytes.IndexByte(cell, '(') > 0 && bytes.Contains(bytes.ToUpper(cell), []byte("DDE(")) {
		return refuse("GH-CSV-001", "a cell that starts a program through DDE")
	}
	if loadsByItself(cell, cell[0] == '=' || c.later) {
		return refuse("GH-CSV-003", "a cell that sends or loads something as soon as it is shown")
	}
	return nil
}

// loadsByItself tells the functions that spreadsheets ask addresses by, which may carry
// what other cells hold.
func loadsByItself(cell []byte, equals bool) bool {
	if bytes.IndexByte(cell, '(') < 0 {
		return false
	}
	upper := bytes.ToUpper(cell)
	for _, function := range [...]string{"WEBSERVICE", "IMPORTXML", "IMPORTDATA", "IMPORTHTML", "IMPORTFEED", "IMPORTRANGE"} {
		if i := bytes.Index(upper, []byte(function)); i > 0 && bytes.HasPrefix(bytes.TrimLeft(upper[i+len(function):], " "), []byte("(")) {
			return true
		}
	}
	if !equals {
		return false // a text, in which these are words
	}
	for _, function := range [...]string{"IMAGE(", "RTD(", "CALL(", "REGISTER.ID("} {
		if i := bytes.Index(upper, []byte(function)); i > 0 && !isLetter(upper[i-1]) && (upper[i-1] < '0' || upper[i-1] > '9') {
			return true
		}
	}
	return false
}

// isFormula leaves out signed numbers, telephone numbers and names with an @.
func isFormula(cell []byte) bool {
	rest := strings.TrimLeft(blocks.String(cell), "=+-@ ")
	if cell[0] == '=' {
		return rest != ""
	}
	return strings.ContainsAny(rest, "(!") && strings.ContainsFunc(rest, func(r rune) bool { return r|0x20 >= 'a' && r|0x20 <= 'z' })
}

// note tells of formulas.
func (c *csv) note() *Refusal {
	if c.formulas == 0 {
		return nil
	}
	return refuse("GH-CSV-002", "a CSV with a formula in a cell")
}

func (c *csv) end(int64) *Refusal { return c.endCell() }
