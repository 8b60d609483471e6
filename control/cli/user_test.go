package cli

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/event"
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
	key   string // file of the pseudonym key
}

func newPeople(t *testing.T) *people {
	t.Helper()
	return &people{t: t, url: "sqlite:" + filepath.Join(t.TempDir(), "users.db"), redis: redistest.Start(t)}
}

func (p *people) run(stdin string, want int, args ...string) string {
	p.t.Helper()
	c := command{stdin: strings.NewReader(stdin), env: map[string]string{"GATEHOUSE_STORE": p.url, "GATEHOUSE_PSEUDONYM_KEY_FILE": p.key}}
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
		"a role of two lines":         {`[{"userName":"anna","roles":["a\nadmin"]}]`, "fit into no session"},
		"roles beyond all measure":    {`[{"userName":"anna","roles":["` + strings.Repeat("x", 4096) + `"]}]`, "fit into no session"},
		"half of a file":              {`{"Resources":[{"userName":"ok"},{"userName":"anna"`, "no SCIM"},
		"something behind it":         {`[{"userName":"ok"}]}`, "no SCIM"},
		"one page of several":         {`{"totalResults":3,"Resources":[{"userName":"ok"},{"userName":"anna"}]}`, "2 of 3 users"},
		"a switch that is a text":     {`[{"userName":"ok"},{"userName":"anna","active":"false"}]`, "no SCIM"},
		"nothing in between":          {`[{"userName":"ok"},null]`, "user 2"},
	} {
		if out := p.run(c.text, ExitWrong, "import", "-"); !strings.Contains(out, c.says) || strings.Contains(out, "hunter22") {
			t.Errorf("%s: %s", name, out)
		}
	}
	if users, err := p.store().Users(t.Context()); err != nil || len(users) != 0 {
		t.Errorf("%v %v", users, err)
	}
}

// told are the events that commands have left for the audit log since the last time.
func (p *people) told() (list []event.Event) {
	p.t.Helper()
	s := p.store()
	list, err := s.UnloggedEvents(p.t.Context(), time.Now(), 1000)
	for _, e := range list {
		err = errors.Join(err, s.EventLogged(p.t.Context(), e.ID))
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return list
}

func rulesOf(events []event.Event) (rules []string) {
	for _, e := range events {
		rules = append(rules, e.Rule)
	}
	slices.Sort(rules)
	return rules
}

func TestEveryCommandThatChangesAUserIsAnEventAsOnThePages(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.key = place(t, "key", goodKey, 0o600)
	redis := []string{"--redis", p.redisFlag()}
	p.run("", ExitDone, "add", "anna", "--generate", "--role", "auditor")
	_, id := p.signedIn("anna")
	names, err := event.NewPseudonymizer([]byte(goodKey))
	if err != nil {
		t.Fatal(err)
	}
	if e := p.told(); len(e) != 1 || e[0].Rule != "user_added" || e[0].Type != event.UserChanged || e[0].Outcome != event.Success ||
		e[0].Subject != names.Subject(id) || e[0].Detail["by_uid"] == "" || e[0].Detail["roles"] != "auditor" || e[0].ID == "" || e[0].Time.IsZero() {
		t.Errorf("%+v", e)
	}
	ended := []string{"ended_by_operator", "ended_by_operator", "ended_by_operator"}
	for _, step := range []struct {
		args []string
		want []string
	}{
		{append([]string{"password", "anna", "--generate"}, redis...), append(slices.Clone(ended), "password_set")},
		{append([]string{"set-roles", "anna", "--role", "operator"}, redis...), append(slices.Clone(ended), "roles_changed")},
		{[]string{"set-email", "anna", "anna@example.com"}, []string{"email_changed"}},
		{[]string{"set-email", "anna", "anna@example.com"}, nil},
		{[]string{"reset", "anna"}, []string{"reset_started"}},
		{[]string{"link", "anna", "--issuer", "https://id.example.com", "--subject", "7"}, []string{"provider_linked"}},
		{append([]string{"unlink", "anna"}, redis...), append(slices.Clone(ended), "provider_removed")},
		{append([]string{"disable", "anna"}, redis...), append(slices.Clone(ended), "user_disabled")},
		{[]string{"enable", "anna"}, []string{"user_enabled"}},
		{[]string{"show", "anna"}, nil},
		{[]string{"list"}, nil},
		{append([]string{"delete", "anna"}, redis...), append(slices.Clone(ended), "user_deleted")},
	} {
		p.run("", ExitDone, step.args...)
		events := p.told()
		if got := rulesOf(events); !slices.Equal(got, step.want) {
			t.Errorf("%v: %q, want %q", step.args, got, step.want)
		}
		for _, e := range events {
			if e.Subject != names.Subject(id) || strings.Contains(fmt.Sprint(e), "anna") {
				t.Errorf("%v: %+v", step.args, e)
			}
		}
		if slices.Contains(step.want, "user_deleted") {
			break
		}
		p.signedIn("anna")
		if len(step.want) < 2 { // three sessions more would be in the way
			p.run("", ExitDone, append([]string{"set-roles", "anna", "--role", "operator"}, redis...)...)
			p.signedIn("anna")
			p.told()
		}
	}
}

func TestAnImportIsAnEventForEachUserThatItChanges(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	redis := []string{"import", "-", "--redis", p.redisFlag()}
	p.run(`[{"userName":"anna","roles":["auditor"],"emails":["a@example.com"]},{"userName":"bob","active":false}]`, ExitDone, redis...)
	if got := rulesOf(p.told()); !slices.Equal(got, []string{"email_changed", "user_added", "user_added", "user_disabled"}) {
		t.Errorf("%q", got)
	}
	sessions, id := p.signedIn("anna")
	same := `[{"userName":"anna","roles":["auditor"],"emails":["a@example.com"],"active":true}]`
	p.run(same, ExitDone, redis...)
	if got := p.told(); len(got) != 0 {
		t.Errorf("what changes nothing is told of: %+v", got)
	}
	other := strings.Replace(same, "auditor", "operator", 1)
	if out := p.run(other, ExitUsage, "import", "-"); !strings.Contains(out, "--redis") {
		t.Errorf("other roles, and nothing that ends the sessions: %s", out)
	}
	p.run(other, ExitDone, redis...)
	if live, err := sessions.List(t.Context(), id); err != nil || len(live) != 0 {
		t.Errorf("%d sessions have the roles of before: %v", len(live), err)
	}
	if got := rulesOf(p.told()); !slices.Equal(got, []string{"ended_by_operator", "ended_by_operator", "ended_by_operator", "roles_changed"}) {
		t.Errorf("%q", got)
	}
}

func TestAnInvitedUserHasNoPasswordThatSomebodyElseKnows(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.run("", ExitUsage, "add", "anna", "--invite", "--generate")
	out := p.run("", ExitDone, "add", "anna", "--invite", "--origin", "https://app.example.com")
	if !regexp.MustCompile(`^https://app\.example\.com/auth/reset/set\?token=[A-Za-z0-9_-]{20,}\n$`).MatchString(out) {
		t.Errorf("%q", out)
	}
	u, err := p.store().UserByName(t.Context(), "anna")
	if err != nil || u.HasPassword() {
		t.Errorf("%+v %v", u, err)
	}
	if got := rulesOf(p.told()); !slices.Equal(got, []string{"reset_started", "user_added"}) {
		t.Errorf("%q", got)
	}
}
