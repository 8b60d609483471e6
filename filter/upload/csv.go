package upload

import "bytes"

// csv looks at how cells begin. A formula is a matter of the program that opens
// the file, and honest files have them; one that starts a program is not.
type csv struct {
	text
	cell    []byte // its first bytes, from the sign on
	inside  bool   // of a cell
	quoted  bool
	formula bool
}

// maxCell is what is kept of a formula.
const maxCell = 256

func newCSV(env) checker { return &csv{text: text{newFinder("<?php")}} }

func (c *csv) write(b []byte) *Refusal {
	if r := c.text.write(b); r != nil {
		return r
	}
	for _, ch := range b {
		switch {
		case ch == '\n' || ch == '\r' || !c.quoted && (ch == ',' || ch == ';' || ch == '\t'):
			if r := c.endCell(); r != nil {
				return r
			}
			continue
		case ch == '"':
			if !c.inside {
				c.quoted = true
				continue
			}
			c.quoted = false
		case !c.inside && ch == ' ':
			continue
		}
		if !c.inside {
			c.inside = true
			c.formula = bytes.IndexByte([]byte("=+-@"), ch) >= 0
		}
		if c.formula && len(c.cell) < maxCell {
			c.cell = append(c.cell, ch)
		}
	}
	return nil
}

// endCell refuses =program|'arguments'!cell, which spreadsheets start, and the
// function that does the same.
func (c *csv) endCell() *Refusal {
	cell := c.cell
	c.cell, c.inside, c.formula, c.quoted = c.cell[:0], false, false, false
	if i := bytes.IndexByte(cell, '|'); i > 1 && bytes.IndexByte(cell[i:], '!') > 0 {
		return refuse("GH-CSV-001", "a cell that starts a program through DDE")
	}
	if upper := bytes.ToUpper(cell); bytes.Contains(upper, []byte("DDE(")) {
		return refuse("GH-CSV-001", "a cell that starts a program through DDE")
	}
	return nil
}

func (c *csv) end(size int64) *Refusal { return c.endCell() }
