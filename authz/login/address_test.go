package login

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatehouse/authz/event"
	"gatehouse/authz/login/code"
)

var addressLink = regexp.MustCompile(`/auth/account/email/confirm\?token=[A-Za-z0-9_-]+`)

const (
	toFormer = "Somebody asked to change the address of your account"
	toNew    = "Confirm your mail address"
	toOther  = "Your mail address was given for another account"
)

func (p *person) askFor(address string) answered {
	p.t.Helper()
	return p.post("/auth/account", "/auth/account/email", "email", address)
}

// linkTo asks for a change and returns the link that comes to the new address.
func (p *person) linkTo(address string) string {
	p.t.Helper()
	p.mustBe(p.askFor(address), http.StatusOK, "ask")
	letter := p.letter(toNew)
	link := addressLink.FindString(letter)
	if !strings.HasPrefix(letter, address+"\n") || link == "" || !strings.Contains(letter, p.url+link) {
		p.t.Fatalf("the letter to %s: %s", address, letter)
	}
	return link
}

func (p *person) confirm(link string) answered {
	p.t.Helper()
	return p.do(http.MethodPost, AddressPath, asForm, url.Values{"csrf": {p.token("/auth/account")}, "token": {link[strings.Index(link, "=")+1:]}}.Encode())
}

func (s *site) addressOf(name string) string {
	s.t.Helper()
	u, err := s.ledger.UserByName(s.t.Context(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	return u.Email
}

// rules are those of the events about users since the last call.
func (s *site) rules() (rules []string) {
	for _, e := range s.events.take() {
		if e.Type == event.UserChanged {
			rules = append(rules, string(e.Outcome)+" "+e.Rule)
		}
	}
	return rules
}

func TestAPersonChangesTheirAddressByALinkToTheNewOne(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.person().signIn()
	reset, err := StartReset(t.Context(), s.ledger, "u-1", s.now(), MailedReset)
	if err != nil {
		t.Fatal(err)
	}
	s.rules()
	p.mustBe(p.askFor(" new@example.com "), http.StatusOK, "ask")
	if warned := s.letter(toFormer); !strings.HasPrefix(warned, "alice@example.com\n") || !strings.Contains(warned, "Network: 192.0.2.0/24") ||
		!strings.Contains(warned, "sign out everywhere, at "+s.url+"/auth/account") || addressLink.MatchString(warned) {
		t.Error(warned)
	}
	letter := s.letter(toNew)
	link := addressLink.FindString(letter)
	if !strings.HasPrefix(letter, "new@example.com\n") || link == "" || strings.Contains(letter, "Alice") {
		t.Fatal(letter)
	}
	for range 2 { // as scanners of mail do
		page := p.mustBe(p.get(link), http.StatusOK, "open the link")
		if !strings.Contains(page.text, "<strong>new@example.com</strong>") || !strings.Contains(page.text, "<strong>Alice</strong>") {
			t.Error(page.text)
		}
	}
	if page := p.get("/auth/account").text; s.addressOf("alice") != "alice@example.com" || !strings.Contains(page, "A link was asked for to <strong>new@example.com") {
		t.Errorf("before it is confirmed: %s %s", s.addressOf("alice"), page)
	}
	s.delivered()
	done := p.mustBe(p.post(link, AddressPath, "token", link[strings.Index(link, "=")+1:]), http.StatusOK, "confirm")
	if s.addressOf("alice") != "new@example.com" || !strings.Contains(done.text, "goes to <strong>new@example.com") || strings.Contains(done.text, "A link was asked for") {
		t.Errorf("%s %s", s.addressOf("alice"), done.text)
	}
	told := []string{s.letter("was changed, on the page"), s.letter("was changed, on the page")}
	slices.Sort(told)
	for i, address := range []string{"alice@example.com\n", "new@example.com\n"} {
		if !strings.HasPrefix(told[i], address) || !strings.Contains(told[i], "If that was not you, tell those who run the site at once") {
			t.Errorf("told %q", told[i])
		}
	}
	if got := s.rules(); !slices.Equal(got, []string{"success email_change_started", "success email_confirmed"}) {
		t.Errorf("events %q", got)
	}
	p.mustBe(p.confirm(link), http.StatusGone, "the link again")
	p.mustBe(p.post(reset, "/auth/reset/set", "token", reset[strings.Index(reset, "=")+1:], "new", "a quite new password"), http.StatusGone, "a reset of before")
	if !p.isIn() {
		t.Error("signed out by it")
	}
}

func TestAnAddressOfSomebodyElseIsToldToNobodyButThem(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.ledger.edit("bob", func(u *User) { *u = User{ID: "u-2", Name: "bob", PasswordHash: "x", Email: "bob@example.com"} })
	p := s.person().signIn()
	free := p.mustBe(p.askFor("free@example.com"), http.StatusOK, "one that is free")
	s.letter(toNew)
	s.delivered()
	s.rules()
	taken := p.mustBe(p.askFor("BOB@example.com"), http.StatusOK, "one that is not")
	same := func(a answered) string {
		text := strings.NewReplacer("BOB@example.com", "free@example.com").Replace(a.text)
		return regexp.MustCompile(`(good until|last seen) [0-9-]+ [0-9:]+ UTC`).ReplaceAllString(text, "$1 then")
	}
	if same(free) != same(taken) || len(free.header) != len(taken.header) {
		t.Errorf("the answer tells: %s\n%s", free.text, taken.text)
	}
	letter := s.letter(toOther)
	if !strings.HasPrefix(letter, "BOB@example.com\n") || strings.Contains(letter, "/auth/") || strings.Contains(letter, "Alice") {
		t.Error(letter)
	}
	s.delivered()
	if again := same(p.get("/auth/account")); !strings.Contains(again, "A link was asked for to <strong>free@example.com") {
		t.Errorf("the page tells: %s", again)
	}
	if got := s.rules(); !slices.Equal(got, []string{"success email_change_started", "failure email_change_refused"}) {
		t.Errorf("events %q", got)
	}
	// Somebody else gets it between the link and its use.
	link := p.linkTo("soon@example.com")
	s.ledger.edit("bob", func(u *User) { u.Email = "Soon@example.com" })
	p.mustBe(p.confirm(link), http.StatusGone, "taken meanwhile")
	if got := s.addressOf("alice"); got != "alice@example.com" {
		t.Errorf("two have %s", got)
	}
}

func TestTheLinkToAnAddressIsGoodForItsAccountAndInItsTimeAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	alice := s.ledger.users["alice"]
	s.ledger.edit("bob", func(u *User) { *u = User{ID: "u-2", Name: "bob", PasswordHash: alice.PasswordHash} })
	p, bob := s.person().signIn(), s.person()
	bob.mustBe(bob.enter("bob", password), http.StatusSeeOther, "sign in")
	for name, c := range map[string]struct {
		by   *person
		then func(link string)
	}{
		"another account's":  {by: bob},
		"over":               {by: p, then: func(string) { s.later(MailedReset); p.signIn() }},
		"not the newest":     {by: p, then: func(string) { p.linkTo("newer@example.com") }},
		"cancelled":          {by: p, then: func(string) { p.post("/auth/account", "/auth/account/email/cancel") }},
		"changed by another": {by: p, then: func(string) { s.ledger.edit("alice", func(u *User) { u.Email = "set@example.com" }) }},
	} {
		p.signIn()
		link := p.linkTo("new@example.com")
		if c.then != nil {
			c.then(link)
		}
		before := s.addressOf("alice")
		for _, got := range []answered{c.by.confirm(link), c.by.confirm(AddressPath + "?token=" + code.NewToken()), c.by.confirm("=")} {
			if got.status != http.StatusGone || s.addressOf("alice") != before || s.addressOf("bob") != "" {
				t.Errorf("%s: status %d, %s", name, got.status, s.addressOf("alice"))
			}
		}
	}
}

func TestWhoIsNotSignedInComesBackToTheLink(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	link := s.person().signIn().linkTo("new@example.com")
	phone := s.person()
	to := phone.mustBe(phone.get(link), http.StatusSeeOther, "the link").location
	if to != "/auth/sign-in?next="+strings.ReplaceAll(url.QueryEscape(link), "%2F", "/") {
		t.Fatal(to)
	}
	next := regexp.MustCompile(`name="next" value="([^"]+)"`).FindStringSubmatch(phone.get(to).text)
	back := phone.enter("alice", password, "next", next[1])
	if back.location != link {
		t.Fatalf("%+v", back)
	}
	phone.mustBe(phone.post(link, AddressPath, "token", link[strings.Index(link, "=")+1:]), http.StatusOK, "confirm")
	if got := s.addressOf("alice"); got != "new@example.com" {
		t.Error(got)
	}
	// A token that can be none goes into no redirect.
	if got := s.person().get(AddressPath + "?token=" + url.QueryEscape("x\r\nSet-Cookie: evil=1")); got.location != "/auth/sign-in?next="+AddressPath {
		t.Errorf("%+v", got)
	}
}

func TestAnAddressIsChangedFromItsOwnPageAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.person().signIn()
	link := p.linkTo("new@example.com")
	token := link[strings.Index(link, "=")+1:]
	foreign := s.person().signIn().token("/auth/account")
	for _, path := range []string{"/auth/account/email", AddressPath, "/auth/account/email/cancel"} {
		for name, got := range map[string]answered{
			"without a token":       p.do(http.MethodPost, path, asForm, url.Values{"email": {"x@example.com"}, "token": {token}}.Encode()),
			"another page's token":  p.do(http.MethodPost, path, asForm, url.Values{"csrf": {foreign}, "email": {"x@example.com"}, "token": {token}}.Encode()),
			"from another site":     p.do(http.MethodPost, path, asForm, url.Values{"csrf": {p.token("/auth/account")}, "email": {"x@example.com"}, "token": {token}}.Encode(), with("Sec-Fetch-Site", "cross-site")),
			"a field that is twice": p.do(http.MethodPost, path, asForm, url.Values{"csrf": {p.token("/auth/account")}, "email": {"x@example.com", "y@example.com"}, "token": {token, token}}.Encode()),
		} {
			if got.status != http.StatusForbidden && got.status != http.StatusBadRequest {
				t.Errorf("%s %s: %d", path, name, got.status)
			}
		}
	}
	for _, bad := range []string{"", "alice@example.com", "x", "x@", "Bob <b@example.com>", "a@b.example\r\nBcc: c@example.com", "ä@example.com", "a b@example.com", "a@[127.0.0.1]", strings.Repeat("x", 250) + "@example.com"} {
		p.mustBe(p.askFor(bad), http.StatusUnprocessableEntity, bad)
	}
	if c := s.ledger.asked["u-1"]; c.Address != "new@example.com" || s.addressOf("alice") != "alice@example.com" {
		t.Errorf("%+v", c)
	}
	// Without mail there is no way to it.
	s.settings.Store(&Settings{})
	p.mustBe(p.do(http.MethodPost, "/auth/account/email", asForm, "email=x@example.com"), http.StatusNotFound, "without an origin")
	if strings.Contains(p.get("/auth/account").text, "New mail address") {
		t.Error("the page offers what cannot be done")
	}
}

func TestNobodysMailboxIsFlooded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.person().signIn()
	for i := range 6 {
		p.mustBe(p.askFor("victim"+string(rune('a'+i))+"@example.com"), http.StatusOK, "ask")
	}
	if got := p.mustBe(p.askFor("victim@example.com"), http.StatusTooManyRequests, "too often"); got.header.Get("Retry-After") == "" {
		t.Error(got.header)
	}
	// One mailbox, from many accounts.
	s = newSite(t)
	hash := s.ledger.users["alice"].PasswordHash
	sent := 0
	for i := range 9 {
		name := "mallory" + string(rune('a'+i))
		s.ledger.edit(name, func(u *User) { *u = User{ID: name, Name: name, PasswordHash: hash} })
		q := s.person()
		q.mustBe(q.enter(name, password), http.StatusSeeOther, "sign in")
		if got := q.askFor([]string{"victim@example.com", "VICTIM@example.com"}[i%2]); got.status == http.StatusOK {
			sent++
		}
	}
	if sent != 6 {
		t.Errorf("%d mails to one mailbox, want 6", sent)
	}
}

func TestMailThatCannotBeSentLeavesTheAddressAsItIs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.person().signIn()
	s.posted()
	s.rules()
	s.mail.refuses.Store("new@example.com", true)
	p.mustBe(p.askFor("new@example.com"), http.StatusOK, "ask")
	s.delivered()
	if strings.Contains(p.get("/auth/account").text, "A link was asked for") || s.addressOf("alice") != "alice@example.com" {
		t.Error("a change waits that nobody can confirm")
	}
	if got := s.rules(); !slices.Equal(got, []string{"success email_change_started", "failure email_change_failed"}) {
		t.Errorf("events %q", got)
	}
	// The former address may be dead: that may be why it is changed.
	s.mail.refuses.Clear()
	s.mail.refuses.Store("alice@example.com", true)
	link := p.linkTo("new@example.com")
	p.mustBe(p.confirm(link), http.StatusOK, "confirm")
	if got := s.rules(); !slices.Contains(got, "failure email_notice_not_sent") || s.addressOf("alice") != "new@example.com" {
		t.Errorf("events %q", got)
	}
}

func TestWithoutTheStoreOrAPlaceForMailNoAddressIsAskedFor(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.person().signIn()
	s.posted()
	for range cap(s.whole.h.letters) {
		s.whole.h.letters <- struct{}{}
	}
	p.mustBe(p.askFor("new@example.com"), http.StatusServiceUnavailable, "all places taken")
	if len(s.ledger.asked) != 0 {
		t.Errorf("%v", s.ledger.asked)
	}
	// A notice is not left out.
	p.mustBe(p.post("/auth/account", "/auth/account/keys/add", "label", "x", "days", "3"), http.StatusOK, "a key")
	s.letter("A key for programs was made")
	for range cap(s.whole.h.letters) {
		<-s.whole.h.letters
	}
	token := p.token("/auth/account")
	s.ledger.gone = errors.New("the database is away")
	for _, path := range []string{"/auth/account/email", AddressPath, "/auth/account/email/cancel"} {
		p.mustBe(p.do(http.MethodPost, path, asForm, url.Values{"csrf": {token}, "email": {"x@example.com"}}.Encode()), http.StatusServiceUnavailable, path)
	}
	s.ledger.gone = nil
	s.delivered()
	s.quiet(toNew)
}

func TestAMailServerThatHangsDoesNotHideThatAPasswordIsChanged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.person().signIn()
	s.posted()
	s.mail.hangs.Store(true)
	done := p.mustBe(p.post("/auth/account", "/auth/account/password", "current", password, "new", "a quite new password"), http.StatusOK, "the change")
	if !strings.Contains(done.text, "The password is changed") {
		t.Error(done.text)
	}
}
