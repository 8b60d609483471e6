package session

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRolesAndScopesAreKeptWithTheSession(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		grant Grant
		after []string // the roles that a rotation gives; nil keeps
	}{
		"none":                 {grant: Grant{AMR: []string{"pwd"}}},
		"roles":                {grant: Grant{AMR: []string{"pwd", "otp"}, Roles: []string{"admin", "on call, at night"}}},
		"scopes alone":         {grant: Grant{Scopes: []string{"orders:read"}}},
		"both, with a binding": {grant: Grant{AMR: []string{"pwd"}, Roles: []string{"a"}, Scopes: []string{"b", "c"}, Bind: BindFingerprint, Client: Client{Fingerprint: "x"}}, after: []string{"z"}},
		"taken away":           {grant: Grant{AMR: []string{"pwd"}, Roles: []string{"a"}, Scopes: []string{"b"}}, after: []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			test.grant.Idle, test.grant.Absolute = time.Hour, 2*time.Hour
			demand := Demand{Client: test.grant.Client}
			token, s := h.signIn(User{ID: "u-1"}, test.grant)
			expect := func(s Session, roles []string) {
				t.Helper()
				if !slices.Equal(s.AMR, test.grant.AMR) || !slices.Equal(s.Roles, roles) || !slices.Equal(s.Scopes, test.grant.Scopes) {
					t.Errorf("methods %q, roles %q, scopes %q", s.AMR, s.Roles, s.Scopes)
				}
			}
			expect(s, test.grant.Roles)
			expect(h.expect(token, demand, nil), test.grant.Roles)
			next, rotated, err := h.Rotate(t.Context(), token, Change{Roles: test.after})
			if err != nil {
				t.Fatal(err)
			}
			want := test.grant.Roles
			if test.after != nil {
				want = test.after
			}
			expect(rotated, want)
			expect(h.expect(next, demand, nil), want)
			expect(h.expect(token, demand, nil), test.grant.Roles) // the rights that it had, within the grace
			if s, err = h.SetRoles(t.Context(), "u-1", rotated.ID, []string{"new"}); err != nil {
				t.Fatal(err)
			}
			expect(s, []string{"new"})
			expect(h.expect(next, demand, nil), []string{"new"})
			expect(h.expect(token, demand, nil), []string{"new"}) // what is taken away is taken from all of its tokens
			if _, err := h.SetRoles(t.Context(), "u-1", rotated.ID, nil); err != nil {
				t.Fatal(err)
			}
			expect(h.expect(next, demand, nil), nil)
			if h.expect(next, demand, nil).Bound != test.grant.Bind {
				t.Error("the binding is lost")
			}
		})
	}
}

func TestRolesOfASessionThatHasEndedCannotBeSet(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	token, s := h.signIn(User{ID: "u-1"}, Grant{Idle: time.Hour, Absolute: time.Hour})
	next, _, err := h.Rotate(t.Context(), token, Change{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.SetRoles(t.Context(), "u-1", s.ID, []string{"a"}); !errors.Is(err, ErrReplaced) {
		t.Errorf("of a replaced one: %v", err)
	}
	ended, err := h.Revoke(t.Context(), next)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{ended.ID, "0011223344556677", "nonsense"} {
		if _, err := h.SetRoles(t.Context(), "u-1", id, []string{"a"}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestRightsAreBounded(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for name, list := range map[string][]string{
		"empty": {""}, "a tab": {"a\tb"}, "a line break": {"a\nb"}, "not UTF-8": {"\xff"}, "too many": slices.Repeat([]string{strings.Repeat("r", 99)}, 11),
	} {
		for _, grant := range []Grant{{Roles: list}, {Scopes: list}} {
			grant.Idle, grant.Absolute = time.Hour, time.Hour
			if _, _, err := h.Create(t.Context(), User{ID: "u"}, grant); !errors.Is(err, ErrGrant) {
				t.Errorf("%s: %v", name, err)
			}
		}
		fit, left := Fitting(list)
		if err := flawOf("role", fit); err != nil || left == 0 {
			t.Errorf("%s: fit %q, %d left, %v", name, fit, left, err)
		}
	}
}

func TestARotationCanBeginTheLimitsAnew(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	token, s := h.signIn(User{ID: "u-1"}, Grant{Idle: time.Hour, Absolute: 2 * time.Hour})
	h.advance(30 * time.Minute)
	next, rotated, err := h.Rotate(t.Context(), token, Change{Idle: 2 * time.Hour, Absolute: 3 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if got := rotated.Expires.Sub(s.Expires); got != 90*time.Minute || rotated.Idle != 2*time.Hour {
		t.Errorf("lives %s longer, idle %s", got, rotated.Idle)
	}
	h.advance(110 * time.Minute)
	h.expect(next, Demand{}, nil)
	if _, _, err := h.Rotate(t.Context(), next, Change{Idle: time.Hour, Absolute: time.Minute}); !errors.Is(err, ErrGrant) {
		t.Errorf("impossible limits: %v", err)
	}
}
