package policy

import (
	"net/http"
	"strings"

	"gatehouse/filter/headers"
	filterpolicy "gatehouse/filter/policy"
)

// HeaderFinding is one response header, or a part of one. A nil From means
// built in.
type HeaderFinding struct {
	Name    string `json:"name"`
	Value   string `json:"value,omitempty"`
	Because string `json:"because,omitempty"`
	// Layer is who wrote it: "policy base", "extends base" or "route api".
	Layer string `json:"layer,omitempty"`
	// Existing is keep or merge where the upstream's own is not replaced.
	Existing string `json:"existing,omitempty"`
	From     *Place `json:"from,omitempty"`
	// Parts are the directives of a Content-Security-Policy.
	Parts []HeaderFinding `json:"parts,omitempty"`
}

func (c *Compiled) explainHeaders(e *Explanation, p *filterpolicy.Compiled) {
	if p.Headers == nil || p.HeadersReport {
		return
	}
	x := headerExplainer{c: c, policy: e.Policy, config: c.Filter.Policies[e.Policy].Headers}
	for _, h := range p.Headers.Headers() {
		if h.TLSOnly && !e.TLS {
			continue
		}
		e.Headers = append(e.Headers, x.header(p.Headers, h))
	}
	for _, name := range p.Headers.Removed() {
		e.Removed = append(e.Removed, x.written("headers.remove=", HeaderFinding{Name: name}))
	}
	if rules := p.Headers.CookieRules(); rules != "" {
		f := x.preset(HeaderFinding{Name: "set-cookie", Value: rules})
		if x.config.Cookies != nil {
			f = x.at("headers.cookies", HeaderFinding{Name: "set-cookie", Value: rules})
		}
		e.Cookies = &f
	}
}

// headerExplainer finds the lines behind the headers of one effective policy.
type headerExplainer struct {
	c      *Compiled
	policy string
	config *filterpolicy.Headers
}

func (x headerExplainer) header(p *headers.Policy, h headers.Header) HeaderFinding {
	f := HeaderFinding{Name: h.Name, Value: h.Text()}
	if h.Existing != headers.Replace {
		f.Existing = h.Existing.String()
	}
	switch h.Name {
	case "content-security-policy":
		return x.csp(f, "headers.csp", p.Directives())
	case "content-security-policy-report-only":
		return x.csp(f, "headers.csp_report_only", p.ReportOnly())
	case "reporting-endpoints":
		return x.at("headers.reporting_endpoints", f)
	case "clear-site-data":
		return x.at("headers.clear_site_data", f)
	}
	switch h.Because {
	case "":
		return x.written("headers.set.", f)
	case headers.AsAncestors:
		f.Because = h.Because
		return x.at("headers.csp.frame-ancestors", f)
	default:
		f.Because = h.Because
		return x.at("headers.clear_site_data", f)
	}
}

// csp explains each directive: what the policy does not write is the preset's,
// or stands under set.
func (x headerExplainer) csp(f HeaderFinding, path string, directives headers.CSP) HeaderFinding {
	whole := x.written("headers.set.", f)
	own := x.config.CSP
	if path == "headers.csp_report_only" {
		own = x.config.CSPReportOnly
	}
	for _, name := range directives.Names() {
		part := HeaderFinding{Name: name, Value: strings.Join(directives[name], " ")}
		if _, written := own[name]; written {
			part = x.at(path+"."+name, part)
		} else {
			part.Because, part.Layer, part.From = whole.Because, whole.Layer, whole.From
		}
		f.Parts = append(f.Parts, part)
	}
	if len(own) > 0 {
		return x.at(path, f)
	}
	whole.Parts = f.Parts
	return whole
}

// written finds what names the header, else the preset.
func (x headerExplainer) written(prefix string, f HeaderFinding) HeaderFinding {
	t := x.c.origins[x.policy]
	for _, name := range []string{f.Name, http.CanonicalHeaderKey(f.Name)} {
		if _, ok := t[prefix+name]; ok {
			return x.at(prefix+name, f)
		}
	}
	return x.preset(f)
}

func (x headerExplainer) preset(f HeaderFinding) HeaderFinding {
	f.Because = "preset " + x.config.Preset
	return x.at("headers.preset", f)
}

func (x headerExplainer) at(path string, f HeaderFinding) HeaderFinding {
	p, ok := x.c.origins[x.policy].at(path)
	if !ok {
		return f
	}
	f.From, f.Layer = &Place{Path: p.path, Line: p.line}, x.layer(p.path)
	return f
}

// layer names who wrote what stands at path: the route, its policy, or one that
// this extends.
func (x headerExplainer) layer(path string) string {
	policy, route, _ := strings.Cut(x.policy, "@")
	if rest, ok := strings.CutPrefix(path, "policies."); ok {
		if rest == policy || strings.HasPrefix(rest, policy+".") {
			return "policy " + policy
		}
		name, _, _ := strings.Cut(rest, ".headers")
		return "extends " + name
	}
	return "route " + route
}
