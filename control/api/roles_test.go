package api

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/authz/event"
)

type empty struct{}

func nothing(context.Context, *empty) (*empty, error) { return &empty{}, nil }

// registerMatrix has one operation of each kind of right.
func registerMatrix(a huma.API) {
	huma.Register(a, Roles(operation("for-admin", http.MethodPost, "/v1/t/admin")), nothing)
	huma.Register(a, Roles(operation("for-dpo", http.MethodGet, "/v1/t/dpo"), DPO), nothing)
	huma.Register(a, Roles(operation("for-readers", http.MethodGet, "/v1/t/readers"), Auditor, Operator, DPO), nothing)
	huma.Register(a, Roles(operation("for-people", http.MethodGet, "/v1/t/people"), Subject), nothing)
	huma.Register(a, operation("forgotten", http.MethodGet, "/v1/t/forgotten"), nothing)
	huma.Register(a, Public(operation("for-all", http.MethodGet, "/v1/t/all")), nothing)
}

func TestEveryOperationIsOpenToItsRolesOnly(t *testing.T) {
	t.Parallel()
	g := newRig(t, nil, registerMatrix)
	const nobody Role = ""
	open := map[string][]Role{
		"POST /v1/t/admin":    {Admin},
		"GET /v1/t/dpo":       {Admin, DPO},
		"GET /v1/t/readers":   {Admin, DPO, Operator, Auditor},
		"GET /v1/t/people":    {Admin, Subject},
		"GET /v1/t/forgotten": {},
		"GET /v1/t/all":       {nobody, Admin, DPO, Operator, Auditor, Subject},
		"GET /v1/me":          {Admin, DPO, Operator, Auditor, Subject},
	}
	for what, roles := range open {
		method, path, _ := strings.Cut(what, " ")
		allowed := map[Role]bool{}
		for _, r := range roles {
			allowed[r] = true
		}
		for _, role := range append(AllRoles(), nobody) {
			by := map[string][]string{"token": {"Authorization", "Bearer " + g.tokens[role]}, "session": nil, "cookie": nil}
			if role == nobody {
				by = map[string][]string{"nothing": nil}
			} else {
				token := g.session(string(role))
				by["session"] = []string{"Authorization", "Bearer " + token}
				by["cookie"] = []string{"Cookie", "__Host-gatehouse=" + token, "Sec-Fetch-Site", "same-origin"}
			}
			for how, headers := range by {
				a := g.call(method, path, "", headers...)
				switch {
				case allowed[role] && a.Code < 300:
				case !allowed[role] && role == nobody:
					a.problem(http.StatusUnauthorized)
					if a.Header().Get("WWW-Authenticate") == "" {
						t.Errorf("%s: a 401 without a challenge", what)
					}
				case !allowed[role]:
					a.problem(http.StatusForbidden)
				default:
					t.Errorf("%s as %q by %s: %d %s", what, role, how, a.Code, a.Body)
				}
			}
		}
	}
}

func TestEveryCallIsAnEventThatNamesNobody(t *testing.T) {
	t.Parallel()
	g := newRig(t, nil, registerMatrix)
	g.as(DPO, http.MethodGet, "/v1/t/dpo?", "").want(http.StatusNoContent)
	e := g.events.last(event.OperatorAction)
	if e.Rule != "for-dpo" || e.Outcome != event.Success || e.Status != http.StatusNoContent || e.Detail["caller"] != "the-dpo" ||
		e.Detail["role"] != "dpo" || e.Subject != "" || !strings.HasPrefix(e.Client, "c:") || e.RequestID == "" || e.Path != "/v1/t/dpo" {
		t.Errorf("%+v", e)
	}
	g.call(http.MethodGet, "/v1/t/dpo", "", "Authorization", "Bearer "+g.session("operator")).problem(http.StatusForbidden)
	e = g.events.last(event.APIRefused)
	if e.Rule != "for-dpo" || e.Outcome != event.Deny || e.Reason != "role" || !strings.HasPrefix(e.Subject, "u:") ||
		e.Detail["caller"] != "" || e.Personal[event.PersonalName] != "operator" {
		t.Errorf("%+v", e)
	}
	g.call(http.MethodGet, "/v1/t/dpo", "").problem(http.StatusUnauthorized)
	if e = g.events.last(event.APIRefused); e.Reason != "no_credential" || e.Detail["role"] != "" {
		t.Errorf("%+v", e)
	}
}

func TestTheHighestRoleOfAPersonCounts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		names []string
		want  Role
	}{
		{[]string{"auditor", "dpo"}, DPO},
		{[]string{"subject", "admin", "operator"}, Admin},
		{[]string{"superuser"}, ""},
		{nil, ""},
	} {
		if got := highest(c.names); got != c.want {
			t.Errorf("%v: %q, want %q", c.names, got, c.want)
		}
	}
}
