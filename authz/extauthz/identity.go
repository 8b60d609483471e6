package extauthz

import (
	"strconv"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"gatehouse/authz/assertion"
	"gatehouse/authz/policy"
	"gatehouse/filter/verdict"
)

// introduce writes what tells the upstream whose the request is. An assertion
// that cannot be made refuses: the upstream relies on it.
func (s *Service) introduce(p *policy.Compiled, r *request, j *judgement) {
	if j.subject == "" {
		return
	}
	age := max(0, s.o.Now().Sub(j.session.Created))
	j.identity = append(make([]*corev3.HeaderValueOption, 0, 5),
		overwrite(subjectHeader, fieldSafe(j.subject)),
		overwrite(ageHeader, strconv.FormatInt(int64(age/time.Second), 10)))
	if len(j.session.Roles) > 0 {
		j.identity = append(j.identity, overwrite(rolesHeader, rolesField(j.session.Roles)))
	}
	if s.o.Assertions == nil {
		return
	}
	token, err := s.o.Assertions.Sign(assertion.Claims{
		Subject: j.subject, SessionID: j.session.ID, Audience: audience(p, r), AuthTime: j.session.AuthTime, AMR: j.session.AMR,
		Roles: j.session.Roles, Scopes: j.session.Scopes,
	})
	if err != nil {
		j.refuse(outcome{
			problem: verdict.CheckUnavailable, feature: featureSession, rule: ruleAssertionFailed, reason: err.Error(),
		})
		return
	}
	j.identity = append(j.identity, overwrite(assertionHeader, token))
}

// rolesField is a list whose separator stands in no role.
func rolesField(roles []string) string {
	safe := make([]string, len(roles))
	for i, role := range roles {
		safe[i] = strings.ReplaceAll(fieldSafe(role), ",", "%2C")
	}
	return strings.Join(safe, ",")
}

// audience is who is to believe the assertion: the one that the policy names,
// else the route's upstream, else who goes by the policy's name.
func audience(p *policy.Compiled, r *request) string {
	switch {
	case p.Session.Audience != "":
		return p.Session.Audience
	case r.audience != "":
		return r.audience
	default:
		return p.Name
	}
}
