package up

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// reportVersion is raised when a field of Report changes its meaning.
const reportVersion = 1

// Report is up.json: what runs, where, and how to get in. It exists exactly as
// long as the pack is healthy, readable by its owner only.
type Report struct {
	Version     int               `json:"version"`
	PID         int               `json:"pid"`
	Addresses   map[string]string `json:"addresses"` // http, https, admin, authz, xds, control, console, metrics, demo
	Credentials *Credentials      `json:"credentials,omitempty"`
	// TokenFile holds the token of the API's administrator; the console takes it, too.
	TokenFile  string         `json:"token_file,omitempty"`
	CAFile     string         `json:"ca_file,omitempty"`
	ConfigFile string         `json:"config_file"`
	StateDir   string         `json:"state_dir"`
	Processes  map[string]int `json:"processes"`
	Commands   []Try          `json:"commands,omitempty"`
}

// Credentials of the demo user, made anew at each start.
type Credentials struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// Try is a shell line and what it will show.
type Try struct {
	Run   string `json:"run"`
	Shows string `json:"shows"`
}

func (r Report) write(path string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode up.json: %w", err)
	}
	return writeFile(path, append(data, '\n'))
}

// demoCommands are the six lines of the panel. They start in the folder from
// which the pack was started.
func demoCommands(s state, ports Ports, login Credentials) []Try {
	plain := fmt.Sprintf("http://localhost:%d", ports.HTTP)
	tls := fmt.Sprintf("https://localhost:%d", ports.HTTPS)
	ca := "--cacert " + shellQuote(s.show("tls", "ca.pem"))
	jar := shellQuote(s.show("run", "cookies"))
	credentials := shellQuote(fmt.Sprintf(`{"username":%q,"password":%q}`, login.Username, login.Password))
	return []Try{
		{
			fmt.Sprintf("curl -sS -o /dev/null -D - %s %s/", ca, tls),
			"security headers on a page whose application sets none, strict-transport-security among them because this is TLS",
		},
		{
			fmt.Sprintf("curl -sS -i -X OPTIONS -H 'Origin: https://app.example.com' -H 'Access-Control-Request-Method: PUT' %s/api/test-endpoint", plain),
			"a CORS preflight answered at the edge, which allows PUT to this one site; to any other Origin nothing is allowed",
		},
		{
			fmt.Sprintf("curl -sS -i -F %s %s/upload", shellQuote("file=@"+s.show("samples", "report.pdf")), plain),
			"200: an honest PDF reaches the application, which answers its size and SHA-256",
		},
		{
			fmt.Sprintf("curl -sS -i -F %s %s/upload", shellQuote("file=@"+s.show("samples", "malicious.pdf")), plain),
			"415: a program that only claims to be a PDF never reaches the application whole",
		},
		{
			fmt.Sprintf("curl -sS -o /dev/null %[1]s -c %[2]s -H 'Content-Type: application/json' -d %[3]s %[4]s/auth/login && curl -sS %[1]s -b %[2]s %[4]s/api/me && curl -sS %[1]s %[4]s/api/me",
				ca, jar, credentials, tls),
			"sign-in, then the same page with the session's cookie (the user's id) and without it (401)",
		},
		{
			fmt.Sprintf(`curl -sS -o /dev/null -w '%%{http_code}\n' %s '%s/api/test-endpoint?[1-110]' | sort | uniq -c`, ca, tls),
			"100 × 200 and 10 × 429: a hundred requests a minute and address, not one more",
		},
	}
}

// shellQuote quotes text for sh where it must be.
func shellQuote(text string) string {
	if text != "" && strings.IndexFunc(text, unsafeInShell) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

func unsafeInShell(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	default:
		return !strings.ContainsRune("/._-+:@%=,", r)
	}
}

// panel is what a person sees once everything is healthy.
func (r Report) panel(out io.Writer, auditCommand string) error {
	var text strings.Builder
	text.WriteString("\nGatehouse is up.\n\n")
	for _, line := range [][2]string{
		{"http", "the protected site"},
		{"https", "the same over TLS"},
		{"admin", "Envoy's admin interface"},
		{"console", "the console; its administrator's token is in " + r.TokenFile},
		{"metrics", "metrics of authz"},
		{"demo", "the demo application, unprotected"},
	} {
		if where := r.Addresses[line[0]]; where != "" {
			fmt.Fprintf(&text, "  %-36s %s\n", where, line[1])
		}
	}
	if r.Credentials != nil {
		fmt.Fprintf(&text, "\n  sign in as %s with the password %s\n", r.Credentials.Username, r.Credentials.Password)
	}
	if len(r.Commands) > 0 {
		text.WriteString("\nTry, in another terminal:\n")
	}
	for i, try := range r.Commands {
		fmt.Fprintf(&text, "\n  %d. %s\n     %s\n", i+1, try.Shows, try.Run)
	}
	fmt.Fprintf(&text, "\n  policy   %s (edit it while this runs)\n  events   %s\n  all this %s\n\nCtrl-C stops everything.\n",
		r.ConfigFile, auditCommand, r.StateDir+"/up.json")
	_, err := io.WriteString(out, text.String())
	return err
}

func (r Report) print(out io.Writer) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	_, err = out.Write(append(data, '\n'))
	return err
}
