package login

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/event"
	"gatehouse/authz/login/openid"
)

// instant is a point on the way of a sign-in: before, or right after, sign-in sends Redis
// the first command that names it.
type instant struct {
	command, key string
	after        bool
}

// meddler does something once, at an instant.
type meddler struct {
	at   instant
	what func()
	once sync.Once
}

func (m *meddler) DialHook(next redis.DialHook) redis.DialHook { return next }

func (m *meddler) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		return m.around([]redis.Cmder{cmd}, func() error { return next(ctx, cmd) })
	}
}

func (m *meddler) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		return m.around(cmds, func() error { return next(ctx, cmds) })
	}
}

func (m *meddler) around(cmds []redis.Cmder, next func() error) error {
	here := false
	for _, cmd := range cmds {
		here = here || cmd.Name() == m.at.command && strings.Contains(fmt.Sprint(cmd.Args()), m.at.key)
	}
	if here && !m.at.after {
		m.once.Do(m.what)
	}
	err := next()
	if here && m.at.after {
		m.once.Do(m.what)
	}
	return err
}

// Somebody is signed out at their provider while they sign in here by it: whenever that is,
// no session is left of it, and nobody gets a token.
func TestASignOutAtTheProviderEndsASignInThatIsUnderWay(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]instant{
		"when the browser comes back, before the code is redeemed": {"getdel", "openid:pending:", false},
		"when the session is made and no sign-out finds it":        {"zadd", "openid:sid:", false},
		"when the session can be found and is not yet answered":    {"zadd", "openid:sid:", true},
	} {
		for whom, claims := range map[string]map[string]any{
			"their session": {"sid": "provider-session-1"}, "all that is theirs": {"sub": "id1"},
		} {
			t.Run(name+", "+whom, func(t *testing.T) {
				t.Parallel()
				a := newAbroad(t)
				a.client.AddHook(&meddler{at: at, what: func() {
					if status := a.signOutThere(claims); status != http.StatusOK {
						t.Errorf("the sign-out: %d", status)
					}
				}})
				p := a.person()
				a.isTurnedAway(p, a.goes(p, ""))
				a.later(time.Second)
				a.goes(p, "")
				p.mustHave() // in a sign-in that began after the sign-out
			})
		}
	}
}

func (a *abroad) isTurnedAway(p *person, got answered) {
	a.t.Helper()
	if got.status != http.StatusUnauthorized || !strings.Contains(got.text, "Signing in there did not work") {
		a.t.Errorf("%d to %q: %s", got.status, got.location, got.text)
	}
	if s, err := p.session(); err == nil {
		a.t.Errorf("signed in: %+v", s)
	}
	for _, key := range a.client.Keys(a.t.Context(), "gatehouse:openid:grant:*").Val() {
		a.t.Errorf("the provider is asked about them again: %s", key)
	}
	for _, u := range a.ledger.users {
		if live, err := a.sessions.List(a.t.Context(), u.ID); err != nil || len(live) != 0 {
			a.t.Errorf("sessions %+v, %v", live, err)
		}
	}
	reasons := ""
	for _, e := range a.events.take() {
		if e.Type == event.AuthenticationAttempt {
			reasons += string(e.Outcome) + " " + e.Reason + ";"
		}
	}
	if reasons != string(event.Failure)+" "+string(ReasonSignedOut)+";" {
		a.t.Errorf("events: %s", reasons)
	}
}

func TestASignOutAtTheProviderEndsASignInThatWaitsForItsSecondFactor(t *testing.T) {
	t.Parallel()
	a := newAbroad(t)
	p := a.person()
	a.goes(p, "?step_up=recent_sign_in")
	secret, _ := p.enrol()
	a.later(time.Minute)
	if _, err := a.sessions.RevokeAll(t.Context(), p.mustHave().User.ID); err != nil {
		t.Fatal(err)
	}
	other := a.person()
	other.mustBe(a.goes(other, ""), http.StatusOK, "asked for the factor")
	if status := a.signOutThere(map[string]any{"sid": "provider-session-1"}); status != http.StatusOK {
		t.Fatalf("the sign-out: %d", status)
	}
	a.events.take()
	a.client.Del(t.Context(), a.client.Keys(t.Context(), "gatehouse:openid:grant:*").Val()...) // of the session before
	a.isTurnedAway(other, other.post("/auth/second-factor", "/auth/second-factor", "code", a.code(secret)))
}

func TestASignOutIsRememberedForAsLongAsASignInMayTake(t *testing.T) {
	t.Parallel()
	if longest := openid.PendingFor + pendingLife + time.Minute; openid.SignOutKept < longest {
		t.Errorf("a sign-in may take %s, and a sign-out is forgotten after %s", longest, openid.SignOutKept)
	}
	a := newAbroad(t)
	a.signOutThere(map[string]any{"sub": "id1"})
	a.signOutThere(map[string]any{"sid": "provider-session-1"})
	keys := a.client.Keys(t.Context(), "gatehouse:openid:out:*").Val()
	if len(keys) != 2 {
		t.Errorf("%q", keys)
	}
	for _, key := range keys {
		if ttl := a.client.TTL(t.Context(), key).Val(); ttl <= openid.SignOutKept-time.Minute || ttl > openid.SignOutKept {
			t.Errorf("%s is kept for %s", key, ttl)
		}
	}
}

func TestASignInWithoutAnAnswerAboutSignOutsLeavesNoSession(t *testing.T) {
	t.Parallel()
	a := newAbroad(t)
	p := a.person()
	a.client.AddHook(&meddler{at: instant{"zadd", "openid:sid:", true}, what: func() {
		// The next question fails: its key is of another type.
		key := "gatehouse:openid:out:sub:"
		a.signOutThere(map[string]any{"sub": "id1"})
		for _, k := range a.client.Keys(t.Context(), key+"*").Val() {
			a.client.Del(t.Context(), k)
			a.client.LPush(t.Context(), k, "x")
		}
	}})
	got := a.goes(p, "")
	if got.status != http.StatusServiceUnavailable {
		t.Errorf("%d %s", got.status, got.text)
	}
	if s, err := p.session(); err == nil {
		t.Errorf("signed in: %+v", s)
	}
}
