package posture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/secret"
	"gatehouse/control/store"
)

// with are the ids of the results that have the status.
func with(r Report, s Status) []string {
	ids := []string{}
	for _, result := range r.Results {
		if result.Status == s {
			ids = append(ids, result.ID)
		}
	}
	return ids
}

func reasons(r Report) string {
	var b strings.Builder
	for _, result := range r.Results {
		for _, reason := range result.Reasons {
			fmt.Fprintf(&b, "%s %s: %s\n", result.ID, result.Status, reason)
		}
	}
	return b.String()
}

func TestASoundPackPassesEveryCheckWithEvidence(t *testing.T) {
	t.Parallel()
	s := newSound(t, flaws{})
	report := s.run(t)
	if report.Failed() || report.Counts[Pass] != len(catalogue()) {
		t.Fatalf("%v\n%s", report.Counts, reasons(report))
	}
	for _, r := range report.Results {
		if len(r.Evidence) == 0 || len(r.Reasons) > 0 {
			t.Errorf("%s passes with %d pieces of evidence and %q", r.ID, len(r.Evidence), r.Reasons)
		}
	}
	for _, l := range report.Lines {
		if l.Elsewhere == "" && l.Status != Pass || l.Elsewhere != "" && l.Status != NotApplicable {
			t.Errorf("%+v", l)
		}
	}
}

func TestItDisturbsNobodyAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	s := newSound(t, flaws{})
	report := s.run(t)
	failed := 0
	for _, r := range s.fake.requests {
		if r.UserAgent() != UserAgent {
			t.Errorf("%s %s is not marked: %q", r.Method, r.URL, r.UserAgent())
		}
		if r.URL.Path == "/auth/login" {
			failed++
		}
	}
	// Two wrong passwords, one that is no JSON, and two sessions.
	if failed > 5 || len(s.fake.requests) > 60 {
		t.Errorf("%d sign-ins, %d requests", failed, len(s.fake.requests))
	}
	if len(s.fake.sessions) != 0 {
		t.Errorf("%d sessions are left", len(s.fake.sessions))
	}
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, hidden := range []string{password, apiToken, "redis-password", "ghs_token"} {
		if strings.Contains(string(text), hidden) {
			t.Errorf("the report holds %q", hidden)
		}
	}
}

func TestEachFlawFailsItsOwnCheckAndNoOther(t *testing.T) {
	t.Parallel()
	set := func(name, value string) flaws { return flaws{headers: map[string]string{name: value}} }
	accepts := func(want func(name, declared string, body []byte) bool) flaws {
		return flaws{upload: func(name, declared string, body []byte) int {
			if want(name, declared, body) {
				return http.StatusOK
			}
			return http.StatusUnsupportedMediaType
		}}
	}
	isPDF := func(body []byte) bool { return strings.HasPrefix(string(body), "%PDF") }
	for name, c := range map[string]struct {
		flaws flaws
		fails []int
	}{
		"no Content-Security-Policy":     {set("Content-Security-Policy", ""), []int{1}},
		"a policy without scripts":       {set("Content-Security-Policy", "img-src 'self'"), []int{1}},
		"inline scripts":                 {set("Content-Security-Policy", "default-src 'self' 'unsafe-inline'"), []int{1}},
		"frames of the same origin":      {set("X-Frame-Options", "SAMEORIGIN"), []int{2}},
		"MIME types are guessed":         {set("X-Content-Type-Options", ""), []int{3}},
		"HSTS without TLS":               {set("Strict-Transport-Security", "max-age=31536000"), []int{4}},
		"HSTS for a minute":              {flaws{https: map[string]string{"Strict-Transport-Security": "max-age=60"}}, []int{4}},
		"no HSTS":                        {flaws{https: map[string]string{"Strict-Transport-Security": ""}}, []int{4}},
		"addresses for every site":       {set("Referrer-Policy", "unsafe-url"), []int{5}},
		"every origin is allowed":        {flaws{headers: map[string]string{"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": "true"}}, []int{6}},
		"the origin null is allowed":     {set("Access-Control-Allow-Origin", "null"), []int{6}},
		"extensions are believed":        {accepts(func(name, _ string, _ []byte) bool { return strings.HasSuffix(name, ".pdf") }), []int{21, 22}},
		"magic bytes are enough":         {accepts(func(_, _ string, body []byte) bool { return isPDF(body) }), []int{22}},
		"every file is refused":          {accepts(func(string, string, []byte) bool { return false }), []int{23}},
		"sign-out does nothing":          {flaws{keepsSession: true}, []int{35}},
		"an identity header is believed": {flaws{believes: "X-Gatehouse-Subject"}, []int{37}},
		"no limits":                      {flaws{noLimits: true}, []int{41, 42, 43}},
		"a known user is told":           {flaws{knows: true}, []int{51}},
		"a refusal shows a path":         {flaws{leak: "open /var/lib/x: denied"}, []int{52}},
		"a refusal shows a line of code": {flaws{leak: "panic: handler.go:17"}, []int{52}},
		"no consent":                     {flaws{noPaths: []string{"/v1/consents"}}, []int{71}},
		"no subject requests":            {flaws{noPaths: []string{"/v1/subject-requests"}}, []int{72, 73, 74, 75}},
		"no erasure":                     {flaws{kinds: []string{"access", "rectification", "portability"}}, []int{74}},
		"no breach register":             {flaws{noPaths: []string{"/v1/breaches"}}, []int{76}},
		"authz is behind":                {flaws{authzVersion: "v0"}, []int{64}},
		"protected pages are open":       {flaws{open: true}, []int{35, 36, 37, 52, 61}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSound(t, c.flaws)
			s.expectFailed(t, c.fails)
		})
	}
}

func (s *sound) expectFailed(t *testing.T, numbers []int) {
	t.Helper()
	want := []string{}
	for _, n := range numbers {
		want = append(want, id(n))
	}
	report := s.run(t)
	if got := with(report, Fail); !slices.Equal(got, want) {
		t.Errorf("%v failed, want %v\n%s", got, want, reasons(report))
	}
	if len(want) > 0 && !report.Failed() {
		t.Error("the report as a whole has not failed")
	}
}

func TestFlawsOfFilesProcessesRedisAndRooms(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(t *testing.T, s *sound)
		fails []int
	}{
		"a secret that all may read": {func(t *testing.T, s *sound) {
			must(t, os.Chmod(s.path("secrets/redis_password"), 0o644)) //nolint:gosec // the flaw
		}, []int{11}},
		"a state folder that all may enter": {func(t *testing.T, s *sound) {
			must(t, os.Chmod(s.dir, 0o755)) //nolint:gosec // the flaw
		}, []int{11}},
		"a password in the environment": {func(t *testing.T, s *sound) {
			s.target.Processes["authz"] = part(t, []string{"REDIS_PASSWORD=another"})
		}, []int{12}},
		"a foreign key in the environment": {func(t *testing.T, s *sound) {
			s.target.Processes["authz"] = part(t, []string{"OPENAI_API_KEY=another"})
		}, []int{12}},
		"a secret under a harmless name": {func(t *testing.T, s *sound) {
			s.target.Processes["authz"] = part(t, []string{"LOCATION=redis://:redis-password@host"})
		}, []int{13}},
		"a secret in the arguments": {func(t *testing.T, s *sound) {
			s.target.Processes["authz"] = part(t, nil, "--redis", "redis://:redis-password@host")
		}, []int{13}},
		"a secret in a log": {func(t *testing.T, s *sound) {
			s.write(t, "logs/control.log", "connect: redis://:redis-password@host\n")
		}, []int{14}},
		"a person's password in the audit log": {func(t *testing.T, s *sound) {
			s.write(t, "control/audit/tile", "{"+password+"}")
		}, []int{14}},
		"sessions are not written to disk": {func(t *testing.T, s *sound) {
			must(t, s.fake.redis.ConfigSet(t.Context(), "appendonly", "no").Err())
		}, []int{31}},
		"Redis is the substitute": {func(_ *testing.T, s *sound) { s.target.RedisURL = secret.Value{} }, []int{31}},
		"Redis asks for no password": {func(t *testing.T, s *sound) {
			must(t, s.fake.redis.ConfigSet(t.Context(), "requirepass", "").Err())
			s.target.RedisPassword = secret.Value{}
		}, []int{32}},
		"a password that is stored as it is": {func(t *testing.T, s *sound) {
			users, err := store.Open(t.Context(), store.Options{URL: s.target.Store})
			must(t, err)
			must(t, errors.Join(users.SetPassword(t.Context(), user, "plain"), users.Close()))
		}, []int{38}},
		"no event of a refusal":        {func(_ *testing.T, s *sound) { s.target.Events = events{} }, []int{61}},
		"a log that does not verify":   {func(_ *testing.T, s *sound) { s.target.Verifier = verifier{errors.New("entry 2 is not its hash")} }, []int{62}},
		"four alert rules":             {func(_ *testing.T, s *sound) { s.target.Alerts = rules{"a", "b", "c", "d"} }, []int{63}},
		"no route limited by address":  {func(_ *testing.T, s *sound) { s.target.Routes.ByIP = Route{} }, []int{41}},
		"a token that the API refuses": {func(t *testing.T, s *sound) { s.write(t, "secrets/api_token", "another-token") }, []int{71, 72, 73, 74, 75, 76}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSound(t, flaws{})
			c.spoil(t, s)
			s.expectFailed(t, c.fails)
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatCannotBeSeenIsUnknownAndNeverPassed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hide    func(s *sound)
		unknown []int
	}{
		"nobody may sign in":          {func(s *sound) { s.target.Username = "" }, []int{33, 34, 35, 38, 43, 51}},
		"no password of the user":     {func(s *sound) { s.target.Password = secret.Value{} }, []int{33, 34, 35, 43}},
		"no Redis, no processes":      {func(s *sound) { s.target.RedisURL, s.target.Processes = secret.Value{}, nil }, []int{12, 13, 31, 32, 33, 34, 42}},
		"no page":                     {func(s *sound) { s.target.Routes.Page, s.target.Routes.CORS = Route{}, Route{} }, []int{1, 2, 3, 4, 5, 6}},
		"no store":                    {func(s *sound) { s.target.Store = "sqlite:" + s.path("none.db") }, []int{38}},
		"a user that there is not":    {func(s *sound) { s.target.Store = "" }, []int{38}},
		"no rooms":                    {func(s *sound) { s.target.Events, s.target.Verifier, s.target.Alerts = nil, nil, nil }, []int{61, 62, 63}},
		"a log that is not readable":  {func(s *sound) { s.target.Verifier = verifier{fmt.Errorf("%w: no disk", ErrNotChecked)} }, []int{62}},
		"no control":                  {func(s *sound) { s.target.Control = "" }, []int{64, 71, 72, 73, 74, 75, 76}},
		"no authz":                    {func(s *sound) { s.target.Authz = "http://127.0.0.1:1" }, []int{64}},
		"no token of the API":         {func(s *sound) { s.target.TokenFile = "" }, []int{71, 72, 73, 74, 75, 76}},
		"a token that is not there":   {func(s *sound) { s.target.TokenFile = s.path("none") }, []int{71, 72, 73, 74, 75, 76}},
		"a process that has ended":    {func(s *sound) { s.target.Processes["gone"] = 1 << 30 }, []int{12, 13}},
		"sign-in is limited just now": {func(s *sound) { s.fake.signInLimit = true }, []int{33, 34, 35, 43, 51}},
		"no TLS trust":                {func(s *sound) { s.target.CAFile = "" }, []int{1, 2, 3, 4, 5, 33, 34, 35, 36, 37, 43, 51}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSound(t, flaws{})
			c.hide(s)
			report := s.run(t)
			want := []string{}
			for _, n := range c.unknown {
				want = append(want, id(n))
			}
			if got := with(report, Unknown); !slices.Equal(got, want) || report.Failed() {
				t.Errorf("%v unknown, want %v; failed: %v\n%s", got, want, with(report, Fail), reasons(report))
			}
			for _, l := range report.Lines {
				for _, check := range l.Checks {
					if slices.Contains(want, check) && l.Status != Unknown {
						t.Errorf("%q is %s, though %s is unknown", l.Text, l.Status, check)
					}
				}
			}
		})
	}
}

func TestWhatAPackHasNoUseForIsNotApplicable(t *testing.T) {
	t.Parallel()
	s := newSound(t, flaws{})
	s.target.Routes.Upload, s.target.Routes.ByUser, s.target.HTTPS = Route{}, Route{}, ""
	report := s.run(t)
	if got, want := with(report, NotApplicable), []string{id(4), id(21), id(22), id(23), id(43)}; !slices.Equal(got, want) || report.Failed() {
		t.Errorf("%v, want %v\n%s", got, want, reasons(report))
	}
}

func TestAPackWithTLSAloneIsAskedThere(t *testing.T) {
	t.Parallel()
	s := newSound(t, flaws{})
	s.target.HTTP = ""
	if report := s.run(t); report.Failed() || report.Counts[Pass] != len(catalogue()) {
		t.Errorf("%v\n%s", report.Counts, reasons(report))
	}
}

func TestNothingThatRunsIsNothingThatPasses(t *testing.T) {
	t.Parallel()
	report, err := Run(t.Context(), Target{HTTP: "http://127.0.0.1:1", Routes: Routes{Page: Route{Path: "/"}, Protected: Route{Path: "/me"}}}, time.Now)
	if err != nil || report.Counts[Pass] != 0 {
		t.Errorf("%v %v", err, report.Counts)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	report, err = Run(ctx, newSound(t, flaws{}).target, time.Now)
	if err != nil || report.Counts[Unknown] != len(catalogue()) {
		t.Errorf("after its end: %v %v", err, report.Counts)
	}
}

func TestATargetThatCannotBeUsedSaysWhy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		target Target
		says   string
	}{
		"a CA that is not there": {Target{CAFile: "/nowhere/ca.pem"}, "CA's file"},
		"a CA that is none":      {Target{CAFile: os.Args[0]}, "no certificate"},
		"a Redis URL":            {Target{RedisURL: secret.New([]byte("http://user:hidden@x"))}, "cannot be read"},
		"several addresses":      {Target{RedisURL: secret.New([]byte("redis://user:hidden@a:1,b:2"))}, "redis-cluster://"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Run(t.Context(), c.target, time.Now)
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestTheCatalogueIsSoundAndTheListsAreTheAudits(t *testing.T) {
	t.Parallel()
	ids := map[string]bool{}
	for _, c := range catalogue() {
		if !regexp.MustCompile(`^GH-POS-\d{3}$`).MatchString(c.id) || ids[c.id] || c.title == "" {
			t.Errorf("%+v", c)
		}
		ids[c.id] = true
	}
	used := map[string]bool{}
	count := map[string]int{}
	for _, l := range checklists() {
		count[l.Checklist]++
		if (l.Elsewhere == "") == (len(l.Checks) == 0) {
			t.Errorf("%q is answered twice or never", l.Text)
		}
		for _, check := range l.Checks {
			used[check] = true
			if !ids[check] {
				t.Errorf("%q names %s, which there is not", l.Text, check)
			}
		}
	}
	// The audit has 7, 5 and 8 lines, and 4 rules under each of 4 headings.
	if count["GDPR implementation"] != 7 || count["Security headers"] != 5 || count["Pre-merge"] != 8 || count["Never violate"] != 16 {
		t.Errorf("%v", count)
	}
	for check := range ids {
		if !used[check] && check != id(32) && check != id(64) && check != id(23) {
			t.Errorf("no line needs %s", check)
		}
	}
}

func TestFromUpReadsWhatUpWrites(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, _, err := FromUp(dir); !errors.Is(err, ErrNotUp) {
		t.Errorf("%v", err)
	}
	write := func(name, text string) {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("up.json", "{")
	if _, _, err := FromUp(dir); err == nil || !strings.Contains(err.Error(), "gatehouse up writes") {
		t.Errorf("%v", err)
	}
	write("up.json", fmt.Sprintf(`{"addresses":{"http":"http://h","https":"https://s","control":"http://c","authz":"a:1"},
		"credentials":{"username":"demo","password":"pw"},"ca_file":"/ca","config_file":"/g.yaml","state_dir":%q,"processes":{"authz":7},"token_file":"/t"}`, dir))
	write("secrets/redis_password", "secret of redis\n")
	socket := filepath.Join(dir, "redis.sock")
	write("redis/redis.conf", fmt.Sprintf("port 0\nunixsocket %q\nappendonly yes\n", socket))
	target, _, err := FromUp(dir)
	if err != nil || !target.RedisURL.Empty() {
		t.Errorf("%v: a socket that is not there is taken for a Redis", err)
	}
	write("redis.sock", "")
	target, config, err := FromUp(dir)
	if err != nil || config != "/g.yaml" || target.HTTPS != "https://s" || target.Authz != "http://a:1" || target.Username != "demo" ||
		target.Password.RevealString() != "pw" || target.RedisURL.RevealString() != "unix://"+socket ||
		target.RedisPassword.RevealString() != "secret of redis" || target.TokenFile != "/t" || target.Processes["authz"] != 7 {
		t.Errorf("%v %s %+v", err, config, target)
	}
}

func TestATextIsFoundAcrossTheChunksOfALog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	texts := map[string][]byte{"it": []byte("a-secret-of-some-length")}
	for _, at := range []int{0, 1<<20 - 30, 1<<20 - 10, 1 << 20, 1<<20 + 5, 2<<20 - 3, 3 << 20} {
		must(t, os.WriteFile(path, []byte(strings.Repeat("x", at)+"a-secret-of-some-length\n"), 0o600))
		found, read, err := searchFile(path, texts, 1<<30)
		if err != nil || len(found) != 1 || read != int64(at+24) {
			t.Errorf("at %d: %v %d %v", at, found, read, err)
		}
	}
	if found, read, err := searchFile(path, texts, 1<<20); err != nil || len(found) != 0 || read > 2<<20 {
		t.Errorf("the bound: %v %d %v", found, read, err)
	}
}

func TestEvidenceIsOneBoundedLine(t *testing.T) {
	t.Parallel()
	if got := shown("a\nb\x1b[31m"); got != "a b [31m" {
		t.Errorf("%q", got)
	}
	if got := shown(strings.Repeat("ä", 1000)); len([]rune(got)) != maxEvidence+1 {
		t.Errorf("%d", len([]rune(got)))
	}
}

func FuzzReadingForeignText(f *testing.F) {
	f.Add("max-age=1; includeSubDomains", "default-src 'self'; script-src", `"a";r=3;t=1`, []byte(`{"enum":["access"]}`))
	f.Fuzz(func(_ *testing.T, hsts, csp, limit string, document []byte) {
		maxAge(hsts)
		directivesOf(csp)
		remaining(limit)
		enumOf(document, "access")
		anonymous(document)
	})
}
