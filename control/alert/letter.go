package alert

import (
	"fmt"
	"maps"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	gomail "github.com/wneessen/go-mail"
)

const (
	maxSubject = 150 // bytes
	maxLine    = 900 // bytes of a line of the text
)

// letter is the mail that tells of a message. What events brought in (a host, a
// route) is one line each, in the subject as well as in the text: nobody adds a
// header or a line to it.
func (m *Mail) letter(message Message) *gomail.Msg {
	a, state := message.Alert, "FIRING"
	if message.Resolved {
		state = "OVER"
	}
	letter := gomail.NewMsg(gomail.WithEncoding(gomail.EncodingQP), gomail.WithNoDefaultUserAgent())
	letter.FromMailAddress(m.from)
	letter.ToMailAddress(m.to...)
	letter.Subject(subject(fmt.Sprintf("[%s] %s %s %s", state, a.Severity, a.Rule, groupOf(a.Labels))))
	letter.SetDateWithValue(m.now())
	letter.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nothing answers by itself
	began := a.ID + ".raised@" + domainOf(m.from)
	if message.Resolved {
		letter.SetMessageIDWithValue(a.ID + ".resolved@" + domainOf(m.from))
		letter.SetGenHeader("In-Reply-To", "<"+began+">") // below the one it belongs to
		letter.SetGenHeader("References", "<"+began+">")
	} else {
		letter.SetMessageIDWithValue(began) // the same if it is sent again
	}
	letter.SetBodyString(gomail.TypeTextPlain, text(message))
	return letter
}

// subject also breaks up what a reader would take for an encoded word (RFC 2047),
// in which a line's end could hide.
func subject(text string) string {
	return oneLine(strings.ReplaceAll(text, "=?", "= ?"), maxSubject)
}

func domainOf(a *mail.Address) string { return a.Address[strings.LastIndexByte(a.Address, '@')+1:] }

func text(message Message) string {
	a := message.Alert
	var b strings.Builder
	line := func(name, value string) { fmt.Fprintf(&b, "%-10s%s\n", name, oneLine(value, maxLine)) }
	fmt.Fprintf(&b, "%s\n\n", oneLine(a.Summary, maxLine))
	line("Rule", a.Rule)
	line("Severity", a.Severity)
	for _, name := range slices.Sorted(maps.Keys(a.Labels)) {
		line(strings.ToUpper(name[:1])+name[1:], a.Labels[name])
	}
	line("Events", fmt.Sprint(a.Events))
	line("Started", a.Started.UTC().Format(time.RFC3339))
	line("Last", a.Last.UTC().Format(time.RFC3339))
	if message.Resolved {
		line("Over", a.Ended.UTC().Format(time.RFC3339))
	}
	line("Alert", a.ID)
	b.WriteString("\nWhat to do first is in the runbook, \"When an alert comes\".\n")
	return b.String()
}

func groupOf(labels map[string]string) string {
	parts := make([]string, 0, len(labels))
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		parts = append(parts, name+"="+labels[name])
	}
	return strings.Join(parts, " ")
}

// isControl is true for what ends a line, or makes it look like another: C0, C1,
// and Unicode's separators and marks of direction.
func isControl(r rune) bool {
	return unicode.IsControl(r) || r == utf8.RuneError || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

// oneLine is text with a space for each such rune, cut to at most so many bytes.
func oneLine(text string, most int) string {
	clean := strings.Map(func(r rune) rune {
		if isControl(r) {
			return ' '
		}
		return r
	}, text)
	if len(clean) <= most {
		return strings.TrimSpace(clean)
	}
	cut := most - len("…")
	for cut > 0 && !utf8.RuneStart(clean[cut]) {
		cut--
	}
	return strings.TrimSpace(clean[:cut]) + "…"
}
