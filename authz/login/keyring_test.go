package login

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/event"
	"gatehouse/authz/login/apikey"
)

func TestAKeyIsMadeOnTheAccountPageShownOnceAndFoundByItsHash(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.person().signIn()
	for name, fields := range map[string][]string{
		"no days": {"days", "0"}, "too many days": {"days", "366"}, "no number": {"days", "x"}, "no scope": {"days", "9", "scopes", `a"b`},
	} {
		p.mustBe(p.post("/auth/account", "/auth/account/keys/add", append(fields, "label", "x")...), http.StatusUnprocessableEntity, name)
	}
	s.events.take()
	made := p.mustBe(p.post("/auth/account", "/auth/account/keys/add", "label", "build <server>", "scopes", "write read", "days", "30"), http.StatusOK, "make one")
	key := listItem.FindStringSubmatch(made.text)[1]
	if !apikey.Is(key) || !s.told(event.UserChanged, "api_key_added") {
		t.Fatal(made.text)
	}
	account := p.get("/auth/account")
	if strings.Contains(account.text, key) || !strings.Contains(account.text, "build &lt;server&gt;") || !strings.Contains(account.text, "scopes: read write") {
		t.Error(account.text)
	}
	ring := NewKeyring(s.ledger, s.now)
	holder, err := ring.Find(t.Context(), key)
	if err != nil || holder.UserID != "u-1" || !holder.Has("read") || holder.Has("admin") || holder.Has("") {
		t.Errorf("%+v %v", holder, err)
	}
	if kept := s.ledger.kept[0]; kept.Lookup == key || strings.Contains(kept.Data, key) || kept.Used.IsZero() {
		t.Errorf("%+v", kept)
	}
	p.mustBe(p.post("/auth/account", "/auth/account/keys/remove", "id", s.ledger.kept[0].ID), http.StatusSeeOther, "remove it")
	s.later(KeyMemory)
	if _, err := ring.Find(t.Context(), key); !errors.Is(err, ErrNoKey) {
		t.Errorf("removed: %v", err)
	}
}

func TestAKeyIsOfNoUseAfterItsTimeOrItsOwners(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*site){
		"expired": func(s *site) { s.later(time.Hour) }, "disabled": func(s *site) {
			s.ledger.edit("alice", func(u *User) { u.Disabled = true })
			s.later(KeyMemory)
		}, "gone": func(s *site) { delete(s.ledger.users, "alice"); s.later(KeyMemory) },
	} {
		s := bareSite(t)
		key := apikey.New()
		if err := s.ledger.AddCredentials(t.Context(), Credential{ID: "k", UserID: "u-1", Kind: KindAPIKey, Lookup: apikey.Hash(key), Active: true, Expires: s.now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		ring := NewKeyring(s.ledger, s.now)
		if _, err := ring.Find(t.Context(), key); err != nil {
			t.Errorf("%s, before: %v", name, err)
		}
		end(s)
		if _, err := ring.Find(t.Context(), key); !errors.Is(err, ErrNoKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAStoreThatIsGoneIsNoAnswerAboutAKey(t *testing.T) {
	t.Parallel()
	s := bareSite(t)
	s.ledger.gone = errors.New("gone")
	ring := NewKeyring(s.ledger, s.now)
	if _, err := ring.Find(t.Context(), apikey.New()); err == nil || errors.Is(err, ErrNoKey) {
		t.Error(err)
	}
	if _, err := ring.Find(t.Context(), apikey.Prefix+"mistyped"); !errors.Is(err, ErrNoKey) {
		t.Error("the store was asked about a text that is no key:", err)
	}
}

func TestAFloodOfInventedKeysCostsNoMemory(t *testing.T) {
	t.Parallel()
	s := bareSite(t)
	ring := NewKeyring(s.ledger, s.now)
	for range maxRemembered + 10 {
		if _, err := ring.Find(t.Context(), apikey.New()); !errors.Is(err, ErrNoKey) {
			t.Fatal(err)
		}
	}
	if len(ring.known) > maxRemembered {
		t.Errorf("%d are remembered", len(ring.known))
	}
}
