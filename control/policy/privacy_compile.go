package policy

import (
	"net/netip"
	"net/url"
	"slices"
	"time"

	authzpolicy "gatehouse/authz/policy"
	"gatehouse/control/privacy/datamap"
)

// What holds where the data map is silent.
const (
	clientData       = "client_data" // the name of a period that is Gatehouse's own
	statementTimeout = 30 * time.Second
	defaultSchema    = "public"
)

// processorDeadline leaves a processor so much of the month of Art. 12(3).
func processorDeadline() datamap.Period { return datamap.Period{Days: 25} }

func (k *compiler) privacy() {
	raw := k.raw.privacy.v
	out := &k.out.Privacy
	c := raw.controller.v
	out.Controller = datamap.Controller{Name: c.name.v, Contact: c.contact.v, DPO: c.dpo.v}
	periods := map[string]datamap.Period{}
	for _, p := range raw.retention.v {
		checkName(k.d, p.keyAt, "a period", p.name)
		if p.name != "" && p.name[0] >= '0' && p.name[0] <= '9' {
			k.d.fail(p.keyAt, "a name that begins with a digit could be a period itself", p.name, "begin it with a letter")
		}
		periods[p.name] = p.v
		if p.name != clientData {
			continue
		}
		exact, ok := p.v.Exact()
		if !ok {
			k.d.fail(p.at, "client_data is counted in days", p.v.String(), "write 90d")
		}
		out.ClientData = exact
	}
	m := &mapper{k: k, periods: periods}
	m.purposes(raw.purposes.v)
	for _, s := range raw.systems.v {
		checkName(k.d, s.keyAt, "a system", s.name)
		out.Systems = append(out.Systems, m.system(s))
	}
	m.unused(raw)
	k.consentPurposes()
}

// mapper compiles the data map.
type mapper struct {
	k       *compiler
	periods map[string]datamap.Period
	used    []string // purposes and periods that something names
}

// period reads a period, or finds one by its name.
func (m *mapper) period(v value[string]) datamap.Period {
	if !v.set {
		return datamap.Period{}
	}
	if p, ok := m.periods[v.v]; ok {
		m.used = append(m.used, "period "+v.v)
		return p
	}
	p, err := datamap.ParsePeriod(v.v)
	if err == nil {
		return p
	}
	advice := "write it like 90d, 6mo or 10y, or name a period of privacy.retention"
	known := make([]string, 0, len(m.periods))
	for name := range m.periods {
		known = append(known, name)
	}
	if v.v != "" && (v.v[0] < '0' || v.v[0] > '9') && len(known) > 0 {
		slices.Sort(known)
		advice = suggest(v.v, known, "period")
	}
	m.k.d.fail(v.at, "neither a period nor the name of one", v.v, advice)
	return p
}

func (m *mapper) purposes(raw []named[rawPurpose]) {
	m.k.out.Privacy.Purposes = map[string]datamap.Purpose{}
	for _, p := range raw {
		checkName(m.k.d, p.keyAt, "a purpose", p.name)
		basis := datamap.Basis(p.v.basis.v)
		for name, v := range map[string]value[string]{"notice_version": p.v.notice, "gpc": {v: "", at: p.v.gpc.at, set: p.v.gpc.v}} {
			if v.set && p.v.basis.set && basis != datamap.Consent {
				m.k.d.fail(v.at, name+" is of consent, and this purpose rests on another ground", string(basis), "remove it, or write basis: consent")
			}
		}
		if basis == datamap.Consent && (!p.v.notice.set || p.v.notice.v == "") {
			m.k.d.fail(p.at, "what people consent to is not said (Art. 7(1))", p.name, "write notice_version: \"2026-01\", the version of the notice they are shown")
		}
		m.k.out.Privacy.Purposes[p.name] = datamap.Purpose{
			Basis: basis, Condition: p.v.condition.v, NoticeVersion: p.v.notice.v, GPC: p.v.gpc.v, Retention: m.period(p.v.retention),
			Persons: texts(p.v.persons), Recipients: texts(p.v.recipients), Transfers: texts(p.v.transfers), Measures: texts(p.v.measures),
		}
	}
}

func texts(v value[[]value[string]]) []string {
	var out []string
	for _, t := range v.v {
		out = append(out, t.v)
	}
	return out
}

// unused warns of what nothing refers to.
func (m *mapper) unused(raw rawPrivacy) {
	for _, p := range raw.purposes.v {
		if !slices.Contains(m.used, "purpose "+p.name) && p.v.basis.v != string(datamap.Consent) && len(raw.systems.v) > 0 {
			m.k.d.warn(p.keyAt, "no field is processed for this purpose", p.name, "")
		}
	}
	for _, p := range raw.retention.v {
		if p.name != clientData && !slices.Contains(m.used, "period "+p.name) {
			m.k.d.warn(p.keyAt, "nothing is kept for this period", p.name, "")
		}
	}
}

// consentPurposes demands that what routes require consent for is a purpose, if
// there are any, and lets Global Privacy Control object where the purpose says so.
func (k *compiler) consentPurposes() {
	purposes := k.out.Privacy.Purposes
	if len(purposes) == 0 {
		return
	}
	names := make([]string, 0, len(purposes))
	for name, p := range purposes {
		if p.Basis == datamap.Consent {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for policy, p := range k.out.Authz.Policies {
		if p.Consent.Purpose == "" || p.Consent.Mode == authzpolicy.Off {
			continue
		}
		at, _ := k.out.origins[policy].at("consent.purpose")
		purpose, ok := purposes[p.Consent.Purpose]
		switch {
		case !ok:
			k.d.fail(at, "not a purpose of the data map", p.Consent.Purpose, suggest(p.Consent.Purpose, names, "purpose with basis consent"))
		case purpose.Basis != datamap.Consent:
			k.d.fail(at, "this purpose rests on "+string(purpose.Basis)+", which needs no consent", p.Consent.Purpose, "require no consent, or write basis: consent")
		case purpose.GPC && !written(k.out.origins[policy], "consent.gpc"):
			p.Consent.GPC = true
			k.out.Authz.Policies[policy] = p
		}
	}
}

func written(t trace, path string) bool {
	_, ok := t[path]
	return ok
}

// privacyFiles are the names that joinFiles makes whole.
func privacyFiles(m *datamap.Map) (names []*string) {
	for i := range m.Systems {
		s := &m.Systems[i]
		names = append(names, &s.Database.URLFile, &s.Processor.TokenFile, &s.Processor.CertificateFile, &s.Processor.CAFile)
	}
	return names
}

// web judges an address of a processor.
func (m *mapper) web(v value[string], what string) *url.URL {
	u, err := url.Parse(v.v)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		m.k.d.fail(v.at, "not an address", withoutUserinfo(v.v), "write https://dsr.example.com")
		return nil
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		m.k.d.fail(v.at, what+" without TLS tells anybody on the way who is meant", withoutUserinfo(v.v), "write https://; http:// is for loopback only")
		return nil
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		m.k.d.fail(v.at, "has a user, query or fragment, which nobody would be sent", withoutUserinfo(v.v), "leave it out; a token goes into token_file")
		return nil
	}
	return u
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
