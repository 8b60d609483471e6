package policy

import (
	"cmp"
	"slices"
	"strings"

	"gatehouse/control/privacy/connector"
	"gatehouse/control/privacy/datamap"
)

// erased is what a mask writes over a text.
const erased = "[erased]"

func (m *mapper) collection(raw named[rawCollection], kind datamap.Kind) datamap.Collection {
	c := datamap.Collection{Name: raw.name, Restriction: raw.v.restriction.v}
	inDatabase := kind == datamap.PostgreSQL
	if inDatabase {
		c.Table = cmp.Or(raw.v.table.v, raw.name)
		m.whose(raw, &c)
	}
	for _, v := range []struct {
		name string
		set  bool
		at   pos
	}{
		{"table", raw.v.table.set, raw.v.table.at}, {"subject_key", raw.v.key.set, raw.v.key.at}, {"parent", raw.v.parent.set, raw.v.parent.at},
		{"restriction_column", raw.v.restriction.set, raw.v.restriction.at},
	} {
		if v.set && !inDatabase && kind != "" {
			m.k.d.fail(v.at, "only of kind: postgres", v.name, "remove it: the system itself knows whose data are whose")
		}
	}
	if raw.v.fields.set && len(raw.v.fields.v) == 0 {
		m.k.d.fail(raw.v.fields.at, "names no field", raw.name, "write email: {category: contact, purpose: orders}")
	}
	for _, f := range raw.v.fields.v {
		if inDatabase {
			m.identifier(value[string]{v: f.name, at: f.keyAt}, "column")
		} else if f.name == "" || len(f.name) > 128 {
			m.k.d.fail(f.keyAt, "not the name of a field", f.name, "use 1 to 128 characters")
		}
		c.Fields = append(c.Fields, m.field(f, raw.v))
	}
	m.whole(raw, c)
	return c
}

// whose demands exactly one way from a row to a person.
func (m *mapper) whose(raw named[rawCollection], c *datamap.Collection) {
	for _, table := range strings.Split(c.Table, ".") {
		m.identifier(value[string]{v: table, at: cmp.Or(raw.v.table.at, raw.keyAt)}, "table")
	}
	if strings.Count(c.Table, ".") > 1 {
		m.k.d.fail(raw.v.table.at, "has more than one dot", c.Table, "write TABLE or SCHEMA.TABLE")
	}
	switch key, parent := raw.v.key, raw.v.parent; {
	case key.set && parent.set:
		m.k.d.fail(parent.at, "subject_key and parent are both set", raw.name, "keep one: for rows that belong to people in two ways, map the table twice")
	case key.set:
		c.Key = &datamap.SubjectKey{Column: key.v.column.v, Identity: key.v.identity.v}
		if key.v.column.set {
			m.identifier(key.v.column, "column")
		}
		if key.v.identity.set {
			m.identityType(key.v.identity)
		}
	case parent.set:
		c.Parent = &datamap.Parent{Collection: parent.v.collection.v, Column: parent.v.column.v, References: cmp.Or(parent.v.references.v, "id")}
		if parent.v.column.set {
			m.identifier(parent.v.column, "column")
		}
		m.identifier(value[string]{v: c.Parent.References, at: parent.v.references.at}, "column")
	default:
		m.k.d.fail(raw.at, "nothing says whose a row is", raw.name, "write subject_key: {column: id, identity: customer_id}, or parent: {collection: orders, column: order_id}")
	}
	if raw.v.restriction.set {
		m.identifier(raw.v.restriction, "column")
	}
}

// whole demands that a row is deleted or stays.
func (m *mapper) whole(raw named[rawCollection], c datamap.Collection) {
	if c.Deletes() {
		return
	}
	for i, f := range c.Fields {
		if f.OnErasure == connector.Delete {
			at := raw.v.fields.v[i]
			m.k.d.fail(cmp.Or(at.v.onErasure.at, at.keyAt), "would be deleted from a row that stays", f.Name,
				"a row is deleted whole or not at all: write on_erasure: null, mask or pseudonymise")
		}
	}
}

func (m *mapper) field(raw named[rawField], of rawCollection) datamap.Field {
	category, purpose := raw.v.category.or(of.category), raw.v.purpose.or(of.purpose)
	f := datamap.Field{
		Name: raw.name, Category: category.v, Purposes: texts(purpose), Source: datamap.Source(cmp.Or(raw.v.source.v, string(datamap.FromPerson))),
		OnErasure: cmp.Or(raw.v.onErasure.or(of.onErasure).v, connector.Delete), Mask: raw.v.mask.v,
	}
	if !category.set && !m.k.d.blamed(raw.at.path+".category") {
		m.k.d.fail(raw.at, "a key is missing", "category", "category: contact, here or for the whole collection")
	}
	if !purpose.set || len(purpose.v) == 0 {
		m.k.d.fail(raw.at, "a key is missing", "purpose", "purpose: NAME, of privacy.purposes, here or for the whole collection")
	}
	m.purposesOf(raw, purpose, f)
	m.keeping(raw, of, &f)
	own := raw.v.retention.or(of.retention)
	f.Retention = m.period(own)
	if f.Retention.IsZero() && !own.set && purpose.set {
		f.Retention = m.longest(f.Purposes)
		if f.Retention.IsZero() && !m.k.d.blamed(raw.at.path+".purpose") {
			m.k.d.fail(raw.at, "nothing says how long it is kept (Art. 13(2)(a), 30(1)(f))", raw.name, "write retention: 10y here, for the collection, or for the purpose")
		}
	}
	return f
}

// purposesOf demands that the purposes exist and may use such data.
func (m *mapper) purposesOf(raw named[rawField], purpose value[[]value[string]], f datamap.Field) {
	known, bases, conditioned := m.k.out.Privacy.Purposes, []string{}, true
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, p := range purpose.v {
		if !p.set {
			continue
		}
		m.used = append(m.used, "purpose "+p.v)
		found, ok := known[p.v]
		if !ok {
			m.k.d.fail(p.at, "not a purpose of the data map", p.v, suggest(p.v, names, "purpose"))
			continue
		}
		bases = append(bases, string(found.Basis))
		conditioned = conditioned && found.Condition != ""
	}
	if raw.v.basis.set && len(bases) > 0 && !slices.Contains(bases, raw.v.basis.v) {
		m.k.d.fail(raw.v.basis.at, "another ground than its purpose's", raw.v.basis.v, "one purpose has one ground: write basis: "+bases[0]+", or a purpose of its own")
	}
	if datamap.IsSpecial(f.Category) && len(bases) > 0 && !conditioned {
		m.k.d.fail(raw.at, "a special category of data, and no condition of Art. 9(2) or 10 is named", f.Category,
			"write condition: explicit_consent, or another, for the purpose")
	}
}

// keeping judges what an erasure leaves.
func (m *mapper) keeping(raw named[rawField], of rawCollection, f *datamap.Field) {
	reason := raw.v.keepReason
	if !reason.set && !raw.v.onErasure.set {
		reason = of.keepReason
	}
	switch f.OnErasure {
	case connector.Keep:
		f.KeepReason = strings.TrimSpace(reason.v)
		if f.KeepReason == "" {
			m.k.d.fail(cmp.Or(raw.v.onErasure.at, raw.at), "kept without a reason", f.Name, `write keep_reason: "Art. 17(3)(b): ...", and the law`)
		}
	case connector.Mask:
		if !raw.v.mask.set {
			f.Mask = erased
		}
	}
	if raw.v.keepReason.set && f.OnErasure != connector.Keep {
		m.k.d.fail(raw.v.keepReason.at, "a reason to keep what is not kept", f.Name, "remove it, or write on_erasure: keep")
	}
	if raw.v.mask.set && f.OnErasure != connector.Mask {
		m.k.d.fail(raw.v.mask.at, "a mask for what is not masked", f.Name, "remove it, or write on_erasure: mask")
	}
}

// longest is how long the purposes need it.
func (m *mapper) longest(purposes []string) (longest datamap.Period) {
	days := func(p datamap.Period) int { return p.Years*365 + p.Months*30 + p.Days }
	for _, name := range purposes {
		if p := m.k.out.Privacy.Purposes[name].Retention; days(p) > days(longest) {
			longest = p
		}
	}
	return longest
}
