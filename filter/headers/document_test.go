package headers

import (
	"os"
	"strings"
	"testing"
)

func TestTheDocumentSaysWhatThePresetsSet(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/headers.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | "); len(cells) == 5 {
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			rows[strings.Trim(cells[0], "`")] = cells[1:]
		}
	}
	columns := rows["header"]
	if len(columns) != len(Presets()) {
		t.Fatalf("the table has the presets %q", columns)
	}
	for i, column := range columns {
		said := map[string]string{}
		for name, cells := range rows {
			if name != "header" && cells[i] != "-" && !strings.HasPrefix(name, "---") {
				said[name] = cells[i]
			}
		}
		expectRow(t, strings.Trim(column, "`"), said)
	}
}

// expectRow takes what is right out of said.
func expectRow(t *testing.T, preset string, said map[string]string) {
	t.Helper()
	p, err := Compile(Config{Preset: preset})
	if err != nil {
		t.Fatal(err)
	}
	expect := func(name, want string) {
		if said[name] != want {
			t.Errorf("%s: the document says %s of %s, the preset %s", preset, said[name], name, want)
		}
		delete(said, name)
	}
	for _, h := range p.Headers() {
		want := "`" + h.Text() + "`"
		if h.Existing != Replace {
			want += " (" + h.Existing.String() + ")"
		}
		expect(h.Name, want)
	}
	if rules := p.CookieRules(); rules != "" {
		expect("set-cookie", "`"+rules+"`")
	}
	for name := range said {
		t.Errorf("%s: the document has %s, the preset has not", preset, name)
	}
}
