package cli

import (
	"context"
	"os"
	"slices"
	"strings"

	authzpolicy "gatehouse/authz/policy"
	"gatehouse/control/policy"
	"gatehouse/control/posture"
	filterpolicy "gatehouse/filter/policy"
)

// routes finds, in the policy file, one route of each kind to ask; a flag says
// another.
func (f *postureFlags) routes(target *posture.Target, config string) error {
	if _, err := os.Stat(config); config != "" && err == nil {
		compiled, err := loadPolicy(config)
		if err != nil {
			return err
		}
		target.Routes = sampleRoutes(compiled)
		target.Alerts = policyRules{compiled}
	} else if f.config != "" {
		return wrong("read the policy file: %w", err)
	}
	r := &target.Routes
	for into, path := range map[*posture.Route]string{
		&r.Page: f.page, &r.Protected: f.protected, &r.Upload: f.upload, &r.ByIP: f.limit,
	} {
		if path == "" {
			continue
		}
		if !strings.HasPrefix(path, "/") {
			return misuse("%q is no path: write it with a / at its beginning", path)
		}
		*into = posture.Route{Path: path}
	}
	return nil
}

// policyRules are the alert rules of a policy file.
type policyRules struct{ compiled *policy.Compiled }

// Names implements posture.AlertRules.
func (r policyRules) Names(context.Context) ([]string, error) {
	names := make([]string, len(r.compiled.Alerts.Rules))
	for i, rule := range r.compiled.Alerts.Rules {
		names[i] = rule.Name
	}
	return names, nil
}

// sampleRoutes takes the first route of each kind that GET, or POST for
// uploads, reaches.
func sampleRoutes(c *policy.Compiled) posture.Routes {
	var found posture.Routes
	var limited posture.Route // a page whose budget should be left to others
	take := func(into *posture.Route, r policy.Route, ok bool) {
		if ok && into.Path == "" {
			*into = sample(r)
		}
	}
	for _, r := range c.Routes {
		decided, seen := c.Authz.Policies[r.Policy], c.Filter.Policies[r.Policy]
		open := decided.Session.Require != authzpolicy.SessionRequired
		get := allows(r, "GET")
		page := open && get && enforced(seen.Headers)
		take(&found.Page, r, page && len(decided.Limits) == 0)
		take(&limited, r, page)
		take(&found.Protected, r, get && !open && decided.Session.Mode != authzpolicy.Report && decided.Session.Mode != authzpolicy.Off)
		take(&found.Upload, r, open && allows(r, "POST") && takesPDF(seen.Uploads))
		take(&found.ByIP, r, open && get && limitedBy(decided, "ip"))
		take(&found.ByUser, r, get && limitedBy(decided, "user"))
		take(&found.CORS, r, open && get && seen.CORS != nil && seen.CORS.Mode != filterpolicy.Off)
	}
	if !found.Page.Known() {
		found.Page = limited
	}
	return found
}

func allows(r policy.Route, method string) bool {
	return len(r.Methods) == 0 || slices.Contains(r.Methods, method)
}

// sample is an address that the route matches.
func sample(r policy.Route) posture.Route {
	s := posture.Route{Path: r.Path}
	if s.Path == "" {
		s.Path = r.PathPrefix
	}
	if len(r.Hosts) > 0 {
		// A wildcard stands for any one name.
		s.Host = strings.Replace(r.Hosts[0], "*", "posture", 1)
	}
	return s
}

func enforced(h *filterpolicy.Headers) bool {
	return h != nil && h.Mode != filterpolicy.Off && h.Mode != filterpolicy.Report
}

func takesPDF(u *filterpolicy.Uploads) bool {
	return u != nil && u.Mode != filterpolicy.Off && slices.ContainsFunc(u.Allow, func(allowed string) bool {
		return allowed == "pdf" || allowed == "document"
	})
}

func limitedBy(p authzpolicy.Policy, key string) bool {
	return slices.ContainsFunc(p.Limits, func(l authzpolicy.Limit) bool {
		return l.Mode != authzpolicy.Off && slices.Contains(l.By, key)
	})
}
