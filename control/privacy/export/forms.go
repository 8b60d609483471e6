package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// writeJSON writes an array of {"key", "fields"}.
func (c *shelf) writeJSON(w io.Writer) error {
	before := "[\n"
	err := c.each(func(text []byte) error {
		if _, err := io.WriteString(w, before); err != nil {
			return err
		}
		before = ",\n"
		_, err := w.Write(text)
		return err
	})
	if err != nil {
		return err
	}
	end := "\n]\n"
	if c.records == 0 {
		end = "[]\n"
	}
	_, err = io.WriteString(w, end)
	return err
}

const (
	keyColumn  = "key"
	moreColumn = "more fields"
)

func (c *shelf) header() []string {
	header := append([]string{keyColumn}, c.columns...)
	if c.more {
		header = append(header, moreColumn)
	}
	return header
}

// writeCSV writes RFC 4180, in UTF-8.
func (c *shelf) writeCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	header := c.header()
	for i, name := range header {
		header[i] = harmless(name)
	}
	if err := out.Write(header); err != nil {
		return err
	}
	err := c.each(func(text []byte) error {
		row, err := c.row(text)
		if err != nil {
			return err
		}
		return out.Write(row)
	})
	if err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}

// row is a record in the order of the header.
func (c *shelf) row(text []byte) ([]string, error) {
	var l line
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&l); err != nil {
		return nil, fmt.Errorf("read back a record of %s/%s: %w", c.system, c.name, err)
	}
	row := []string{harmless(l.Key)}
	for _, name := range c.columns {
		cell, err := cellOf(l.Fields[name])
		if err != nil {
			return nil, err
		}
		row = append(row, cell)
		delete(l.Fields, name)
	}
	if !c.more {
		return row, nil
	}
	if len(l.Fields) == 0 {
		return append(row, ""), nil
	}
	cell, err := cellOf(l.Fields)
	return append(row, cell), err
}

// cellOf writes numbers and truth values as they are, other values as text.
func cellOf(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return harmless(v), nil
	case json.Number:
		return v.String(), nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("write a value: %w", err)
	}
	return string(text), nil
}

// harmless keeps a spreadsheet from taking a text for a formula (CWE-1236).
func harmless(text string) string {
	// Some trim before they look.
	trimmed := strings.TrimLeft(text, " \u00a0\ufeff")
	if trimmed != "" && strings.ContainsRune("=+-@\t\r\n|%＝＋－＠", []rune(trimmed)[0]) {
		return "'" + text
	}
	return text
}
