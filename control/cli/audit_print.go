package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"gatehouse/authz/event"
)

// eventPrinter prints events as they come: JSON one a line, or columns.
type eventPrinter struct {
	out    io.Writer
	format output
	header bool
}

func newEventPrinter(out io.Writer, format output) *eventPrinter {
	return &eventPrinter{out: out, format: format}
}

const eventColumns = "%-24s  %-8s  %-23s  %-8s  %-6s  %-28s  %-14s  %s\n"

func (p *eventPrinter) print(e event.Event) error {
	if p.format == outputJSON {
		enc := json.NewEncoder(p.out)
		enc.SetEscapeHTML(false)
		return enc.Encode(e)
	}
	if !p.header {
		p.header = true
		if _, err := fmt.Fprintf(p.out, eventColumns, "TIME", "SEVERITY", "TYPE", "OUTCOME", "STATUS", "REQUEST", "CLIENT", "WHY"); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(p.out, eventColumns, e.Time.UTC().Format("2006-01-02T15:04:05.000Z"), printable(string(e.Severity)),
		printable(string(e.Type)), printable(string(e.Outcome)), status(e), shortened(printable(strings.TrimSpace(e.Method+" "+e.Path)), 28),
		shortened(printable(e.Client), 14), printable(why(e)))
	return err
}

func status(e event.Event) string {
	if e.Status == 0 {
		return "-"
	}
	return strconv.Itoa(e.Status)
}

// why is the shortest true answer: the rule and the reason, else who it was
// about.
func why(e event.Event) string {
	parts := []string{}
	for _, part := range []string{e.Rule, e.Reason} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 && e.PolicyVersion != "" {
		parts = append(parts, "policy "+strings.TrimSpace(e.Policy+" "+e.PolicyVersion))
	}
	return strings.Join(parts, ": ")
}

// printable keeps what a client has sent from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\ufffd'
	}, s)
}

func shortened(s string, limit int) string {
	runes := []rune(s)
	if len(runes) <= limit {
		return s
	}
	return string(runes[:limit-1]) + "…"
}
