package extauthz

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"gatehouse/authz/login"
	"gatehouse/authz/login/apikey"
)

// fakeKeys answers what a test says.
type fakeKeys struct {
	holder login.KeyHolder
	err    error
	asked  int
}

func (f *fakeKeys) Find(context.Context, string) (login.KeyHolder, error) {
	f.asked++
	return f.holder, f.err
}

const keyPolicy = `{"version": "v1", "default_policy": "people", "policies": {
  "people": {"session": {"require": "required"}},
  "machines": {"session": {"require": "required", "api_key_scope": "read"}},
  "maybe": {"session": {"require": "optional", "api_key_scope": "read"}}}}`

func TestAnAPIKeyOpensTheRoutesOfItsScopeAndNoOthers(t *testing.T) {
	t.Parallel()
	key := apikey.New()
	for name, c := range map[string]struct {
		policy string
		holder login.KeyHolder
		err    error
		more   map[string]string
		code   int
	}{
		"the scope of the route":          {"machines", login.KeyHolder{UserID: "u7", Scopes: []string{"read", "write"}}, nil, nil, 200},
		"another scope":                   {"machines", login.KeyHolder{UserID: "u7", Scopes: []string{"write"}}, nil, nil, 401},
		"no scope":                        {"machines", login.KeyHolder{UserID: "u7"}, nil, nil, 401},
		"a route that takes no keys":      {"people", login.KeyHolder{UserID: "u7", Scopes: []string{"read", ""}}, nil, nil, 401},
		"a key that is unknown":           {"machines", login.KeyHolder{}, login.ErrNoKey, nil, 401},
		"a store that is gone":            {"machines", login.KeyHolder{}, errors.New("gone"), nil, 503},
		"a session beside it":             {"machines", login.KeyHolder{UserID: "u7", Scopes: []string{"read"}}, nil, map[string]string{"cookie": login.CookieName + "=" + validToken}, 401},
		"optional, with the wrong scope":  {"maybe", login.KeyHolder{UserID: "u7"}, nil, nil, 200},
		"optional, and the store is gone": {"maybe", login.KeyHolder{}, errors.New("gone"), nil, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarnessWith(t, keyPolicy)
			h.o.Keys = &fakeKeys{holder: c.holder, err: c.err}
			headers := map[string]string{"authorization": "Bearer " + key}
			for n, v := range c.more {
				headers[n] = v
			}
			got := h.check(t, ask{policy: c.policy, headers: headers})
			if got.code != c.code {
				t.Errorf("code %d, want %d", got.code, c.code)
			}
			if got.code == http.StatusOK && !slices.Contains(got.GetOkResponse().GetHeadersToRemove(), "authorization") {
				t.Error("the key is sent on")
			}
			if len(h.sessions.asked) != 0 {
				t.Error("an API key was looked up as a session")
			}
		})
	}
}

func TestWithoutAStoreOfKeysNoneOpensAnything(t *testing.T) {
	t.Parallel()
	h := newHarnessWith(t, keyPolicy)
	got := h.check(t, ask{policy: "machines", headers: map[string]string{"authorization": "bearer " + strings.Repeat(" ", 2) + apikey.New()}})
	if got.code != http.StatusUnauthorized {
		t.Errorf("code %d", got.code)
	}
}

func TestAKeysScopesAndItsOwnersRolesOpenWhatAsksForThem(t *testing.T) {
	t.Parallel()
	const asking = `{"version": "v1", "default_policy": "scoped", "policies": {
  "scoped": {"session": {"require": "required", "api_key_scope": "read", "scopes": ["orders"]}},
  "staff": {"session": {"require": "required", "api_key_scope": "read", "roles": ["staff"]}},
  "twice": {"session": {"require": "required", "api_key_scope": "read", "second_factor": true}}}}`
	for name, c := range map[string]struct {
		policy string
		holder login.KeyHolder
		code   int
	}{
		"the scopes":           {"scoped", login.KeyHolder{UserID: "u7", Scopes: []string{"read", "orders"}}, 200},
		"a scope less":         {"scoped", login.KeyHolder{UserID: "u7", Scopes: []string{"read"}}, 403},
		"the owner's role":     {"staff", login.KeyHolder{UserID: "u7", Scopes: []string{"read"}, Roles: []string{"staff"}}, 200},
		"an owner without it":  {"staff", login.KeyHolder{UserID: "u7", Scopes: []string{"read", "staff"}}, 403},
		"a key has no factors": {"twice", login.KeyHolder{UserID: "u7", Scopes: []string{"read"}}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarnessWith(t, asking)
			h.o.Keys = &fakeKeys{holder: c.holder}
			got := h.check(t, ask{policy: c.policy, headers: map[string]string{"authorization": "Bearer " + apikey.New()}})
			if got.code != c.code {
				t.Errorf("status %d, want %d", got.code, c.code)
			}
		})
	}
}
