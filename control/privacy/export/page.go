package export

import (
	_ "embed"
	"errors"
	"html/template"
	"io"
	"strings"
	"time"

	"gatehouse/control/privacy/connector"
)

// Bounds of the page: all data are in the files beside it.
const (
	pageRows  = 100  // of one collection
	pageCells = 40   // of one row
	pageText  = 1000 // characters of one value
)

//go:embed page.html.tmpl
var pageTemplate string

var pages = template.Must(template.New("page").Funcs(template.FuncMap{
	"join": func(list []string) string { return strings.Join(list, ", ") },
	"date": func(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") },
}).Parse(pageTemplate))

// page writes index.html, for people.
func (a *archive) page(s *spool) error {
	if a.about.Kind != connector.Access {
		return nil
	}
	return a.member("index.html", 0, func(w io.Writer) error {
		err := pages.ExecuteTemplate(w, "head", struct {
			About
			Rights      []string
			Collections []*shelfView
		}{a.about, rights(), views(s)})
		if err != nil {
			return err
		}
		for _, c := range s.collections {
			if err := c.writeTable(w); err != nil {
				return err
			}
		}
		return pages.ExecuteTemplate(w, "tail", nil)
	})
}

// shelfView is what the page says of a collection.
type shelfView struct {
	System, Name, Path string
	Records, More      int64
	Header             []string
}

func (c *shelf) view() *shelfView {
	v := &shelfView{System: c.system, Name: c.name, Path: c.path, Records: c.records, More: max(0, c.records-pageRows)}
	v.Header = clipped(c.header())
	return v
}

func views(s *spool) (out []*shelfView) {
	for _, c := range s.collections {
		out = append(out, c.view())
	}
	return out
}

var errEnough = errors.New("enough rows for the page")

func (c *shelf) writeTable(w io.Writer) error {
	if err := pages.ExecuteTemplate(w, "collection", c.view()); err != nil {
		return err
	}
	n := 0
	err := c.each(func(text []byte) error {
		if n++; n > pageRows {
			return errEnough
		}
		row, err := c.row(text)
		if err != nil {
			return err
		}
		return pages.ExecuteTemplate(w, "row", clipped(row))
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	return pages.ExecuteTemplate(w, "end", c.view())
}

func clipped(row []string) []string {
	out := make([]string, 0, min(len(row), pageCells))
	for _, cell := range row[:min(len(row), pageCells)] {
		if runes := []rune(cell); len(runes) > pageText {
			cell = string(runes[:pageText]) + "…"
		}
		out = append(out, cell)
	}
	return out
}
