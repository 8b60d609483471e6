package policy

import (
	"cmp"
	"slices"
	"strings"

	"gatehouse/control/privacy/datamap"
)

// ownSystem is the name under which Gatehouse carries out its own part.
const ownSystem = "gatehouse"

func (m *mapper) system(raw named[rawSystem]) datamap.System {
	kind := datamap.Kind(raw.v.kind.v)
	s := datamap.System{Name: raw.name, Kind: kind, Recipients: texts(raw.v.recipients)}
	m.foreignKeys(raw.v, kind)
	switch kind {
	case datamap.PostgreSQL:
		m.postgres(raw, &s)
	case datamap.OpenDSR:
		m.opendsr(raw, &s)
	}
	if raw.v.kind.set && (raw.name == ownSystem) != (kind == datamap.Gatehouse) {
		m.k.d.fail(raw.keyAt, "the name gatehouse is that of Gatehouse's own data", raw.name, "kind: gatehouse has the name gatehouse, and nothing else has")
	}
	seen := map[string]bool{}
	for _, c := range raw.v.collections.v {
		checkName(m.k.d, c.keyAt, "a collection", c.name)
		if strings.Contains(c.name, ".") {
			m.k.d.fail(c.keyAt, "a dot parts a collection from its field in corrections", c.name, "leave it out, and write table: "+c.name)
		}
		if strings.HasPrefix(c.name, "gatehouse_") != (kind == datamap.Gatehouse) && raw.v.kind.set {
			m.k.d.fail(c.keyAt, "names that begin with gatehouse_ are those of Gatehouse's own data, and it has no others", c.name, "")
		}
		s.Collections = append(s.Collections, m.collection(c, kind))
		seen[c.name] = true
	}
	m.parents(raw.v.collections.v, seen)
	if len(s.Collections) == 0 && raw.v.kind.set && kind != datamap.OpenDSR {
		m.k.d.fail(raw.at, "holds no collection", raw.name, "say what is in it, under collections")
	}
	return s
}

// foreignKeys refuses settings of a kind of system that this one is not of.
func (m *mapper) foreignKeys(raw rawSystem, kind datamap.Kind) {
	type setting struct {
		name string
		set  bool
		at   pos
	}
	of := func(want datamap.Kind, settings ...setting) {
		for _, s := range settings {
			if s.set && kind != want && kind != "" {
				m.k.d.fail(s.at, "this is a setting of kind: "+string(want), s.name, "remove it: it would do nothing")
			}
		}
	}
	of(datamap.PostgreSQL, setting{"url_file", raw.urlFile.set, raw.urlFile.at}, setting{"schema", raw.schema.set, raw.schema.at},
		setting{"timeout", raw.timeout.set, raw.timeout.at}, setting{"read_back", raw.readBack.set, raw.readBack.at})
	of(datamap.OpenDSR, setting{"url", raw.url.set, raw.url.at}, setting{"domain", raw.domain.set, raw.domain.at},
		setting{"token_file", raw.tokenFile.set, raw.tokenFile.at}, setting{"certificate_file", raw.certFile.set, raw.certFile.at},
		setting{"ca_file", raw.ca.set, raw.ca.at}, setting{"callback_url", raw.callback.set, raw.callback.at},
		setting{"identities", raw.identities.set, raw.identities.at}, setting{"deadline", raw.deadline.set, raw.deadline.at},
		setting{"extensions", raw.extensions.set, raw.extensions.at}, setting{"results_hosts", raw.resultsHosts.set, raw.resultsHosts.at})
}

func (m *mapper) postgres(raw named[rawSystem], s *datamap.System) {
	s.Database = datamap.Database{
		URLFile: m.k.file(raw.v.urlFile), Schema: cmp.Or(raw.v.schema.v, defaultSchema),
		Timeout: cmp.Or(raw.v.timeout.v, statementTimeout), KeysOnly: raw.v.readBack.v == "keys",
	}
	if !raw.v.urlFile.set {
		m.k.d.fail(raw.at, "a key is missing", "url_file", "url_file: FILE, which holds postgres://user:password@host/database")
	}
	if raw.v.schema.set {
		m.identifier(raw.v.schema, "schema")
	}
}

func (m *mapper) opendsr(raw named[rawSystem], s *datamap.System) {
	p := &s.Processor
	*p = datamap.Processor{
		Domain: raw.v.domain.v, TokenFile: m.k.file(raw.v.tokenFile), CertificateFile: m.k.file(raw.v.certFile), CAFile: m.k.file(raw.v.ca),
		CallbackURL: raw.v.callback.v, Deadline: raw.v.deadline.v, Extensions: texts(raw.v.extensions), ResultsHosts: texts(raw.v.resultsHosts),
		Identities: map[string]datamap.ProcessorIdentity{},
	}
	if p.Deadline.IsZero() {
		p.Deadline = processorDeadline()
	}
	if !raw.v.url.set {
		m.k.d.fail(raw.at, "a key is missing", "url", "url: https://dsr.example.com, where the processor takes requests")
	} else if u := m.web(raw.v.url, "a processor"); u != nil {
		p.URL = strings.TrimSuffix(u.String(), "/")
		p.Domain = cmp.Or(p.Domain, strings.ToLower(u.Hostname()))
	}
	if raw.v.domain.set && !lowerHost(raw.v.domain.v) {
		m.k.d.fail(raw.v.domain.at, "not a domain", raw.v.domain.v, "write it in lower case, like processor.example.com")
	}
	if raw.v.callback.set {
		m.web(raw.v.callback, "a callback")
	}
	for _, h := range raw.v.resultsHosts.v {
		if !lowerHost(h.v) {
			m.k.d.fail(h.at, "not the name of a host", h.v, "write it in lower case, like results.example.com")
		}
	}
	for _, i := range raw.v.identities.v {
		m.identityType(value[string]{v: i.name, at: i.keyAt, set: true})
		p.Identities[i.name] = datamap.ProcessorIdentity{Type: cmp.Or(i.v.kind.v, i.name), Format: cmp.Or(i.v.format.v, "raw")}
		if i.v.format.v == "sha1" || i.v.format.v == "md5" {
			m.k.d.warn(i.v.format.at, "whoever has the hash can find the value by trying", i.v.format.v, "prefer sha256, if the processor takes it")
		}
	}
	if len(p.Identities) == 0 {
		m.k.d.fail(raw.at, "the processor is not told who is meant", raw.name, "write identities: {email: {format: sha256}}")
	}
}

// lowerHost says whether a text is the name of a host as it is compared.
func lowerHost(text string) bool { return hostName(text) && text == strings.ToLower(text) }

func (m *mapper) identityType(v value[string]) {
	ok := v.v != "" && len(v.v) <= 64 && v.v[0] >= 'a' && v.v[0] <= 'z' && !strings.ContainsFunc(v.v, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' && r != '.' && r != '-'
	})
	if !ok {
		m.k.d.fail(v.at, "not a type of identity", v.v, "write it in lower case, like email or customer_id")
	}
}

// identifier refuses what PostgreSQL would cut or cannot hold.
func (m *mapper) identifier(v value[string], what string) {
	if v.v == "" || len(v.v) > 63 || strings.ContainsRune(v.v, 0) {
		m.k.d.fail(v.at, "cannot name a "+what, v.v, "PostgreSQL's names have 1 to 63 bytes")
	}
}

// parents demands that each leads to a collection that a person's identity is in.
func (m *mapper) parents(collections []named[rawCollection], known map[string]bool) {
	parent := map[string]value[string]{}
	for _, c := range collections {
		if c.v.parent.set && c.v.parent.v.collection.set {
			parent[c.name] = c.v.parent.v.collection
		}
	}
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, c := range collections {
		up, ok := parent[c.name]
		if !ok {
			continue
		}
		if !known[up.v] {
			m.k.d.fail(up.at, "not a collection of this system", up.v, suggest(up.v, names, "collection"))
			continue
		}
		for at, steps := up.v, 0; ; steps++ {
			next, more := parent[at]
			if !more {
				break
			}
			if at == c.name || steps > len(collections) {
				m.k.d.fail(up.at, "leads back to itself, and never to a person", c.name, "one of them needs a subject_key")
				break
			}
			at = next.v
		}
	}
}
