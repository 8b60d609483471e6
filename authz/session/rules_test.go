package session

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

// devices signs alice in so many times, a millisecond apart.
func (h *house) devices(n int, limit Cap) []string {
	h.t.Helper()
	tokens := make([]string, n)
	for i := range tokens {
		grant := usual
		grant.Cap = limit
		tokens[i], _ = h.signIn(alice, grant)
		h.advance(time.Millisecond)
	}
	return tokens
}

func TestBeyondTheCapTheOldestMakeRoom(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	tokens := h.devices(3, Cap{Sessions: 3})
	opened, err := h.Open(t.Context(), alice, Grant{Idle: time.Hour, Absolute: time.Hour, Cap: Cap{Sessions: 2}})
	if err != nil || len(opened.CrowdedOut) != 2 {
		t.Fatalf("%+v, %v", opened, err)
	}
	h.expect(tokens[0], Demand{}, ErrCrowdedOut)
	h.expect(tokens[1], Demand{}, ErrCrowdedOut)
	h.expect(tokens[2], Demand{}, nil)
	h.expect(opened.Token, Demand{}, nil)
	theirs, _ := h.signIn(bob, usual)
	h.expect(theirs, Demand{}, nil)
}

func TestACapThatRefusesLetsNobodyMoreInUntilOneLeaves(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*house, string){
		"signs out":      func(h *house, token string) { _, _ = h.Revoke(h.t.Context(), token) },
		"is idle":        func(h *house, _ string) { h.advance(usual.Idle) },
		"all are ended":  func(h *house, _ string) { _, _ = h.RevokeAll(h.t.Context(), alice.ID) },
		"all of all are": func(h *house, _ string) { _ = h.RevokeEverything(h.t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			limit := Cap{Sessions: 2, Overflow: Refuse}
			tokens := h.devices(2, limit)
			grant := usual
			grant.Cap = limit
			if _, _, err := h.Create(t.Context(), alice, grant); !errors.Is(err, ErrFull) {
				t.Fatalf("a third: %v", err)
			}
			h.expect(tokens[0], Demand{}, nil)
			leave(h, tokens[0])
			h.signIn(alice, grant)
		})
	}
}

func TestAPolicyAdmitsSoManySessionsOfAUser(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	tokens := h.devices(3, Cap{})
	for name, test := range map[string]struct {
		limit Cap
		want  [3]bool
	}{
		"the newest":      {Cap{2, OldestOut}, [3]bool{false, true, true}},
		"the first":       {Cap{2, Refuse}, [3]bool{true, true, false}},
		"all there are":   {Cap{3, Refuse}, [3]bool{true, true, true}},
		"without a cap":   {Cap{}, [3]bool{true, true, true}},
		"the newest only": {Cap{1, OldestOut}, [3]bool{false, false, true}},
	} {
		for i, admitted := range test.want {
			_, err := h.Lookup(t.Context(), tokens[i], Demand{Cap: test.limit})
			if (err == nil) != admitted || err != nil && !errors.Is(err, ErrDemandCap) {
				t.Errorf("%s: session %d: %v", name, i, err)
			}
		}
	}
	if _, err := h.Revoke(t.Context(), tokens[2]); err != nil {
		t.Fatal(err)
	}
	h.expect(tokens[0], Demand{Cap: Cap{2, OldestOut}}, nil)
}

func TestARotatedTokenIsGoodForTheGraceOnly(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	grant := usual
	grant.AMR, grant.Device, grant.Network = []string{"pwd"}, "Firefox on Linux", "192.0.2.0/24"
	old, before := h.signIn(alice, grant)
	h.advance(time.Minute)
	token, s, err := h.Rotate(t.Context(), old, Change{AMR: []string{"pwd", "otp"}, Grace: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if s.ID == before.ID || s.Device != grant.Device || s.Network != grant.Network || !s.Created.Equal(before.Created) ||
		!s.AuthTime.Equal(h.clock()) || strings.Join(s.AMR, " ") != "pwd otp" {
		t.Errorf("%+v", s)
	}
	if found := h.expect(old, Demand{}, nil); !found.Rotated || strings.Join(found.AMR, " ") != "pwd" {
		t.Errorf("within the grace the old one has %v", found.AMR)
	}
	if _, _, err := h.Rotate(t.Context(), old, Change{}); !errors.Is(err, ErrReplaced) {
		t.Errorf("rotated a second time: %v", err)
	}
	h.advance(5*time.Second - time.Millisecond)
	h.expect(old, Demand{}, nil)
	h.advance(time.Millisecond)
	if found := h.expect(old, Demand{}, ErrReplaced); found.User.ID != alice.ID {
		t.Errorf("it is not told whose it was: %+v", found)
	}
	h.expect(token, Demand{}, nil)
	if list, err := h.List(t.Context(), alice.ID); err != nil || len(list) != 1 || list[0].ID != s.ID {
		t.Errorf("listed %+v, %v", list, err)
	}
}

// What a page has under way when its token is replaced passes, however it falls.
func TestRequestsUnderWayPassWhileATokenIsReplaced(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	old, _ := h.signIn(alice, usual)
	begun := make(chan struct{})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 100 {
				if i == 0 && n == 20 {
					close(begun)
				}
				if s, err := h.Lookup(t.Context(), old, Demand{}); err != nil || s.User.ID != alice.ID {
					t.Errorf("request %d: %v", n, err)
					return
				}
			}
		})
	}
	<-begun
	token, _, err := h.Rotate(t.Context(), old, Change{})
	all.Wait()
	if err != nil {
		t.Fatal(err)
	}
	h.expect(token, Demand{}, nil)
	h.advance(DefaultGrace)
	h.expect(old, Demand{}, ErrReplaced)
}

func TestASessionEndsWithAllItsTokens(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*house, []string) error{
		"by its newest": func(h *house, tokens []string) error { _, err := h.Revoke(h.t.Context(), tokens[2]); return err },
		"by its oldest": func(h *house, tokens []string) error { _, err := h.Revoke(h.t.Context(), tokens[0]); return err },
		"by the user":   func(h *house, _ []string) error { _, err := h.RevokeAll(h.t.Context(), alice.ID); return err },
		"by everybody":  func(h *house, _ []string) error { return h.RevokeEverything(h.t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			other, _ := h.signIn(bob, usual)
			first, _ := h.signIn(alice, usual)
			tokens := []string{first}
			for range 2 {
				next, _, err := h.Rotate(t.Context(), tokens[len(tokens)-1], Change{})
				if err != nil {
					t.Fatal(err)
				}
				tokens = append(tokens, next)
			}
			if err := end(h, tokens); err != nil {
				t.Fatal(err)
			}
			for _, token := range tokens {
				h.expect(token, Demand{}, ErrRevoked)
			}
			if name != "by everybody" {
				h.expect(other, Demand{}, nil)
			}
		})
	}
}

func TestARetiredSessionEndsAfterTheGrace(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	token, _ := h.signIn(alice, usual)
	if _, err := h.Retire(t.Context(), token, 2*time.Second); err != nil {
		t.Fatal(err)
	}
	h.expect(token, Demand{}, nil)
	h.advance(2 * time.Second)
	h.expect(token, Demand{}, ErrReplaced)
	again, _ := h.signIn(alice, usual)
	if _, err := h.Retire(t.Context(), again, -1); err != nil {
		t.Fatal(err)
	}
	h.expect(again, Demand{}, ErrReplaced)
}

func TestABoundSessionIsOneClients(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	mine := Client{Certificate: "Hash=1", Fingerprint: "Firefox on Linux"}
	for name, test := range map[string]struct {
		bind   Binding
		client Client
		want   error
	}{
		"the certificate it was given to":    {BindCertificate, mine, nil},
		"the same in another browser":        {BindCertificate, Client{"Hash=1", "curl on other"}, nil},
		"another certificate":                {BindCertificate, Client{"Hash=2", mine.Fingerprint}, ErrBound},
		"no certificate":                     {BindCertificate, Client{"", mine.Fingerprint}, ErrBound},
		"a fingerprint equal to certificate": {BindCertificate, Client{"", mine.Certificate}, ErrBound},
		"the browser it was given to":        {BindFingerprint, Client{"", mine.Fingerprint}, nil},
		"another browser":                    {BindFingerprint, Client{"", "curl on other"}, ErrBound},
		"anybody where it is not bound":      {BindNone, Client{}, nil},
	} {
		grant := usual
		grant.Bind, grant.Client = test.bind, mine
		token, s := h.signIn(User{ID: name}, grant)
		if s.Bound != test.bind {
			t.Errorf("%s: bound by %q", name, s.Bound)
		}
		h.expect(token, Demand{Client: test.client}, test.want)
		next, _, err := h.Rotate(t.Context(), token, Change{})
		if err != nil {
			t.Fatal(err)
		}
		h.expect(next, Demand{Client: test.client}, test.want)
		h.expect(token, Demand{Client: test.client}, test.want)
	}
}

func TestAllOthersEndAndThePersonStays(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	tokens := h.devices(4, Cap{})
	ended, err := h.RevokeOthers(t.Context(), tokens[1])
	if err != nil || len(ended) != 3 {
		t.Fatalf("%d ended, %v", len(ended), err)
	}
	for i, token := range tokens {
		if i == 1 {
			h.expect(token, Demand{}, nil)
		} else {
			h.expect(token, Demand{}, ErrRevoked)
		}
	}
	later, _ := h.signIn(alice, usual)
	h.expect(later, Demand{}, nil)
	if _, err := h.RevokeOthers(t.Context(), tokens[0]); !errors.Is(err, ErrInvalid) {
		t.Errorf("by a token that has ended: %v", err)
	}
	h.expect(later, Demand{}, nil)
}

func TestATenantsSessionsEndTogether(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ann, ben := User{ID: "a", Tenant: "blue"}, User{ID: "b", Tenant: "red"}
	blue, _ := h.signIn(ann, usual)
	red, _ := h.signIn(ben, usual)
	none, _ := h.signIn(bob, usual)
	if err := h.RevokeTenant(t.Context(), "blue"); err != nil {
		t.Fatal(err)
	}
	h.expect(blue, Demand{}, ErrRevoked)
	h.expect(red, Demand{}, nil)
	h.expect(none, Demand{}, nil)
	if list, err := h.List(t.Context(), ann.ID); err != nil || len(list) != 0 {
		t.Errorf("listed %+v, %v", list, err)
	}
	again, _ := h.signIn(ann, usual)
	h.expect(again, Demand{}, nil)
	if err := h.RevokeTenant(t.Context(), ""); !errors.Is(err, ErrGrant) {
		t.Errorf("no tenant: %v", err)
	}
}

func TestAnEpochEndsEverything(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	if at, err := h.Epoch(t.Context()); err != nil || !at.IsZero() {
		t.Errorf("before the first: %s, %v", at, err)
	}
	mine, _ := h.signIn(alice, usual)
	theirs, _ := h.signIn(User{ID: "a", Tenant: "blue"}, usual)
	if err := h.RevokeEverything(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.expect(mine, Demand{}, ErrRevoked)
	h.expect(theirs, Demand{}, ErrRevoked)
	again, _ := h.signIn(alice, usual)
	h.expect(again, Demand{}, nil)
	if at, err := h.Epoch(t.Context()); err != nil || time.Since(at) > time.Minute {
		t.Errorf("the epoch is %s, %v", at, err)
	}
}

func TestTwoUsersOfOneHandleAreRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	token, _ := h.signIn(alice, usual)
	// A handle is 72 bits of a hash: it is made up here.
	if err := h.client.HSet(t.Context(), keyOf(Handle(bob.ID)), "u", alice.ID).Err(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.Create(t.Context(), bob, usual); !errors.Is(err, ErrUnavailable) {
		t.Errorf("%v", err)
	}
	h.expect(token, Demand{}, nil)
}

func TestARecordIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]record{
		"plain": {created: 1764000000123, seen: 1764000001123, absolute: 1798560000000, idle: MaxAbsolute.Milliseconds(), auth: 1, born: 1764000000999, rights: "pwd otp"},
		"bound": {created: 1, flags: flagBound, bound: bind(BindFingerprint, Client{Fingerprint: "x"})},
		"zero":  {},
	} {
		if got, err := decode(r.encode()); err != nil || got != r {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(record{rights: "pwd"}.encode())
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := decode(text); err != nil && !errors.Is(err, errDamaged) {
			t.Errorf("%v", err)
		}
	})
}

func TestAnAgentIsNamedCoarsely(t *testing.T) {
	t.Parallel()
	for agent, want := range map[string]string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0":                                                                  "Firefox on Linux",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0":               "Edge on Windows",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1": "Safari on iOS",
		"Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36":                            "Chrome on Android",
		"curl/8.5.0": "curl on other",
		"":           "other on other",
	} {
		if got := Agent(agent); got != want {
			t.Errorf("%q is %q, want %q", agent, got, want)
		}
	}
}
