package scan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"gatehouse/authz/secret"
	"gatehouse/e2e/planted"
)

func scanner(t testing.TB) *Scanner {
	t.Helper()
	s, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestEveryKindIsFoundByARuleOrByForm holds what a log line goes through: Scrub,
// then the rules.
func TestEveryKindIsFoundByARuleOrByForm(t *testing.T) {
	t.Parallel()
	guard := secret.NewGuard(scanner(t), nil)
	for _, s := range planted.New(4 * planted.Kinds()) {
		for _, frame := range []string{"%s", "the upstream said: %s (retrying)", `{"detail":"%s"}`, "look up: dial: %s", "/files/%s/x", "%s.pdf", "/a?t=%s&x=y", "(%s)", "got %s.", "[%s]", "<%s>", "x,%s,y"} {
			got := guard.Clean("test", secret.Scrub(fmt.Sprintf(frame, s.Text)))
			if strings.Contains(got, s.Needle) {
				t.Errorf("%s in %q came out: %s", s.Kind, frame, got)
			}
		}
	}
}

func TestOrdinaryTextIsNoSecret(t *testing.T) {
	t.Parallel()
	s := scanner(t)
	for _, text := range []string{
		"authz serves\naddress = \"127.0.0.1:9001\"\ninstance = \"authz-5f7c9d8b6c-x2x4k\"",
		"a good edit is live\nversion = \"0a1b2c3d4e5f6071\"\npolicies = \"7\"",
		"trace_id = \"4bf92f3577b34da6a3ce929d0e0e4736\"\nspan_id = \"00f067aa0ba902b7\"",
		"request_id = \"5f0c8a9e-1111-4222-8333-444455556666\"",
		"subject = \"u:kZ3JcQ0y9b1xV5n8mP2sLw\"\nclient = \"c:Qm9vZ2xlIGlzIG5vdCBh1A\"",
		"script-src 'sha256-B2yPHKaXnvFWtRChIbabYmUBFZdVfKKXHbWtWidDVF8='",
		"https://app.example.com/a?b=c", "redis://127.0.0.1:6379/0", "secret REDIS_PASSWORD: file /run/secrets/redis_password is empty",
	} {
		if found := s.Find(text); len(found) != 0 {
			t.Errorf("%q: %s", text, found[0].Rule)
		}
	}
}

func TestAFoundSecretSaysWhereAndNotWhat(t *testing.T) {
	t.Parallel()
	s := scanner(t)
	planted := planted.New(1)[0]
	found := s.Find("first line\nsecond " + planted.Text + " line\nthird")
	if len(found) != 1 || found[0].Line != 2 || found[0].Secret.RevealString() != planted.Needle {
		t.Fatalf("%+v", found)
	}
	if text := fmt.Sprintf("%+v %#v", found, found); strings.Contains(text, planted.Needle) {
		t.Errorf("it tells the secret: %s", text)
	}
}

func TestOurOwnSecretsHaveRules(t *testing.T) {
	t.Parallel()
	s := scanner(t)
	for kind, rule := range map[string]string{
		"session token": "gatehouse-session-token", "note signing key": "note-signing-key", "argon2 hash": "argon2-hash", "database URL": "url-password",
	} {
		for _, p := range planted.New(planted.Kinds()) {
			if p.Kind != kind {
				continue
			}
			rules := map[string]bool{}
			for _, f := range s.Find("x " + p.Text + " y") {
				rules[f.Rule] = true
			}
			if !rules[rule] {
				t.Errorf("%s: found by %v", kind, rules)
			}
		}
	}
}

func TestALineCannotAllowItselfUnlessItIsInAFile(t *testing.T) {
	t.Parallel()
	line := planted.New(1)[0].Text + " # gitleaks:" + "allow"
	if found := scanner(t).Find(line); len(found) != 1 {
		t.Errorf("in a log: %d found", len(found))
	}
	if found := scanner(t).ForFiles().Find(line); len(found) != 0 {
		t.Errorf("in a file: %d found", len(found))
	}
}

func TestAFileOfRulesAddsToTheDefaults(t *testing.T) {
	t.Parallel()
	aws := planted.New(1)[0].Text
	const path = "docs/example.md"
	for name, test := range map[string]struct {
		rules string
		text  string
		want  string
	}{
		"the defaults hold without being asked for": {`title = "x"`, aws, "aws-access-token"},
		"an allowlist of paths":                     {"[[allowlists]]\npaths = ['''^docs/''']", aws, ""},
		"an allowlist of another path":              {"[[allowlists]]\npaths = ['''^src/''']", aws, "aws-access-token"},
		"an allowlist in the older form":            {"[allowlist]\npaths = ['''^docs/''']", aws, ""},
		"an allowlist of one rule":                  {"[[allowlists]]\ntargetRules = ['aws-access-token']\npaths = ['''^docs/''']", aws, ""},
		"an allowlist by line":                      {"[[allowlists]]\nregexTarget = 'line'\nregexes = ['''sample''']", aws + " sample", ""},
		"a rule switched off":                       {"[extend]\nuseDefault = true\ndisabledRules = ['aws-access-token']", aws, ""},
		"a rule of one's own":                       {"[[rules]]\nid = 'ours'\nregex = '''our-[0-9]{6}'''\nkeywords = ['our-']", "our-123456", "ours"},
		"our rules cannot be switched off": {"[extend]\ndisabledRules = ['gatehouse-session-token']",
			"gh" + "s_" + strings.Repeat("Ab3", 16), "gatehouse-session-token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := NewWith(test.rules)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			err = s.Reader(t.Context(), path, strings.NewReader("x\n"+test.text+"\n"), func(h Hit) error {
				got = append(got, h.Rule)
				return nil
			})
			if err != nil || strings.Join(got, " ") != test.want {
				t.Errorf("found %v, %v; want %q", got, err, test.want)
			}
		})
	}
}

func TestABadFileOfRulesIsRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ rules, want string }{
		"no TOML":              {"[[", "read the rules"},
		"a pattern":            {"[[rules]]\nid = 'x'\nregex = '''('''", "pattern cannot be compiled"},
		"an allowlist's":       {"[[allowlists]]\nregexes = ['''(''']", "pattern cannot be compiled"},
		"an older allowlist's": {"[allowlist]\npaths = ['''(''']", "pattern cannot be compiled"},
		"a rule's allowlist's": {"[[rules]]\nid = 'x'\nregex = 'a'\n[[rules.allowlists]]\nregexes = ['''(''']", "pattern cannot be compiled"},
		"a rule of nothing":    {"[[rules]]\nid = 'x'", "no effect"},
		"another file":         {"[extend]\npath = '/etc/passwd'", "not followed"},
		"another place":        {"[extend]\nurl = 'https://example.com'", "not followed"},
		"an unknown target":    {"[[allowlists]]\ntargetRules = ['no-such']\nregexes = ['a']", "no-such"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := NewWith(test.rules); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

func read(t *testing.T, r io.Reader) []Hit {
	t.Helper()
	var hits []Hit
	if err := scanner(t).Reader(t.Context(), "f.log", r, func(h Hit) error {
		hits = append(hits, h)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return hits
}

func TestAFileIsFoundInWhateverPiecesItComes(t *testing.T) {
	t.Parallel()
	secrets := planted.New(1)
	filler := strings.Repeat("an ordinary line of a log, of some length\n", 20)
	text := filler + secrets[0].Text + "\n" + filler
	want := []Hit{{File: "f.log", Line: 21, Rule: "aws-access-token"}}
	for name, r := range map[string]io.Reader{
		"whole": strings.NewReader(text), "byte by byte": iotest.OneByteReader(strings.NewReader(text)),
		"by halves": iotest.HalfReader(strings.NewReader(text)), "with the end at once": iotest.DataErrReader(strings.NewReader(text)),
	} {
		if got := read(t, r); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestASecretAcrossTheBorderOfTwoPiecesIsFoundOnce(t *testing.T) {
	t.Parallel()
	p := planted.New(1)[0]
	for shift := -30; shift <= 10; shift += 5 {
		lead := strings.Repeat("x\n", (pieceSize+shift)/2)
		hits := read(t, strings.NewReader(lead+p.Text+"\n"+strings.Repeat("y\n", pieceSize)))
		if len(hits) != 1 || hits[0].Line != strings.Count(lead, "\n")+1 {
			t.Errorf("shifted by %d: %v", shift, hits)
		}
	}
	long := strings.Repeat("x", 3*pieceSize)
	if hits := read(t, strings.NewReader(long+" "+p.Text+" "+long)); len(hits) != 1 || hits[0].Line != 1 {
		t.Errorf("in one long line: %v", hits)
	}
}

func TestReadingEndsForAReason(t *testing.T) {
	t.Parallel()
	s := scanner(t)
	ignore := func(Hit) error { return nil }
	if err := s.Reader(t.Context(), "f", bytes.NewReader([]byte("PNG\x00\x01")), ignore); !errors.Is(err, ErrBinary) {
		t.Errorf("binary: %v", err)
	}
	if err := s.Reader(t.Context(), "f", iotest.ErrReader(io.ErrUnexpectedEOF), ignore); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("broken: %v", err)
	}
	stop := errors.New("enough")
	if err := s.Reader(t.Context(), "f", strings.NewReader(planted.New(1)[0].Text+"\n"), func(Hit) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("stopped: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Reader(ctx, "f", strings.NewReader("x\n"), ignore); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := s.Reader(t.Context(), "f", strings.NewReader(""), ignore); err != nil {
		t.Errorf("empty: %v", err)
	}
}

func TestOneScannerServesMany(t *testing.T) {
	t.Parallel()
	s := scanner(t)
	var scanning sync.WaitGroup
	for _, p := range planted.New(16) {
		scanning.Go(func() {
			for range 20 {
				s.Find("x " + p.Text)
			}
		})
	}
	scanning.Wait()
}

func BenchmarkFind(b *testing.B) {
	s := scanner(b)
	for name, text := range map[string]string{
		"a line":               "authz serves\naddress = \"127.0.0.1:9001\"\ninstance = \"authz\"",
		"a line with keywords": "a session was refused\nreason = \"no token\"\npath = \"/api/v1/me\"",
		"a kilobyte":           strings.Repeat("an ordinary line of a log, some length\n", 26),
		"three secrets":        planted.New(1)[0].Text + "\n" + planted.New(3)[2].Text + "\n" + planted.New(5)[4].Text,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				s.Find(text)
			}
		})
	}
}
