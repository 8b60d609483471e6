package cli

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	authzpolicy "gatehouse/authz/policy"
	"gatehouse/control/policy"
	filterpolicy "gatehouse/filter/policy"
)

func newExplainCommand(app *App) *cobra.Command {
	var config, origin, method string
	var headers []string
	var credentials bool
	cmd := &cobra.Command{
		Use:   "explain [METHOD] URL",
		Short: "Tell what would become of a request, and because of which lines",
		Long: "Tell which route and policy a request meets, every header that its response would get, the answer\n" +
			"to its origin, the session and limits that it needs, and the line of the file behind each.\n\n" +
			"With --origin and no METHOD before the URL it replays what a browser does for a page of that\n" +
			"origin, step by step with the sections of the Fetch standard, preflight included. A header can be\n" +
			"a name alone then.",
		Example: "  gatehouse explain GET https://app.example.com/api/me --origin https://app.example.com\n" +
			"  gatehouse explain OPTIONS /api --origin https://app.example.com --header 'Access-Control-Request-Method: PUT'\n" +
			"  gatehouse explain --origin https://app.example.com --method PUT --header X-Token https://api.example.com/items",
		Args: cobra.RangeArgs(1, 2),
	}
	cmd.Flags().StringVarP(&config, "config", "c", "gatehouse.yaml", "the policy file")
	cmd.Flags().StringVar(&origin, "origin", "", "the request's Origin")
	cmd.Flags().StringArrayVarP(&headers, "header", "H", nil, "a request header, `NAME: VALUE`; may be repeated")
	cmd.Flags().StringVar(&method, "method", "", "replay: the script's method (GET)")
	cmd.Flags().BoolVar(&credentials, "credentials", false, "replay: cookies go along")
	format := addOutputFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if len(args) == 1 {
			f := policy.Fetch{Origin: origin, Method: cmp.Or(method, http.MethodGet), URL: args[0], Header: headers, Credentials: credentials}
			return app.replay(config, f, *format)
		}
		if method != "" || credentials {
			return misuse("--method and --credentials replay a browser: leave the METHOD before the URL out")
		}
		header, err := parseHeaders(headers, origin)
		if err != nil {
			return err
		}
		compiled, err := loadPolicy(config)
		if err != nil {
			return err
		}
		explanation, err := compiled.Explain(policy.Query{Method: args[0], URL: args[1], Header: header})
		if err != nil {
			return misuse("explain %q: %w", args[1], err)
		}
		if *format == outputJSON {
			return writeJSON(app.Stdout, explanation)
		}
		return printExplanation(app.Stdout, explanation)
	}
	return cmd
}

func parseHeaders(lines []string, origin string) (http.Header, error) {
	h := http.Header{}
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" {
			return nil, misuse("--header %q: write NAME: VALUE", line)
		}
		h.Add(name, strings.TrimSpace(value))
	}
	if origin != "" {
		h.Add("Origin", origin)
	}
	return h, nil
}

func printExplanation(out io.Writer, e *policy.Explanation) error {
	// The longest column is the last, so that it does not push another away.
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(what, value, from string) { fmt.Fprintf(w, "%s\t%s\t%s\n", what, from, value) }
	row("request", fmt.Sprintf("%s %s%s", e.Method, e.Host, e.Path), map[bool]string{true: "over TLS", false: "in clear"}[e.TLS])
	if e.Outcome != "" {
		row("outcome", e.Outcome, "")
	}
	if e.Route != "" {
		from := "built in"
		if e.Line > 0 {
			from = fmt.Sprintf("line %d", e.Line)
		}
		row("route", e.Route+" -> "+e.Upstream, from)
	}
	if e.Policy != "" {
		row("policy", e.Policy, "version "+e.Version)
	}
	printAuthz(row, e)
	printUploads(row, e)
	printScan(row, e)
	for _, h := range e.Headers {
		printHeader(row, h)
	}
	if e.Cookies != nil {
		row("cookies", e.Cookies.Value, because(*e.Cookies))
	}
	for i := 0; i < len(e.Removed); {
		from, same := because(e.Removed[i]), []string{}
		for ; i < len(e.Removed) && because(e.Removed[i]) == from; i++ {
			same = append(same, e.Removed[i].Name)
		}
		row("removes", strings.Join(same, ", "), from)
	}
	if e.CSRF != nil {
		row("csrf", e.CSRF.Answer+reported(string(e.CSRF.Mode)), where(e.CSRF.From))
	}
	if e.CORS != nil {
		row("cors", e.CORS.Answer+reported(string(e.CORS.Mode)), where(e.CORS.From))
		for _, h := range e.CORS.Headers {
			row("", h.Name+": "+h.Value, "")
		}
	}
	return flush(w)
}

func printHeader(row func(what, value, from string), h policy.HeaderFinding) {
	value := h.Name + ": " + h.Value
	if h.Existing != "" {
		value += " (the upstream's own: " + h.Existing + ")"
	}
	row("header", value, because(h))
	for _, part := range h.Parts {
		if because(part) != because(h) {
			row("", "  "+part.Name+" "+part.Value, because(part))
		}
	}
}

// sessionText says all that a request's session must have.
func sessionText(s *policy.SessionFinding) string {
	value := string(s.Require) + reported(string(s.Mode))
	for _, age := range []struct {
		seconds int64
		text    string
	}{
		{s.MaxIdleSeconds, ", at most %s idle"}, {s.MaxAgeSeconds, ", at most %s old"},
		{s.MaxAuthAgeSeconds, ", signed in at most %s ago"},
	} {
		if age.seconds > 0 {
			value += fmt.Sprintf(age.text, time.Duration(age.seconds)*time.Second)
		}
	}
	if s.SecondFactor {
		value += ", with two factors"
	}
	if s.Passkey != "" {
		value += ", with a passkey (" + strings.ReplaceAll(s.Passkey, "_", " ") + ")"
	}
	if len(s.Roles) > 0 {
		value += ", as " + strings.Join(s.Roles, " or ")
	}
	if len(s.Scopes) > 0 {
		value += ", for " + strings.Join(s.Scopes, " and ")
	}
	if s.Audience != "" {
		value += ", vouched for to " + s.Audience
	}
	return value
}

func printAuthz(row func(what, value, from string), e *policy.Explanation) {
	if e.Session != nil {
		row("session", sessionText(e.Session), where(e.Session.From))
	}
	if e.Consent != nil {
		value := e.Consent.Purpose + reported(string(e.Consent.Mode))
		if e.Consent.GPC {
			value += ", not with Sec-GPC: 1"
		}
		row("consent", value, where(e.Consent.From))
	}
	for _, l := range e.Limits {
		value := fmt.Sprintf("%s: %s by %s, %s, while Redis is away: %s%s", l.Name, limitText(l.Limit), strings.Join(l.By, " and "),
			cmp.Or(l.Algorithm, "sliding_window"), cmp.Or(l.OnRedisError, "deny"), reported(string(l.Mode)))
		if l.Note != "" {
			value += " (" + l.Note + ")"
		}
		row("limit", value, where(l.From))
		from := "default, lease is not set"
		if l.Counted.From != nil {
			from = where(l.Counted.From)
		}
		row("counts", l.Name+": "+countedText(l.Counted), from)
	}
}

// countedText says what replicas count ahead.
func countedText(c policy.CountedAhead) string {
	switch {
	case c.How == "adaptive":
		return "ahead of Redis while it is hot, in each replica: as many as it needs, a sixteenth of what is left at most"
	case c.How == "ahead":
		return fmt.Sprintf("ahead of Redis while it is hot, in each replica: %d, a quarter of what is left at most", c.Hits)
	case c.Why != "":
		return "each request in Redis: " + c.Why
	default:
		return "each request in Redis"
	}
}

func limitText(l authzpolicy.Limit) string {
	window := time.Duration(l.WindowMillis) * time.Millisecond
	switch l.Algorithm {
	case authzpolicy.Quota:
		return fmt.Sprintf("%d per %s of %s", l.Requests, l.Period, cmp.Or(l.TimeZone, "UTC"))
	case authzpolicy.Concurrency:
		return fmt.Sprintf("%d at once, each for %s at most,", l.Requests, window)
	default:
		return fmt.Sprintf("%d per %s", l.Requests, window)
	}
}

func printUploads(row func(what, value, from string), e *policy.Explanation) {
	if e.Uploads == nil {
		return
	}
	value := strings.Join(e.Uploads.Allow, ", ")
	if n := e.Uploads.MaxFileSize; n > 0 {
		value += fmt.Sprintf("; at most %d bytes a file", n)
	}
	if n := e.Uploads.MaxRequestSize; n > 0 {
		value += fmt.Sprintf("; at most %d bytes a request", n)
	}
	if n := e.Uploads.MaxFiles; n > 0 {
		value += fmt.Sprintf("; at most %d files", n)
	}
	for _, f := range e.Uploads.Fields {
		value += fmt.Sprintf("; otherwise in field %s", f.Name)
	}
	if e.Uploads.OnUncertain != "" {
		value += "; uncertain: " + e.Uploads.OnUncertain
	}
	row("uploads", value+reported(string(e.Uploads.Mode)), where(e.Uploads.From))
}

// printScan says what is scanned, and what becomes of files without a verdict.
func printScan(row func(what, value, from string), e *policy.Explanation) {
	s := e.Scan
	if s == nil {
		return
	}
	value := "each file"
	if s.When == filterpolicy.ScanUncertain {
		value = "files that nobody can see into"
	}
	if s.Hold == filterpolicy.HoldBody {
		value += fmt.Sprintf("; the whole body, of at most %d bytes, waits", s.MaxHold)
	} else {
		value += "; the end of the file waits"
	}
	value += fmt.Sprintf(" for %s at %s; silent for %d s: %s; failed: %s",
		s.Kind, s.Address, s.TimeoutMillis/1000, s.OnTimeout, s.OnError)
	row("scan", value, where(s.From))
}

// reported marks what is not enforced.
func reported(mode string) string {
	if mode == "report" || mode == "off" {
		return " (" + mode + ")"
	}
	return ""
}

func because(h policy.HeaderFinding) string {
	from := where(h.From)
	if strings.HasPrefix(h.Layer, "extends ") {
		from += " (" + h.Layer + ")"
	}
	if h.Because == "" {
		return from
	}
	return h.Because + ", " + from
}

func where(p *policy.Place) string {
	if p == nil {
		return "built in"
	}
	return fmt.Sprintf("%s, line %d", p.Path, p.Line)
}

func flush(w *tabwriter.Writer) error {
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the explanation: %w", err)
	}
	return nil
}
