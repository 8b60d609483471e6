package privacy

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strings"
	"time"

	"gatehouse/control/privacy/datamap"
)

// ProcessingRecord is the record of processing activities, as it is written down.
type ProcessingRecord struct {
	Controller datamap.Controller `json:"controller"`
	Generated  time.Time          `json:"generated"`
	Activities []datamap.Activity `json:"activities" nullable:"false"`
}

// Processing makes the record from the data map, by purpose.
func (s *Service) Processing() ProcessingRecord {
	m := s.o.Map()
	return ProcessingRecord{Controller: m.Controller, Generated: s.now().UTC().Truncate(time.Second), Activities: m.Activities()}
}

// columnsOf are the parts of an activity in the order of Art. 30(1).
func columnsOf(a datamap.Activity) []struct {
	name   string
	values []string
} {
	return []struct {
		name   string
		values []string
	}{
		{"Purpose", []string{a.Purpose}}, {"Lawful basis", []string{a.Basis}}, {"Categories of persons", a.Persons},
		{"Categories of data", a.Data}, {"Recipients", a.Recipients}, {"Transfers to third countries", a.Transfers},
		{"Time limits for erasure", a.Retention}, {"Security measures", a.Measures}, {"Systems", a.Systems},
	}
}

// Markdown is the record for people.
func (r ProcessingRecord) Markdown() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Record of processing activities (GDPR Art. 30)\n\nGenerated from the data map at %s.\n\n", r.Generated.Format(time.RFC3339))
	for _, line := range [][2]string{{"Controller", r.Controller.Name}, {"Contact", r.Controller.Contact}, {"Data-protection officer", r.Controller.DPO}} {
		fmt.Fprintf(&b, "- %s: %s\n", line[0], plain(orNone(line[1])))
	}
	if len(r.Activities) == 0 {
		b.WriteString("\nThe data map names no processing.\n")
	}
	for _, a := range r.Activities {
		columns := columnsOf(a)
		fmt.Fprintf(&b, "\n## %s\n\n", plain(orNone(a.Purpose)))
		for _, c := range columns[1:] {
			fmt.Fprintf(&b, "- %s: %s\n", c.name, plain(orNone(strings.Join(c.values, ", "))))
		}
	}
	return b.Bytes()
}

// CSV is the record for a spreadsheet (RFC 4180).
func (r ProcessingRecord) CSV() ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	var header []string
	for _, c := range columnsOf(datamap.Activity{}) {
		header = append(header, c.name)
	}
	rows := [][]string{header}
	for _, a := range r.Activities {
		var row []string
		for _, c := range columnsOf(a) {
			row = append(row, cell(strings.Join(c.values, "; ")))
		}
		rows = append(rows, row)
	}
	if err := w.WriteAll(rows); err != nil {
		return nil, fmt.Errorf("write the record as CSV: %w", err)
	}
	return b.Bytes(), nil
}

// cell keeps a spreadsheet from taking a text for a formula.
func cell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}

func orNone(text string) string {
	if strings.TrimSpace(text) == "" {
		return "not stated"
	}
	return text
}

// plain keeps a text in its line and of its kind: no other heading, list or tag.
func plain(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return strings.NewReplacer("<", "&lt;", ">", "&gt;", "[", `\[`, "]", `\]`, "`", "\\`", "*", `\*`, "_", `\_`, "#", `\#`, "|", `\|`).Replace(text)
}
