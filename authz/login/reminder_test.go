package login

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/event"
	"gatehouse/authz/login/apikey"
)

const oneDay = 24 * time.Hour

// key makes one on the page of the account, and returns it.
func (p *person) key(label, days string) string {
	p.t.Helper()
	made := p.mustBe(p.post("/auth/account", "/auth/account/keys/add", "label", label, "days", days, "scopes", "read write"), http.StatusOK, "make a key")
	found := regexp.MustCompile(`<li><code>(` + regexp.QuoteMeta(apikey.Prefix) + `[^<]+)</code></li>`).FindStringSubmatch(made.text)
	if found == nil || !strings.Contains(made.text, "It ends on ") {
		p.t.Fatalf("%s", made.text)
	}
	return found[1]
}

// hourly is what a replica does each hour.
func (s *site) hourly(by time.Duration) {
	s.t.Helper()
	s.later(by)
	if err := s.redis.Client().Del(s.t.Context(), remindTurn).Err(); err != nil {
		s.t.Fatal(err)
	}
	if err := s.whole.h.remind(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// reminders are the events of reminders since the last time, and the letters.
func (s *site) reminders() (events []event.Event, letters []string) {
	for _, e := range s.events.take() {
		if e.Rule == "api_key_ends_soon" {
			events = append(events, e)
		}
	}
	for {
		select {
		case letter := <-s.mail.sent:
			if strings.Contains(letter, "A key of yours ends on") {
				letters = append(letters, letter)
			}
			continue
		default:
		}
		return events, letters
	}
}

func TestAPersonIsRemindedOfAKeyInTimeToRenewItAndNoMoreThanTwice(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.person().signIn()
	secret := p.key("nightly build", "90")
	s.reminders()
	for _, step := range []struct {
		after   time.Duration
		letters int
	}{
		{oneDay, 0}, {74 * oneDay, 0}, {oneDay, 1}, {oneDay, 0}, {9 * oneDay, 0}, {oneDay, 1}, {2 * oneDay, 0}, {2 * oneDay, 0},
	} {
		s.hourly(step.after)
		s.hourly(0) // the next hour, or another replica
		events, letters := s.reminders()
		if len(letters) != step.letters || len(events) != step.letters {
			t.Errorf("after %s more: %d letters, %d events, want %d", step.after, len(letters), len(events), step.letters)
		}
		for _, letter := range letters {
			for _, part := range []string{"alice@example.com\n", `"nightly build"`, "Make a new key at " + s.url + "/auth/account", "read write", "Remove the old key"} {
				if !strings.Contains(letter, part) {
					t.Errorf("it does not say %q: %s", part, letter)
				}
			}
			if strings.Contains(letter, secret) {
				t.Error("the key itself is in the mail")
			}
		}
		for _, e := range events {
			if e.Type != event.UserChanged || e.Outcome != event.Success || e.Subject == "" {
				t.Errorf("%+v", e)
			}
		}
	}
}

func TestWhichRemindersAKeyIsDueFor(t *testing.T) {
	t.Parallel()
	made := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		life, after time.Duration
		want        string
	}{
		"a long one, long before":      {90 * oneDay, 75 * oneDay, ""},
		"a long one, two weeks before": {90 * oneDay, 76 * oneDay, "early"},
		"a long one, three days":       {90 * oneDay, 87 * oneDay, "late"},
		"a long one, over":             {90 * oneDay, 90 * oneDay, ""},
		"of two weeks, at once":        {14 * oneDay, 0, ""},
		"of two weeks, three days":     {14 * oneDay, 11 * oneDay, "late"},
		"of three days":                {3 * oneDay, oneDay, ""},
	} {
		if got := (Credential{Created: made, Expires: made.Add(test.life)}).stage(made.Add(test.after)); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestAReminderThatCannotBeSentIsSentLaterOrToldToOperators(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.person().signIn().key("build", "30")
	s.reminders()
	s.later(20 * oneDay)
	s.mail.refuse.Store(true)
	if err := s.whole.h.remind(t.Context()); err == nil {
		t.Error("nobody hears that the mail server is away")
	}
	if events, letters := s.reminders(); len(events)+len(letters) != 0 {
		t.Errorf("%v %v", events, letters)
	}
	s.mail.refuse.Store(false)
	s.hourly(time.Hour)
	if _, letters := s.reminders(); len(letters) != 1 {
		t.Errorf("%d letters", len(letters))
	}
	s.ledger.edit("alice", func(u *User) { u.Email = "" })
	for range 2 {
		s.hourly(7 * oneDay / 2)
	}
	if events, letters := s.reminders(); len(letters) != 0 || len(events) != 1 || events[0].Outcome != event.Failure || events[0].Severity != event.Warning {
		t.Errorf("%+v %v", events, letters)
	}
}

func TestOneReplicaRemindsAndNobodyOfADisabledUser(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.person().signIn().key("build", "30")
	s.reminders()
	s.later(20 * oneDay)
	if err := s.redis.Client().Set(t.Context(), remindTurn, 1, 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.whole.h.remind(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.ledger.edit("alice", func(u *User) { u.Disabled = true })
	s.hourly(0)
	if events, letters := s.reminders(); len(events)+len(letters) != 0 {
		t.Errorf("%v %v", events, letters)
	}
	s.redis.Stop()
	if err := s.whole.h.remind(t.Context()); err == nil {
		t.Error("nobody hears that Redis is away")
	}
}

func TestManyKeysAreAllFound(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	now := s.now()
	for i := range 2*remindPage + 1 {
		c := Credential{ID: string(rune('a'+i%26)) + strings.Repeat("x", i/26), UserID: "u-1", Kind: KindAPIKey, Active: true, Expires: now.Add(30 * oneDay)}
		if err := s.ledger.AddCredentials(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	s.ledger.edit("alice", func(u *User) { u.Email = "" })
	s.hourly(20 * oneDay)
	if events, _ := s.reminders(); len(events) != 2*remindPage+1 {
		t.Errorf("%d of them", len(events))
	}
}

func TestTheAccountPageSaysWhichKeysEndSoonAndWhichHave(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.person().signIn().key("soon", "30")
	s.person().signIn().key("late", "90")
	s.later(20 * oneDay)
	page := s.person().signIn().get("/auth/account").text
	if !strings.Contains(page, "Your key soon ends on") || strings.Contains(page, "Your key late ends on") {
		t.Errorf("%s", page)
	}
	s.later(20 * oneDay)
	page = s.person().signIn().get("/auth/account").text
	if strings.Contains(page, "Your key soon ends on") || !strings.Contains(page, "<strong>ended ") {
		t.Errorf("%s", page)
	}
	if !strings.Contains(page, "scopes: read write") {
		t.Error("the keys are not listed")
	}
}
