package policy

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	authzpolicy "gatehouse/authz/policy"
	filterpolicy "gatehouse/filter/policy"
)

func read(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func files(t testing.TB, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(found) == 0 {
		t.Fatalf("no files for %s: %v", pattern, err)
	}
	return found
}

// mustLoad compiles a text that is meant to be right.
func mustLoad(t testing.TB, text string) *Compiled {
	t.Helper()
	c, err := Load("gatehouse.yaml", []byte(text))
	if err != nil {
		t.Fatalf("refused:\n%v", err)
	}
	return c
}

// preamble completes a text that begins with policies or routes.
const preamble = `version: 1
envoy: {listen: 127.0.0.1:8080}
upstreams: {app: {url: "http://127.0.0.1:9000"}}
`

func TestEveryMistakeIsReportedAtItsPlaceWithWhatToDo(t *testing.T) {
	t.Parallel()
	for _, file := range files(t, "bad/*.yaml.in") {
		t.Run(strings.ReplaceAll(strings.TrimSuffix(filepath.Base(file), ".yaml.in"), "_", " "), func(t *testing.T) {
			t.Parallel()
			want := strings.TrimSpace(string(read(t, strings.TrimSuffix(file, ".yaml.in")+".want")))
			_, err := Load("gatehouse.yaml", read(t, file))
			if err == nil {
				t.Fatal("was accepted")
			}
			if !like(err.Error(), want) {
				t.Errorf("got\n%v\nwant\n%s", err, want)
			}
		})
	}
}

// like compares line by line; "..." in want stands for the wording of the room
// that found the mistake, which is not this package's to fix.
func like(got, want string) bool {
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(want, "\n")
	if len(gotLines) != len(wantLines) {
		return false
	}
	for i, pattern := range wantLines {
		parts := strings.Split(pattern, "...")
		rest, ok := strings.CutPrefix(gotLines[i], parts[0])
		for _, part := range parts[1:] {
			var found bool
			_, rest, found = strings.Cut(rest, part)
			ok = ok && found
		}
		if !ok || (rest != "" && parts[len(parts)-1] != "") {
			return false
		}
	}
	return true
}

func TestAGoodFileCompilesToWhatTheRoomsAccept(t *testing.T) {
	t.Parallel()
	for _, file := range files(t, "good/*.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			c, err := Load(file, read(t, file))
			if err != nil {
				t.Fatalf("refused:\n%v", err)
			}
			if len(c.Warnings) > 0 {
				t.Errorf("warnings: %v", c.Warnings)
			}
			filterJSON, err := c.FilterJSON()
			if err != nil {
				t.Fatal(err)
			}
			if set, err := filterpolicy.Parse(filterJSON); err != nil || set.Version() != c.Version {
				t.Errorf("the filter refuses it: %v\n%s", err, filterJSON)
			}
			authzJSON, err := c.AuthzJSON()
			if err != nil {
				t.Fatal(err)
			}
			if set, err := authzpolicy.Parse(authzJSON); err != nil || set.Version() != c.Version {
				t.Errorf("authz refuses it: %v\n%s", err, authzJSON)
			}
			for _, r := range c.Routes {
				if _, ok := c.Authz.Policies[r.Policy]; !ok {
					t.Errorf("route %s: authz has no policy %s", r.Name, r.Policy)
				}
				if _, ok := c.Filter.Policies[r.Policy]; !ok {
					t.Errorf("route %s: the filter has no policy %s", r.Name, r.Policy)
				}
			}
		})
	}
}

func TestErrorsAreAListThatAProgramCanWalk(t *testing.T) {
	t.Parallel()
	_, err := Load("gatehouse.yaml", read(t, "testdata/bad/misspelt_keys.yaml.in"))
	var all Errors
	if !errors.As(err, &all) || len(all) != 4 {
		t.Fatalf("got %T %v", err, err)
	}
	want := Error{
		File: "gatehouse.yaml", Line: 7, Column: 5, Path: "policies.base.header",
		Message: "unknown key", Offending: "header", Suggestion: "did you mean headers?",
	}
	if all[1] != want {
		t.Errorf("got %+v", all[1])
	}
	var one Error
	if !errors.As(err, &one) || one != all[0] {
		t.Errorf("errors.As finds %+v", one)
	}
}

func TestASecretIsNeverRepeatedInAMessage(t *testing.T) {
	t.Parallel()
	_, err := Load("gatehouse.yaml", read(t, "testdata/bad/secrets.yaml.in"))
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

func TestWarningsAreAboutWhatIsProbablyNotMeant(t *testing.T) {
	t.Parallel()
	c, err := Load("w.yaml", read(t, "testdata/warn/unreached.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`w.yaml:5:3: upstreams.spare: no route uses this upstream: "spare"`,
		`w.yaml:10:3: policies.forgotten: no route uses this policy: "forgotten"`,
		`w.yaml:12:5: routes[0]: no request reaches this route: Gatehouse serves /auth/ itself: "/auth/login"; choose another path`,
		`w.yaml:14:5: routes[2]: no request reaches this route: api in line 13 matches first: "/api/x"; put it before that one`,
		`w.yaml:17:5: routes[5]: no request reaches this route: hosts in line 16 matches first: "/a"; put it before that one`,
		`w.yaml:19:27: routes[7].path: these characters are taken as they are: paths have no patterns: "/files/*"; use path_prefix`,
	}
	var got []string
	for _, w := range c.Warnings {
		got = append(got, w.Error())
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

func TestSessionsBoundToCertificatesWantAnEnvoyThatAsksForThem(t *testing.T) {
	t.Parallel()
	const bound = "\nsign_in: {bind: certificate}\npolicies: {base: {headers: {preset: strict}}}\nroutes: [{path_prefix: /, upstream: app, policy: base}]\n"
	with := strings.Replace(preamble, "listen: 127.0.0.1:8080", "listen: 127.0.0.1:8080, tls: {listen: 127.0.0.1:8443, cert_file: c, key_file: k, client_ca_file: ca}", 1)
	for name, test := range map[string]struct {
		text string
		want int
	}{"without TLS": {preamble + bound, 1}, "with authorities": {with + bound, 0}} {
		c := mustLoad(t, test.text)
		if len(c.Warnings) != test.want || test.want == 1 && !strings.Contains(c.Warnings[0].Error(), "Envoy asks nobody for a certificate") {
			t.Errorf("%s: %v", name, c.Warnings)
		}
	}
}

func TestRedisIsOneServerAClusterOrSentinels(t *testing.T) {
	t.Parallel()
	const rest = "policies: {base: {headers: {preset: strict}}}\nroutes: [{path_prefix: /, upstream: app, policy: base}]\n"
	for url, good := range map[string]bool{
		"redis://h:6379/0": true, "rediss://h:6379?ca_file=/x": true, "unix:///run/redis.sock": true, "redis-cluster://a:1,b:2": true,
		"rediss-sentinel://a:1,b:2/main": true, "redis-cluster://u:pw@a:1,b:2": false, "redis-sentinel://a:1/main?sentinel_password=pw": false,
		"redis://a:1,b:2": false, "redis-sentinel://a:1": false, "redis-ring://a:1": false,
	} {
		if _, err := Load("gatehouse.yaml", []byte(preamble+"redis: {url: \""+url+"\"}\n"+rest)); (err == nil) != good {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestTheSameMeaningHasTheSameVersion(t *testing.T) {
	t.Parallel()
	one := mustLoad(t, preamble+`
policies:
  base: {headers: {preset: strict}, limits: [{name: x, by: [ip], rate: 60/1m}]}
routes: [{path_prefix: /, upstream: app, policy: base}]
`)
	same := map[string]string{
		"written another way": `# with a comment
routes:
  - policy: base
    upstream: app
    path_prefix: "/"
policies:
  base:
    limits:
      - rate: 60/60s
        by: [ip]
        name: x
    headers: {preset: strict}
` + preamble,
		"through an anchor": preamble + `
policies:
  base: {headers: &h {preset: strict}, limits: [{name: x, by: [ip], rate: 60/m}]}
routes: [{path_prefix: /, upstream: app, policy: base}]
`,
	}
	for name, text := range same {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c := mustLoad(t, text); c.Version != one.Version {
				t.Errorf("version %s, want %s", c.Version, one.Version)
			}
		})
	}
	t.Run("in another folder", func(t *testing.T) {
		t.Parallel()
		text := read(t, "testdata/good/design.yaml")
		here, err := Load("gatehouse.yaml", text)
		if err != nil {
			t.Fatal(err)
		}
		there, err := Load("/etc/gatehouse/gatehouse.yaml", text)
		if err != nil || there.Version != here.Version {
			t.Errorf("%v, version %s, want %s", err, there.Version, here.Version)
		}
	})
	t.Run("another limit is another version", func(t *testing.T) {
		t.Parallel()
		c := mustLoad(t, preamble+`
policies:
  base: {headers: {preset: strict}, limits: [{name: x, by: [ip], rate: 61/1m}]}
routes: [{path_prefix: /, upstream: app, policy: base}]
`)
		if c.Version == one.Version {
			t.Error("the version is the same")
		}
	})
}

func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"good/*.yaml", "bad/*.yaml.in", "warn/*.yaml"} {
		for _, file := range files(f, pattern) {
			f.Add(read(f, file))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Load("gatehouse.yaml", data)
		if err != nil {
			var found Errors
			if !errors.As(err, &found) || len(found) == 0 {
				t.Fatalf("not a list of errors: %T %v", err, err)
			}
			for _, e := range found {
				if e.Line < 1 || e.Column < 1 || e.Message == "" {
					t.Fatalf("without place or message: %+v", e)
				}
			}
			return
		}
		again, err := Load("gatehouse.yaml", data)
		if err != nil || again.Version != c.Version {
			t.Fatalf("the second reading differs: %v", err)
		}
		for name := range c.Filter.Policies {
			if _, ok := c.Authz.Policies[name]; !ok {
				t.Fatalf("authz lacks policy %q", name)
			}
		}
		if _, err := c.Explain(Query{Method: "GET", URL: "https://example.com/x"}); err != nil {
			t.Fatalf("explain: %v", err)
		}
	})
}
