package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// result is what one command line left behind.
type result struct {
	code           int
	stdout, stderr string
}

// run runs one command line; $DIR in it stands for a folder with the given
// files.
func run(t *testing.T, files map[string]string, line ...string) result {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := make([]string, len(line))
	for i, arg := range line {
		args[i] = strings.ReplaceAll(arg, "$DIR", dir)
	}
	var stdout, stderr bytes.Buffer
	app := &App{Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Env: func(string) string { return "" }}
	code := app.Run(t.Context(), args)
	clean := func(b bytes.Buffer) string { return strings.ReplaceAll(b.String(), dir, "$DIR") }
	return result{code, clean(stdout), clean(stderr)}
}

const goodPolicy = `version: 1
envoy: {listen: 127.0.0.1:8080}
upstreams: {app: {url: "http://127.0.0.1:9000"}}
policies:
  base:
    headers: {preset: strict}
    cors: {allow_origins: ["https://app.example.com"], allow_credentials: true}
    session: required
    limits: [{name: api_calls, by: [ip], rate: 100/60s}]
  unused: {}
routes:
  - {name: all, path_prefix: /, upstream: app, policy: base}
`

var (
	good   = map[string]string{"gatehouse.yaml": goodPolicy}
	broken = map[string]string{"gatehouse.yaml": strings.Replace(goodPolicy, "limits:", "limts:", 1)}
)

func TestCheckSaysOkWithTheVersionAndWhatThereIs(t *testing.T) {
	t.Parallel()
	r := run(t, good, "check", "$DIR/gatehouse.yaml")
	if r.code != ExitDone || !strings.HasPrefix(r.stdout, "$DIR/gatehouse.yaml: ok: version ") ||
		!strings.HasSuffix(r.stdout, ", 2 policies, 1 route, 1 upstream\n") {
		t.Errorf("%+v", r)
	}
	if r.stderr != "warning: $DIR/gatehouse.yaml:10:3: policies.unused: no route uses this policy: \"unused\"\n" {
		t.Errorf("stderr %q", r.stderr)
	}
}

func TestCheckPrintsEveryMistakeAndFails(t *testing.T) {
	t.Parallel()
	r := run(t, broken, "check", "$DIR/gatehouse.yaml")
	want := "$DIR/gatehouse.yaml:9:5: policies.base.limts: unknown key: \"limts\"; did you mean limits?\n$DIR/gatehouse.yaml: 1 mistake\n"
	if r.code != ExitWrong || r.stdout != "" || r.stderr != want {
		t.Errorf("%+v", r)
	}
}

func TestCheckAsJSON(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		files            map[string]string
		code             int
		errors, warnings int
	}{
		"a good file":   {good, ExitDone, 0, 1},
		"a broken file": {broken, ExitWrong, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, tc.files, "check", "$DIR/gatehouse.yaml", "--output", "json")
			var report checkReport
			if err := json.Unmarshal([]byte(r.stdout), &report); err != nil {
				t.Fatalf("%v: %+v", err, r)
			}
			if r.code != tc.code || report.OK != (tc.code == ExitDone) || len(report.Errors) != tc.errors ||
				len(report.Warnings) != tc.warnings || r.stderr != "" {
				t.Errorf("%+v", r)
			}
			if strings.Contains(r.stdout, "null") {
				t.Errorf("an empty list is null: %s", r.stdout)
			}
		})
	}
}

func TestCheckPrintsTheSchema(t *testing.T) {
	t.Parallel()
	r := run(t, nil, "check", "--schema")
	var root map[string]any
	if err := json.Unmarshal([]byte(r.stdout), &root); err != nil || r.code != ExitDone {
		t.Fatalf("%v: %d %s", err, r.code, r.stderr)
	}
	if root["$schema"] != "https://json-schema.org/draft/2020-12/schema" {
		t.Errorf("$schema is %v", root["$schema"])
	}
}

func TestExplainTellsRoutePolicyAndLines(t *testing.T) {
	t.Parallel()
	r := run(t, good, "explain", "GET", "https://x.example.com/api", "--config", "$DIR/gatehouse.yaml", "--origin", "https://app.example.com")
	if r.code != ExitDone {
		t.Fatalf("%+v", r)
	}
	for _, want := range [][]string{
		{"route", "line 12", "all -> app"},
		{"session", "policies.base.session, line 8", "required"},
		{"limit", "policies.base.limits[0], line 9", "api_calls: 100 per 1m0s by ip"},
		{"counts", "default, lease is not set", "api_calls: ahead of Redis while it is hot, in each replica: as many as it needs, a sixteenth"},
		{"header", "preset strict, policies.base.headers.preset, line 6", "x-frame-options: DENY"},
		{"cors", "origin allowed"},
		{"access-control-allow-origin: https://app.example.com"},
	} {
		if !hasLine(r.stdout, want) {
			t.Errorf("no line with %q in\n%s", want, r.stdout)
		}
	}
}

// hasLine finds a line that has all parts in their order.
func hasLine(text string, parts []string) bool {
	for line := range strings.Lines(text) {
		found := true
		for _, part := range parts {
			var ok bool
			_, line, ok = strings.Cut(line, part)
			found = found && ok
		}
		if found {
			return true
		}
	}
	return false
}

func TestExplainTellsTheLineThatSaysHowALimitCounts(t *testing.T) {
	t.Parallel()
	for lease, want := range map[string]string{
		"0":  "api_calls: each request in Redis\n",
		"20": "api_calls: ahead of Redis while it is hot, in each replica: 20, a quarter of what is left at most\n",
	} {
		files := map[string]string{"gatehouse.yaml": strings.Replace(goodPolicy, "100/60s}", "100/60s, lease: "+lease+"}", 1)}
		r := run(t, files, "explain", "GET", "https://x.example.com/api", "--config", "$DIR/gatehouse.yaml")
		if !hasLine(r.stdout, []string{"counts", "policies.base.limits[0].lease, line 9", want}) {
			t.Errorf("lease %s: %d\n%s", lease, r.code, r.stdout)
		}
	}
}

func TestExplainAsJSON(t *testing.T) {
	t.Parallel()
	r := run(t, good, "explain", "OPTIONS", "/api", "-c", "$DIR/gatehouse.yaml", "-o", "json",
		"-H", "Origin: https://app.example.com", "-H", "Access-Control-Request-Method: GET")
	var e struct {
		Route string
		CORS  struct{ Answer string }
	}
	if err := json.Unmarshal([]byte(r.stdout), &e); err != nil || e.Route != "all" || !strings.HasPrefix(e.CORS.Answer, "preflight allowed") {
		t.Errorf("%v %+v: %+v", err, e, r)
	}
}

func TestRenderEnvoyWritesAConfiguration(t *testing.T) {
	t.Parallel()
	r := run(t, good, "render", "envoy", "--config", "$DIR/gatehouse.yaml", "--wasm", "/x/y.wasm", "--authz-address", "192.0.2.9:7000")
	if r.code != ExitDone || r.stderr != "" {
		t.Fatalf("%d %s", r.code, r.stderr)
	}
	for _, want := range []string{"/x/y.wasm", "192.0.2.9", "failure_policy: FAIL_RELOAD", "static_resources:"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("lacks %s", want)
		}
	}
}

func TestWrongUseIsExitCode2AndAWrongFileIs1(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		line []string
		code int
		says string
	}{
		"an unknown command":            {[]string{"chek"}, ExitUsage, `unknown command "chek"`},
		"an unknown flag":               {[]string{"version", "--colour"}, ExitUsage, "unknown flag"},
		"no file to check":              {[]string{"check"}, ExitUsage, "accepts 1 arg"},
		"an output that there is not":   {[]string{"version", "--output", "yaml"}, ExitUsage, "write table or json"},
		"a file that is not there":      {[]string{"check", "$DIR/none.yaml"}, ExitWrong, "no such file"},
		"explain without URL":           {[]string{"explain", "GET"}, ExitUsage, "METHOD URL"},
		"explain of no URL":             {[]string{"explain", "GET", "ftp://x", "-c", "$DIR/gatehouse.yaml"}, ExitUsage, "neither"},
		"explain with half a header":    {[]string{"explain", "GET", "/", "-H", "Origin"}, ExitUsage, "write NAME: VALUE"},
		"render of nothing":             {[]string{"render"}, ExitUsage, "render envoy"},
		"render of what there is not":   {[]string{"render", "istio"}, ExitUsage, "istio"},
		"render with a public admin":    {[]string{"render", "envoy", "-c", "$DIR/gatehouse.yaml", "--admin-listen", "0.0.0.0:1"}, ExitWrong, "loopback"},
		"explain with a missing policy": {[]string{"explain", "GET", "/", "-c", "$DIR/none.yaml"}, ExitWrong, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, good, tc.line...)
			if r.code != tc.code || !strings.Contains(r.stderr, tc.says) || r.stdout != "" {
				t.Errorf("%+v", r)
			}
			if !strings.HasPrefix(r.stderr, "gatehouse: ") || strings.Count(r.stderr, "\n") != 1 {
				t.Errorf("not one clear line: %q", r.stderr)
			}
		})
	}
}

func TestABrokenPolicyIsShownWithAllPlaces(t *testing.T) {
	t.Parallel()
	for _, line := range [][]string{
		{"explain", "GET", "/", "-c", "$DIR/gatehouse.yaml"},
		{"render", "envoy", "-c", "$DIR/gatehouse.yaml"},
	} {
		if r := run(t, broken, line...); r.code != ExitWrong || !strings.Contains(r.stderr, "gatehouse.yaml:9:5: ") || r.stdout != "" {
			t.Errorf("%v: %+v", line, r)
		}
	}
}

func TestVersionHelpAndCompletion(t *testing.T) {
	t.Parallel()
	if r := run(t, nil, "version"); r.code != ExitDone || !strings.HasPrefix(r.stdout, "gatehouse ") || strings.Count(r.stdout, "\n") != 1 {
		t.Errorf("version: %+v", r)
	}
	r := run(t, nil, "version", "--output", "json")
	var v versionInfo
	if err := json.Unmarshal([]byte(r.stdout), &v); err != nil || v.Version == "" || v.Go == "" {
		t.Errorf("version as JSON: %v %+v", err, r)
	}
	help := run(t, nil)
	for _, command := range []string{"check", "explain", "render", "version", "completion"} {
		if !strings.Contains(help.stdout, "\n  "+command+" ") {
			t.Errorf("help lacks %s:\n%s", command, help.stdout)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if r := run(t, nil, "completion", shell); r.code != ExitDone || !strings.Contains(r.stdout, "gatehouse") {
			t.Errorf("completion %s: %d %s", shell, r.code, r.stderr)
		}
	}
}
