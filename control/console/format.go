package console

import (
	"fmt"
	"html/template"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

// parse reads each page together with the layout.
func (c *console) parse() error {
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return fmt.Errorf("console: %w", err)
	}
	c.pages = map[string]*template.Template{}
	for _, file := range names {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name == "layout" || name == "parts" {
			continue
		}
		t, err := template.New(name).Funcs(c.functions()).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html", file)
		if err != nil {
			return fmt.Errorf("console: page %s: %w", name, err)
		}
		c.pages[name] = t
	}
	return nil
}

func (c *console) functions() template.FuncMap {
	return template.FuncMap{
		"stamp":   func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
		"dateof":  func(t time.Time) string { return t.UTC().Format("2006-01-02") },
		"timeof":  func(t time.Time) string { return t.UTC().Format("15:04:05") },
		"count":   func(n int64, unit string) string { return plural(int(n), unit) },
		"iso":     func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
		"day":     func(t time.Time) string { return t.UTC().Format("2 January 2006") },
		"ago":     func(t time.Time) string { return ago(c.now().Sub(t)) },
		"clock":   func(r requestRow) clock { return clockOf(r, c.now()) },
		"words":   words,
		"tone":    tone,
		"article": article,
		"short":   short,
		"sorted":  sortedPairs,
		"dict":    dict,
		"live":    func() string { return "/v1/events/stream?" + url.Values{"type": {liveTypes}}.Encode() },
		"counter": func(key string) string { return Root + "/limits?" + url.Values{"key": {key}}.Encode() },
		"search":  func(key, value string) string { return Root + "/events?" + url.Values{key: {value}}.Encode() },
	}
}

// words makes a type readable: file_upload_rejected, rate-limit.
func words(name string) string {
	return strings.NewReplacer("cors_", "CORS ", "api_", "API ", "_", " ", "-", " ").Replace(name)
}

// tone is the class of a severity, an outcome or a state; a fixed set, whatever
// the text is.
func tone(text string) string {
	switch strings.ToLower(text) {
	case "critical", "deny", "failure", "failed", "firing", "overdue":
		return "bad"
	case "warning", "report", "in_progress", "received", "soon", "pending":
		return "warn"
	case "allow", "success", "completed", "done", "resolved", "verified":
		return "good"
	}
	return "calm"
}

// ago is a duration in its largest unit.
func ago(d time.Duration) string {
	if d < 0 {
		return "just now"
	}
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		if n := int(d / unit.of); n > 0 {
			return fmt.Sprintf("%s ago", plural(n, unit.name))
		}
	}
	return "just now"
}

func plural(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}

// clock is the time that a request has left (GDPR Art. 12(3)).
type clock struct {
	Running bool
	Tone    string // soon or overdue, else empty
	Text    string
	// Spent and Whole are hours, for a progress bar.
	Spent, Whole int
}

const soon = 7 * 24 * time.Hour

func clockOf(r requestRow, now time.Time) clock {
	whole := r.Due.Sub(r.Received)
	if r.Due.IsZero() || whole <= 0 {
		return clock{Text: "no deadline"}
	}
	if !r.Open() {
		return clock{Text: "closed"}
	}
	left := r.Due.Sub(now)
	c := clock{Running: true, Whole: int(whole / time.Hour)}
	c.Spent = min(c.Whole, max(0, int((whole-left)/time.Hour)))
	switch {
	case left < 0:
		c.Tone, c.Text = "overdue", strings.TrimSuffix(ago(-left), " ago")+" overdue"
	case left < soon:
		c.Tone, c.Text = "soon", strings.TrimSuffix(ago(left), " ago")+" left"
	default:
		c.Text = strings.TrimSuffix(ago(left), " ago") + " left"
	}
	return c
}

// article is the one of the GDPR that gives the right.
func article(kind string) string {
	return map[string]string{
		"access": "Art. 15", "rectification": "Art. 16", "erasure": "Art. 17", "restriction": "Art. 18",
		"portability": "Art. 20", "objection": "Art. 21",
	}[kind]
}

// short cuts a pseudonym or an id to what tells it from its neighbours.
func short(text string) string {
	const most = 12
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// pair is an entry of a map.
type pair struct{ Key, Value string }

func sortedPairs(m map[string]string) []pair {
	out := make([]pair, 0, len(m))
	for k, v := range m {
		out = append(out, pair{k, v})
	}
	slices.SortFunc(out, func(a, b pair) int { return strings.Compare(a.Key, b.Key) })
	return out
}

// dict gives a part of a page more than one value: names and values by turns.
func dict(pairs ...any) (map[string]any, error) {
	out := make(map[string]any, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("a part's value has no name: %v", pairs[i])
		}
		out[name] = pairs[i+1]
	}
	return out, nil
}
