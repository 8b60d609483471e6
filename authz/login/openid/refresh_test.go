package openid

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"
)

// rewrite changes a pending sign-in where it lies.
func (g *gate) rewrite(t *testing.T, state string, change func(*pending)) {
	t.Helper()
	var p pending
	text, err := g.redis.Get(t.Context(), pendingKey(state)).Bytes()
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		t.Fatal(err)
	}
	change(&p)
	if text, err = json.Marshal(p); err == nil {
		err = g.redis.Set(t.Context(), pendingKey(state), text, PendingFor).Err()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// keeper is a Refresher with what it told.
type keeper struct {
	*Refresher
	*gate
	confirmed    []Identity
	ended        []error
	confirmError error
}

func newKeeper(t *testing.T) *keeper {
	t.Helper()
	k := &keeper{gate: newGate(t)}
	grants, err := NewGrants(k.redis, bytes.Repeat([]byte{1}, 32), k.clock)
	if err != nil {
		t.Fatal(err)
	}
	k.Refresher = &Refresher{
		Handler: func() *Handler { return k.gate.Handler }, Grants: grants,
		Every: func(string) time.Duration { return 10 * time.Minute }, MaxStale: func(string) time.Duration { return time.Hour }, Log: slog.New(slog.DiscardHandler),
		Confirmed: func(_ context.Context, _ Ref, who Identity) error {
			k.confirmed = append(k.confirmed, who)
			return k.confirmError
		},
		Ended: func(_ context.Context, _ Ref, why error) error {
			k.ended = append(k.ended, why)
			return nil
		},
	}
	return k
}

// begin signs somebody in whose session lives for a day.
func (k *keeper) begin(t *testing.T) outcome {
	t.Helper()
	got := k.signIn(t, k.browser(t), "")
	if got.err != nil {
		t.Fatal(got.err)
	}
	if err := k.Begin(t.Context(), got.who, got.token, Ref{UserID: "u", SessionID: "s"}, k.clock().Add(24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	return got
}

func (k *keeper) once(t *testing.T) (n int, err error) {
	t.Helper()
	return k.Once(t.Context())
}

func TestRolesThatWereTakenAwayAtTheProviderAreTakenAwayHere(t *testing.T) {
	t.Parallel()
	k := newKeeper(t)
	k.idp.SetRoles("admin")
	k.begin(t)
	if n, err := k.once(t); n != 0 || err != nil {
		t.Fatalf("before it is due: %d, %v", n, err)
	}
	k.idp.SetRoles("guest")
	for i := range 3 { // the provider replaces the refresh token each time
		k.pass(10 * time.Minute)
		if n, err := k.once(t); n != 1 || err != nil {
			t.Fatalf("refresh %d: %d, %v", i, n, err)
		}
	}
	if len(k.confirmed) != 3 || !slices.Equal(k.confirmed[0].Roles, []string{"guest"}) || len(k.ended) > 0 {
		t.Errorf("confirmed %+v, ended %v", k.confirmed, k.ended)
	}
}

func TestAnAccountThatIsClosedAtTheProviderEndsTheSession(t *testing.T) {
	t.Parallel()
	k := newKeeper(t)
	got := k.begin(t)
	if err := k.idp.Storage.TerminateSession(t.Context(), got.who.Subject, k.idp.ClientID); err != nil {
		t.Fatal(err)
	}
	k.pass(10 * time.Minute)
	if _, err := k.once(t); err != nil {
		t.Fatal(err)
	}
	if len(k.ended) != 1 {
		t.Fatalf("ended %v", k.ended)
	}
	expectFailure(t, k.ended[0], "grant_ended")
	k.pass(time.Hour)
	if n, _ := k.once(t); n != 0 {
		t.Error("it is asked about again")
	}
}

func TestAProviderThatIsSilentKeepsSessionsForAWhile(t *testing.T) {
	t.Parallel()
	k := newKeeper(t)
	k.begin(t)
	k.idp.SetAway(true)
	k.pass(10 * time.Minute)
	if _, err := k.once(t); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	if n, _ := k.once(t); n != 0 {
		t.Error("it is asked again at once")
	}
	if len(k.ended) > 0 {
		t.Fatal("ended at once")
	}
	k.pass(time.Hour)
	if _, err := k.once(t); err != nil || len(k.ended) != 1 || !strings.Contains(k.ended[0].Error(), "has not answered since") {
		t.Errorf("after its time: %v, %v", err, k.ended)
	}
}

func TestAProviderThatIsBackConfirmsTheSession(t *testing.T) {
	t.Parallel()
	k := newKeeper(t)
	k.begin(t)
	k.idp.SetAway(true)
	k.pass(10 * time.Minute)
	if _, err := k.once(t); err == nil {
		t.Fatal("no error")
	}
	k.idp.SetAway(false)
	k.pass(refreshRetry)
	if n, err := k.once(t); n != 1 || err != nil || len(k.confirmed) != 1 {
		t.Errorf("%d, %v, %v", n, err, k.confirmed)
	}
}

func TestASessionThatHasEndedIsAskedAboutNoMore(t *testing.T) {
	t.Parallel()
	k := newKeeper(t)
	k.confirmError = ErrEnded
	k.begin(t)
	k.pass(10 * time.Minute)
	if _, err := k.once(t); err != nil {
		t.Fatal(err)
	}
	k.pass(time.Hour)
	if n, _ := k.once(t); n != 0 {
		t.Error("asked again")
	}
}

func TestOneReplicaRefreshesAGrantAndAnotherTakesOverIfItDies(t *testing.T) {
	t.Parallel()
	k := newKeeper(t)
	k.begin(t)
	k.pass(10 * time.Minute)
	first, err := k.Grants.claim(t.Context(), 10)
	if err != nil || len(first) != 1 {
		t.Fatal(first, err)
	}
	if n, err := k.once(t); n != 0 || err != nil {
		t.Errorf("claimed twice: %d, %v", n, err)
	}
	k.pass(claimFor)
	if n, err := k.once(t); n != 1 || err != nil {
		t.Errorf("not taken over: %d, %v", n, err)
	}
}

func TestWhoReadsRedisReadsNoRefreshToken(t *testing.T) {
	t.Parallel()
	k := newKeeper(t)
	token := k.begin(t).token.RefreshToken
	for _, key := range k.redis.Keys(t.Context(), "gatehouse:openid:grant:*").Val() {
		if strings.Contains(k.redis.Get(t.Context(), key).Val(), token) {
			t.Error("it lies there in clear")
		}
	}
	other, err := NewGrants(k.redis, bytes.Repeat([]byte{2}, 32), k.clock)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.read(t.Context(), "s"); !errors.Is(err, errGone) {
		t.Errorf("another key: %v", err)
	}
}

func TestWithoutARefreshTokenNobodyIsAsked(t *testing.T) {
	t.Parallel()
	k := newKeeper(t)
	got := k.signIn(t, k.browser(t), "")
	got.token.RefreshToken = ""
	if err := k.Begin(t.Context(), got.who, got.token, Ref{UserID: "u", SessionID: "s"}, k.clock().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	k.pass(time.Hour)
	if n, err := k.once(t); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

func TestWithoutAConfigurationNobodyIsAskedAndNobodyEnded(t *testing.T) {
	t.Parallel()
	k := newKeeper(t)
	k.begin(t)
	k.pass(10 * time.Minute)
	k.Refresher.Handler = func() *Handler { return nil }
	if n, err := k.once(t); n != 0 || err != nil || len(k.ended) > 0 {
		t.Errorf("%d, %v, ended %v", n, err, k.ended)
	}
	k.Refresher.Handler = func() *Handler { return k.gate.Handler }
	if n, err := k.once(t); n != 1 || err != nil || len(k.confirmed) != 1 {
		t.Errorf("once it is known: %d, %v, %v", n, err, k.confirmed)
	}
}

func TestASessionIsFoundUnderTheNameThatItHasNow(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	links, who := NewLinks(g.redis, g.clock), Identity{Provider: "example", Subject: "s", SessionID: "sid"}
	if err := links.Enter(t.Context(), who, Ref{"u", "1"}, time.Hour); err != nil {
		t.Fatal(err)
	}
	for _, move := range [][2]string{{"1", "2"}, {"2", "3"}} {
		if err := links.Moved(t.Context(), Ref{"u", move[0]}, move[1], time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	refs, err := links.Find(t.Context(), "example", "s", "")
	if err != nil || len(refs) != 1 || refs[0] != (Ref{"u", "3"}) {
		t.Errorf("found %v, %v", refs, err)
	}
	for i := range 2 * maxMoves { // a circle, which nobody makes
		_ = links.Moved(t.Context(), Ref{"u", fmt.Sprint("c", i%2)}, fmt.Sprint("c", (i+1)%2), time.Hour)
	}
	if _, err := links.Current(t.Context(), Ref{"u", "c0"}); err != nil {
		t.Error(err)
	}
}
