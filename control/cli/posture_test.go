package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/control/policy"
	"gatehouse/control/posture"
)

const posturePolicy = `version: 1
envoy: {listen: 127.0.0.1:8080}
upstreams: {app: {url: "http://127.0.0.1:9000"}}
policies:
  base: {headers: {preset: strict}}
  tried: {headers: {mode: report, preset: strict}, session: {mode: report, require: required}}
  api: {extends: base, cors: {allow_origins: ["https://app.example.com"]}, limits: [{name: calls, by: [ip], rate: 9/60s}]}
  account: {extends: base, session: required, limits: [{name: mine, by: [user], rate: 9/60s}]}
  images: {extends: base, uploads: {allow: [png]}}
  papers: {extends: base, uploads: {allow: [pdf]}}
routes:
  - {name: tried, path_prefix: /tried, upstream: app, policy: tried}
  - {name: only-post, path_prefix: /post, methods: [POST], upstream: app, policy: api}
  - {name: api, hosts: ["*.example.com"], path: /api, upstream: app, policy: api}
  - {name: me, path_prefix: /me, upstream: app, policy: account}
  - {name: images, path_prefix: /images, upstream: app, policy: images}
  - {name: papers, path_prefix: /papers, upstream: app, policy: papers}
  - {name: rest, path_prefix: /, upstream: app, policy: base}
`

func TestPostureFindsARouteOfEachKindInThePolicy(t *testing.T) {
	t.Parallel()
	c, err := policy.Load("gatehouse.yaml", []byte(posturePolicy))
	if err != nil {
		t.Fatal(err)
	}
	api := posture.Route{Host: "posture.example.com", Path: "/api"}
	want := posture.Routes{
		Page: posture.Route{Path: "/images"}, Protected: posture.Route{Path: "/me"}, Upload: posture.Route{Path: "/papers"},
		ByIP: api, ByUser: posture.Route{Path: "/me"}, CORS: api,
	}
	if got := sampleRoutes(c); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// edge answers as an Envoy would that has every header, or none.
func edge(t *testing.T, headers bool) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if headers {
			for name, value := range map[string]string{
				"Content-Security-Policy": "default-src 'self'", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
				"Referrer-Policy": "no-referrer", "RateLimit": `"a";r=1;t=1`, "RateLimit-Policy": `"a";q=2;w=1`,
			} {
				w.Header().Set(name, value)
			}
		}
		if r.URL.Path != "/" {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"request_id":"r"}`))
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestPostureOfAnEnvoyThatIsNamedByFlags(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		headers bool
		more    []string
		code    int
		says    []string
	}{
		"sound, as far as it can be seen": {true, nil, ExitDone, []string{"GH-POS-002", "pass", "X-Frame-Options is DENY"}},
		"what is unknown is told":         {true, nil, ExitDone, []string{"GH-POS-033", "unknown", "Redis holds the hash"}},
		"what is unknown may be refused":  {true, []string{"--strict"}, ExitWrong, []string{"0 failed"}},
		"a flaw fails":                    {false, nil, ExitWrong, []string{"GH-POS-002", "FAIL", "X-Frame-Options"}},
		"all evidence, if wanted":         {true, []string{"-v"}, ExitDone, []string{"-> X-Frame-Options: DENY (response header)"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			line := append([]string{"posture", "--envoy", edge(t, c.headers), "--page", "/", "--protected", "/me", "--limited", "/"}, c.more...)
			r := run(t, nil, line...)
			if r.code != c.code || !hasLine(r.stdout, c.says) || r.stderr != "" {
				t.Errorf("%d %s, want %d and %q in\n%s", r.code, r.stderr, c.code, c.says, r.stdout)
			}
		})
	}
}

func TestPostureAsJSON(t *testing.T) {
	t.Parallel()
	r := run(t, map[string]string{"gatehouse.yaml": posturePolicy}, "posture", "--envoy", edge(t, true)+"/", "-c", "$DIR/gatehouse.yaml", "--output", "json")
	var report posture.Report
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil {
		t.Fatalf("%v: %+v", err, r)
	}
	if len(report.Results) == 0 || len(report.Lines) == 0 || report.Counts[posture.Pass] == 0 || strings.Contains(r.stdout, "null") {
		t.Errorf("%s", r.stdout)
	}
}

func TestPostureOfARunningPackTakesWhatUpWrote(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := filepath.Join(dir, "gatehouse.yaml")
	for name, text := range map[string]string{
		config: posturePolicy, filepath.Join(dir, "secrets", "redis_password"): "a long password",
		filepath.Join(dir, "up.json"): fmt.Sprintf(`{"addresses":{"http":%q},"config_file":%q,"state_dir":%q}`, edge(t, true), config, dir),
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := run(t, nil, "posture", "--state-dir", dir, "-v")
	if !hasLine(r.stdout, []string{"GET http://127.0.0.1:", "/images -> X-Content-Type-Options: nosniff"}) {
		t.Errorf("%+v", r)
	}
}

func TestPostureUsedWronglySaysSo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		line []string
		code int
		says string
	}{
		"nothing runs":                 {[]string{"--state-dir", "$DIR"}, ExitWrong, "no pack is up"},
		"a policy that is not there":   {[]string{"--envoy", "http://127.0.0.1:1", "-c", "$DIR/none.yaml"}, ExitWrong, "no such file"},
		"a policy that is broken":      {[]string{"--envoy", "http://127.0.0.1:1", "-c", "$DIR/gatehouse.yaml"}, ExitWrong, "limts"},
		"a path that is none":          {[]string{"--envoy", "http://127.0.0.1:1", "--page", "page"}, ExitUsage, "no path"},
		"a password in the URL":        {[]string{"--envoy", "http://127.0.0.1:1", "--redis", "redis://:x@y"}, ExitUsage, "holds a password"},
		"a password file not there":    {[]string{"--envoy", "http://127.0.0.1:1", "--password-file", "$DIR/none"}, ExitWrong, "no such file"},
		"a CA that is not there":       {[]string{"--envoy", "http://127.0.0.1:1", "--ca-file", "$DIR/none"}, ExitWrong, "CA's file"},
		"an argument that it has none": {[]string{"now"}, ExitUsage, "unknown command"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, broken, append([]string{"posture"}, c.line...)...)
			if r.code != c.code || !strings.Contains(r.stderr, c.says) || strings.Count(r.stderr, "\n") != 1 {
				t.Errorf("%+v", r)
			}
		})
	}
}
