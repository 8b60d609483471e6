package cli

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/login"
	"gatehouse/authz/session"
	"gatehouse/control/internal/redistest"
	"gatehouse/control/store"
)

// people is a store with the commands on it.
type people struct {
	t     *testing.T
	url   string
	redis *redistest.Server
}

func newPeople(t *testing.T) *people {
	t.Helper()
	return &people{t: t, url: "sqlite:" + filepath.Join(t.TempDir(), "users.db"), redis: redistest.Start(t)}
}

func (p *people) run(stdin string, want int, args ...string) string {
	p.t.Helper()
	c := command{stdin: strings.NewReader(stdin), env: map[string]string{"GATEHOUSE_STORE": p.url}}
	if code := c.run(p.t.Context(), append([]string{"user"}, args...)...); code != want {
		p.t.Fatalf("%v: exit code %d, want %d: %s", args, code, want, c.stderr.String())
	}
	return c.stdout.String() + c.stderr.String()
}

func (p *people) redisFlag() string { return "unix://" + p.redis.Socket() }

func (p *people) store() *store.Store {
	p.t.Helper()
	s, err := store.Open(p.t.Context(), store.Options{URL: p.url})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = s.Close() })
	return s
}

func (p *people) signedIn(name string) (*session.Manager, string) {
	p.t.Helper()
	u, err := p.store().UserByName(p.t.Context(), name)
	if err != nil {
		p.t.Fatal(err)
	}
	m := session.New(p.redis.Client(), time.Now, rand.Reader)
	for range 3 {
		if _, _, err := m.Create(p.t.Context(), session.User{ID: u.ID, Name: u.Name}, session.Grant{Idle: time.Hour, Absolute: time.Hour}); err != nil {
			p.t.Fatal(err)
		}
	}
	return m, u.ID
}

func TestWhoIsDisabledOrDeletedIsSignedOutEverywhere(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	for _, verb := range []string{"disable", "delete", "password", "set-roles"} {
		p.run("", ExitDone, "add", verb, "--generate", "--role", "auditor")
		sessions, id := p.signedIn(verb)
		args := []string{verb, verb}
		if verb == "password" {
			args = append(args, "--generate")
		}
		if out := p.run("", ExitUsage, args...); !strings.Contains(out, "--redis") {
			t.Errorf("%s without Redis: %s", verb, out)
		}
		if live, err := sessions.List(t.Context(), id); err != nil || len(live) != 3 {
			t.Errorf("%s: refused, and %d sessions are left: %v", verb, len(live), err)
		}
		p.run("", ExitDone, append(args, "--redis", p.redisFlag())...)
		if live, err := sessions.List(t.Context(), id); err != nil || len(live) != 0 {
			t.Errorf("%s: %d sessions are open: %v", verb, len(live), err)
		}
	}
	p.run("", ExitWrong, "show", "delete")
	p.redis.Stop()
	if out := p.run("", ExitWrong, "disable", "password", "--redis", p.redisFlag()); !strings.Contains(out, "may still be open") {
		t.Errorf("with Redis gone: %s", out)
	}
}

func TestAUserIsShownWithoutSecretsAndGetsRolesAndAnAddress(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.run("", ExitDone, "add", "anna", "--generate")
	p.run("", ExitDone, "set-roles", "anna", "--role", "operator", "--role", "auditor", "--role", "operator", "--keep-sessions")
	p.run("", ExitDone, "set-email", "anna", "anna@example.com")
	p.run("", ExitWrong, "set-email", "anna", "anna@example.com\r\nBcc: x@example.com")
	s := p.store()
	u, err := s.UserByName(t.Context(), "anna")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.AddCredentials(t.Context(), login.Credential{ID: "k", UserID: u.ID, Kind: login.KindAPIKey, Lookup: "the-hash", Label: "build", Data: "read", Active: true}); err != nil {
		t.Fatal(err)
	}
	out := p.run("", ExitDone, "show", "ANNA", "--output", "json")
	var d userDetails
	if err := json.Unmarshal([]byte(out), &d); err != nil || d.Email != "anna@example.com" || !slices.Equal(d.Roles, []string{"auditor", "operator"}) || len(d.Credentials) != 1 {
		t.Errorf("%v %s", err, out)
	}
	if table := p.run("", ExitDone, "show", "anna"); !strings.Contains(table, "api_key  build") || strings.Contains(table+out, "the-hash") || strings.Contains(table+out, "argon2") {
		t.Errorf("%s", table)
	}
	p.run("", ExitDone, "set-roles", "anna", "--keep-sessions")
	if u, err = s.UserByName(t.Context(), "anna"); err != nil || len(u.Roles) != 0 {
		t.Errorf("%+v %v", u, err)
	}
}

func TestAnOperatorStartsAResetAndDoesNotChooseThePassword(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.run("", ExitDone, "add", "anna", "--generate")
	out := p.run("", ExitDone, "reset", "anna", "--origin", "https://app.example.com")
	if !regexp.MustCompile(`^https://app\.example\.com/auth/reset/set\?token=[A-Za-z0-9_-]{43}\n$`).MatchString(out) {
		t.Errorf("%s", out)
	}
	p.run("", ExitDone, "disable", "anna", "--keep-sessions")
	p.run("", ExitWrong, "reset", "anna")
	p.run("", ExitWrong, "reset", "nobody")
}

func TestUsersAreImportedAsSCIMAndAgainWithoutHarm(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	phc, err := login.HashPassword("correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "users.json")
	text := fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":3,"Resources":[
		{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"anna","externalId":"7","active":true,"name":{"familyName":"A"},
		 "emails":[{"value":"old@example.com"},{"value":"anna@example.com","primary":true}],"roles":[{"value":"operator"},"auditor"],
		 %q:{"passwordHash":%q}},
		{"userName":"bob"},{"userName":"carl","active":false}]}`, hashExtension, phc)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := p.run("", ExitDone, "import", file, "--dry-run"); !strings.Contains(out, "would add 3, change 0, of them disable 1") {
		t.Error(out)
	}
	p.run("", ExitUsage, "import", file) // whoever is disabled may be signed in
	p.run("", ExitDone, "import", file, "--redis", p.redisFlag())
	expectPassword(t, p.url, "anna", "correct horse battery")
	s := p.store()
	anna, err1 := s.UserByName(t.Context(), "anna")
	bob, err2 := s.UserByName(t.Context(), "bob")
	if err1 != nil || err2 != nil || anna.Email != "anna@example.com" || !slices.Equal(anna.Roles, []string{"auditor", "operator"}) || login.CheckHash(bob.PasswordHash) != nil {
		t.Errorf("%+v %+v %v %v", anna, bob, err1, err2)
	}
	sessions, id := p.signedIn("anna")
	if out := p.run(strings.ReplaceAll(text, `"active":true`, `"active":false`), ExitDone, "import", "-", "--redis", p.redisFlag()); !strings.Contains(out, "changed 3, of them disabled 1") {
		t.Error(out)
	}
	if live, err := sessions.List(t.Context(), id); err != nil || len(live) != 0 {
		t.Errorf("disabled by an import, with %d sessions: %v", len(live), err)
	}
	expectPassword(t, p.url, "anna", "correct horse battery")
}

func TestAnImportChangesNothingIfAnythingInItIsWrong(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	for name, c := range map[string]struct{ text, says string }{
		"no JSON": {`users:`, "no SCIM"}, "nobody": {`[]`, "0 users"}, "no name": {`[{"userName":"ok"},{}]`, "user 2"},
		"twice": {`[{"userName":"Anna"},{"userName":"anna"}]`, "comes twice"}, "a password in clear": {`[{"userName":"ok"},{"userName":"anna","password":"hunter22"}]`, "in clear"},
		"an address that adds a line": {`[{"userName":"anna","emails":["a@example.com\r\nBcc: b@example.com"]}]`, "mail address"},
		"a hash of another kind":      {`[{"userName":"anna","` + hashExtension + `":{"passwordHash":"$2b$12$x"}}]`, "unusable password hash"},
		"an empty role":               {`[{"userName":"anna","roles":[""]}]`, "empty role"},
	} {
		if out := p.run(c.text, ExitWrong, "import", "-"); !strings.Contains(out, c.says) || strings.Contains(out, "hunter22") {
			t.Errorf("%s: %s", name, out)
		}
	}
	if users, err := p.store().Users(t.Context()); err != nil || len(users) != 0 {
		t.Errorf("%v %v", users, err)
	}
}
