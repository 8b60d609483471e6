package policy

import (
	"time"

	"gatehouse/control/privacy/connector"
	"gatehouse/control/privacy/datamap"
)

// periodPattern is for editors; datamap.ParsePeriod judges.
const periodPattern = `^([0-9]+y)?([0-9]+mo)?([0-9]+w)?([0-9]+d)?$`

func period() kind[datamap.Period] { return parsed(periodPattern, "90d", datamap.ParsePeriod) }

func privacyKind() kind[rawPrivacy] {
	return object(
		key("controller", "who answers for the processing (GDPR Art. 30(1)(a))", object(
			required(key("name", "name: Example GmbH", text(), func(c *datamapController) *value[string] { return &c.name })),
			required(key("contact", "how people reach it: privacy@example.com", text(), func(c *datamapController) *value[string] { return &c.contact })),
			key("dpo", "how the data-protection officer is reached", text(), func(c *datamapController) *value[string] { return &c.dpo }),
		), func(p *rawPrivacy) *value[datamapController] { return &p.controller }),
		key("purposes", "why data are processed, by name: orders: {basis: contract}", dictionary(purposeKind()),
			func(p *rawPrivacy) *value[[]named[rawPurpose]] { return &p.purposes }),
		key("retention", "periods by a name of their own, and client_data: addresses of people who are not known, 90d unless told",
			dictionary(period()), func(p *rawPrivacy) *value[[]named[datamap.Period]] { return &p.retention }),
		key("systems", "what holds data of people, by name", dictionary(systemKind()), func(p *rawPrivacy) *value[[]named[rawSystem]] { return &p.systems }),
	)
}

func purposeKind() kind[rawPurpose] {
	return object(
		required(key("basis", "ground of Art. 6(1): consent, contract, legal_obligation, vital_interests, public_task or legitimate_interests",
			word(datamap.Bases()...), func(p *rawPurpose) *value[string] { return &p.basis })),
		key("condition", "of Art. 9(2), for special categories of data: explicit_consent", word(datamap.Conditions()...),
			func(p *rawPurpose) *value[string] { return &p.condition }),
		key("notice_version", "consent: version of the notice that people are shown now", text(), func(p *rawPurpose) *value[string] { return &p.notice }),
		key("gpc", "consent: whether Global Privacy Control (Sec-GPC: 1) objects to it", boolean(), func(p *rawPurpose) *value[bool] { return &p.gpc }),
		key("retention", "how long data are kept for it: 10y, or a name of privacy.retention", text(), func(p *rawPurpose) *value[string] { return &p.retention }),
		key("persons", "categories of persons (Art. 30(1)(c)): [customers]", list(text()), func(p *rawPurpose) *value[[]value[string]] { return &p.persons }),
		key("recipients", "who is given the data (Art. 30(1)(d))", list(text()), func(p *rawPurpose) *value[[]value[string]] { return &p.recipients }),
		key("transfers", "third countries with safeguards (Art. 30(1)(e))", list(text()), func(p *rawPurpose) *value[[]value[string]] { return &p.transfers }),
		key("measures", "security measures (Art. 30(1)(g))", list(text()), func(p *rawPurpose) *value[[]value[string]] { return &p.measures }),
	)
}

func systemKind() kind[rawSystem] {
	return object(
		required(key("kind", "postgres, opendsr or gatehouse", word(datamap.Kinds()...), func(s *rawSystem) *value[string] { return &s.kind })),
		key("recipients", "who runs it for you: [Mailer Inc.]", list(text()), func(s *rawSystem) *value[[]value[string]] { return &s.recipients }),
		key("collections", "its tables, or what corresponds to them, by name", dictionary(collectionKind()),
			func(s *rawSystem) *value[[]named[rawCollection]] { return &s.collections }),
		key("url_file", "postgres: file that holds postgres://user:password@host/database", text(), func(s *rawSystem) *value[string] { return &s.urlFile }),
		key("schema", "postgres: schema of the tables, public unless told", text(), func(s *rawSystem) *value[string] { return &s.schema }),
		key("timeout", "postgres: of one statement, 30s unless told", seconds(), func(s *rawSystem) *value[time.Duration] { return &s.timeout }),
		key("read_back", "postgres: after an erasure, search all texts of the tables (thorough, unless told) or look by keys only (keys)",
			word("thorough", "keys"), func(s *rawSystem) *value[string] { return &s.readBack }),
		key("url", "opendsr: https://dsr.example.com", text(), func(s *rawSystem) *value[string] { return &s.url }),
		key("domain", "opendsr: domain of the processor's certificate, the URL's host unless told", text(), func(s *rawSystem) *value[string] { return &s.domain }),
		key("token_file", "opendsr: file with the bearer token that the processor takes", text(), func(s *rawSystem) *value[string] { return &s.tokenFile }),
		key("certificate_file", "opendsr: the certificate that answers are signed with (PEM)", text(), func(s *rawSystem) *value[string] { return &s.certFile }),
		key("ca_file", "opendsr: authorities to trust in place of the system's (PEM)", text(), func(s *rawSystem) *value[string] { return &s.ca }),
		key("callback_url", "opendsr: where the processor reports: https://gatehouse.example.com/opendsr/NAME", text(),
			func(s *rawSystem) *value[string] { return &s.callback }),
		key("identities", "opendsr: what the processor is told, by our type: {email: {format: sha256}}", dictionary(theirIdentityKind()),
			func(s *rawSystem) *value[[]named[rawTheirIdentity]] { return &s.identities }),
		key("deadline", "opendsr: for one request, 25d unless told", period(), func(s *rawSystem) *value[datamap.Period] { return &s.deadline }),
		key("extensions", "opendsr: what it can do beyond the standard", list(word("rectification", "restriction")),
			func(s *rawSystem) *value[[]value[string]] { return &s.extensions }),
		key("results_hosts", "opendsr: other hosts that results may be fetched from", list(text()), func(s *rawSystem) *value[[]value[string]] { return &s.resultsHosts }),
	)
}

func theirIdentityKind() kind[rawTheirIdentity] {
	return object(
		key("type", "the processor's name of the type, ours unless told", text(), func(i *rawTheirIdentity) *value[string] { return &i.kind }),
		key("format", "raw (unless told), sha1, md5 or sha256", word("raw", "sha1", "md5", "sha256"), func(i *rawTheirIdentity) *value[string] { return &i.format }),
	)
}

// actions are what an erasure may do with a field.
func actions() kind[connector.Action] {
	words := word(string(connector.Delete), string(connector.Null), string(connector.Mask), string(connector.Pseudonymise), string(connector.Keep))
	return kind[connector.Action]{schema: words.schema, read: func(d *decoder, n *node) (connector.Action, bool) {
		v, ok := words.read(d, n)
		return connector.Action(v), ok
	}}
}

func collectionKind() kind[rawCollection] {
	return object(
		key("table", "the table, if it has another name", text(), func(c *rawCollection) *value[string] { return &c.table }),
		key("subject_key", "the column that says whose a row is: {column: id, identity: customer_id}", object(
			required(key("column", "column: id", text(), func(k *rawSubjectKey) *value[string] { return &k.column })),
			required(key("identity", "type of the identity that is in it: customer_id", text(), func(k *rawSubjectKey) *value[string] { return &k.identity })),
		), func(c *rawCollection) *value[rawSubjectKey] { return &c.key }),
		key("parent", "whose rows say it: {collection: orders, column: order_id}", object(
			required(key("collection", "collection: orders, of the same system", text(), func(p *rawParent) *value[string] { return &p.collection })),
			required(key("column", "the column here: order_id", text(), func(p *rawParent) *value[string] { return &p.column })),
			key("references", "the column there, id unless told", text(), func(p *rawParent) *value[string] { return &p.references }),
		), func(c *rawCollection) *value[rawParent] { return &c.parent }),
		key("restriction_column", "boolean column that is true while the data may only be kept (Art. 18)", text(),
			func(c *rawCollection) *value[string] { return &c.restriction }),
		key("category", "of the fields that do not say their own", word(datamap.Categories()...), func(c *rawCollection) *value[string] { return &c.category }),
		key("purpose", "of the fields that do not say their own", oneOrMore(), func(c *rawCollection) *value[[]value[string]] { return &c.purpose }),
		key("retention", "of the fields that do not say their own", text(), func(c *rawCollection) *value[string] { return &c.retention }),
		key("on_erasure", "of the fields that do not say their own: delete (unless told), null, mask, pseudonymise or keep", actions(),
			func(c *rawCollection) *value[connector.Action] { return &c.onErasure }),
		key("keep_reason", "on_erasure: keep: the exception of Art. 17(3), and which law", text(), func(c *rawCollection) *value[string] { return &c.keepReason }),
		required(key("fields", "the columns with data of people: email: {category: contact, purpose: orders}", dictionary(fieldKind()),
			func(c *rawCollection) *value[[]named[rawField]] { return &c.fields })),
	)
}

func fieldKind() kind[rawField] {
	return object(
		key("category", "category of data: contact, address, transaction, health, ...", word(datamap.Categories()...), func(f *rawField) *value[string] { return &f.category }),
		key("purpose", "purpose: NAME or [NAME, ...], of privacy.purposes", oneOrMore(), func(f *rawField) *value[[]value[string]] { return &f.purpose }),
		key("basis", "ground of Art. 6(1), where it is to be said again; it must be the purpose's", word(datamap.Bases()...), func(f *rawField) *value[string] { return &f.basis }),
		key("retention", "10y, or a name of privacy.retention; the purpose's unless told", text(), func(f *rawField) *value[string] { return &f.retention }),
		key("on_erasure", "delete (unless told), null, mask, pseudonymise or keep", actions(), func(f *rawField) *value[connector.Action] { return &f.onErasure }),
		key("keep_reason", "on_erasure: keep: the exception of Art. 17(3), and which law", text(), func(f *rawField) *value[string] { return &f.keepReason }),
		key("mask", `on_erasure: mask: what is written over it, "[erased]" unless told`, text(), func(f *rawField) *value[string] { return &f.mask }),
		key("source", "person (unless told), observed, derived or third_party", word(datamap.Sources()...), func(f *rawField) *value[string] { return &f.source }),
	)
}

// oneOrMore takes "purpose: orders" for "purpose: [orders]".
func oneOrMore() kind[[]value[string]] {
	many := list(text())
	return kind[[]value[string]]{
		schema: schema{"oneOf": []schema{text().schema, many.schema}},
		read: func(d *decoder, n *node) ([]value[string], bool) {
			if n.kind == sequenceNode {
				return many.read(d, n)
			}
			v, ok := text().read(d, n)
			return []value[string]{{v: v, at: n.at, set: ok}}, ok
		},
	}
}
