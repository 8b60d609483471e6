package login

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// quiet fails if a letter with that text was sent; what has been begun is done
// before, since a letter of another kind comes after it.
func (s *site) quiet(text string) {
	s.t.Helper()
	for {
		select {
		case letter := <-s.mail.sent:
			if strings.Contains(letter, text) {
				s.t.Errorf("sent again: %s", letter)
			}
		default:
			return
		}
	}
}

// posted waits until no notice of an attempt is being sent, and delivered until no
// other mail is.
func (s *site) posted()    { s.t.Helper(); s.emptied(s.whole.h.posting) }
func (s *site) delivered() { s.t.Helper(); s.emptied(s.whole.h.letters) }

func (s *site) emptied(places chan struct{}) {
	s.t.Helper()
	ctx := s.t.Context()
	for range cap(places) {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			s.t.Fatal("mail is still being sent")
		}
	}
	for range cap(places) {
		<-places
	}
}

func TestAPersonHearsOfASignInFromANewDeviceAndOfAKnownOneNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const text = "from a device that it was not signed in from before"
	p := s.person().signIn()
	letter := s.letter(text)
	if !strings.HasPrefix(letter, "alice@example.com\n") || !strings.Contains(letter, "Device: Go-http-client") || !strings.Contains(letter, "Network: 192.0.2.0/24") {
		t.Errorf("%s", letter)
	}
	p.signIn() // with the cookie of the device
	s.person().signIn()
	s.posted()
	s.quiet(text) // it keeps no cookies, and looks the same
	s.person().do(http.MethodPost, "/auth/login", asJSON, jsonBody("alice", password), func(r *http.Request) { r.Header.Set("User-Agent", "another") })
	s.letter("Device: another")
}

func TestAPersonHearsOfAttemptsThatMayNotBeTheirs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for range manyFailed {
		s.person().enter("alice", "wrong password")
	}
	p := s.person().signIn()
	s.letter("after several wrong ones")
	p.enrol()
	s.later(time.Minute)
	q := s.person()
	q.mustBe(q.enter("alice", password), http.StatusSeeOther, "the first factor")
	for range 2 {
		q.mustBe(q.post("/auth/second-factor", "/auth/second-factor", "code", "000000"), http.StatusUnauthorized, "a wrong code")
	}
	s.letter("a wrong second one")
	for range 8 {
		s.person().enter("alice", "wrong password")
	}
	s.letter("further ones have to wait")
	s.posted()
	s.quiet("a wrong second one")
	if got := s.person().enter("nobody", "wrong password"); got.status != http.StatusUnauthorized {
		t.Errorf("%d", got.status)
	}
}

func TestANoticeThatWasNotTakenIsTriedAgainAndKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.mail.refuse.Store(true)
	s.person().signIn()
	s.posted()
	s.mail.refuse.Store(false)
	s.person().signIn()
	s.letter("from a device that it was not signed in from before")
	// All that can be under way are: the sign-in goes on, without.
	for range maxPosting {
		s.whole.h.posting <- struct{}{}
	}
	s.person().do(http.MethodPost, "/auth/login", asJSON, jsonBody("alice", password), func(r *http.Request) { r.Header.Set("User-Agent", "a third") })
	s.quiet("Device: a third")
}
