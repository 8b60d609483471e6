package postgres

import (
	"context"
	"fmt"
	"strings"

	"gatehouse/control/privacy/connector"
)

// Verify implements connector.Connector. It looks for the person's rows by key,
// and then, by another way, for their identities in every text of the mapped
// tables: a row that no key leads to any more may still name them.
func (c *Connector) Verify(ctx context.Context, p connector.Person) (remaining int64, err error) {
	err = c.tx(ctx, readOnly(), func(w *work) error {
		if err := w.usable(false); err != nil {
			return err
		}
		for _, m := range w.mapped {
			n, err := w.remaining(ctx, m, p)
			if err != nil {
				return err
			}
			remaining += n
		}
		if remaining > 0 || c.system.Database.KeysOnly {
			return nil
		}
		return w.leftovers(ctx, p)
	})
	return remaining, err
}

// remaining counts a person's rows that should be gone, or are not as they
// should be.
func (w *work) remaining(ctx context.Context, m *collection, p connector.Person) (n int64, err error) {
	rows, ok := m.theirs(p)
	if !ok {
		return 0, nil
	}
	what := "read back collection " + m.Name
	from := fmt.Sprintf("FROM %s t WHERE (%s)", m.table.quoted(), rows.condition)
	if m.Deletes() {
		return w.count(ctx, what, "SELECT count(*) "+from, rows.values)
	}
	s := &set{collection: m}
	if plain := m.by(connector.Null, connector.Mask); len(plain) > 0 {
		_, differs, args := s.assignment(plain, 2)
		if n, err = w.count(ctx, what, fmt.Sprintf("SELECT count(*) %s AND (%s)", from, strings.Join(differs, " OR ")), append([]any{rows.values}, args...)...); err != nil {
			return 0, err
		}
	}
	for _, f := range m.by(connector.Pseudonymise) {
		err := w.stream(ctx, what, fmt.Sprintf("SELECT t.%s::text %s AND t.%s IS NOT NULL", quote(f.Name), from, quote(f.Name)), []any{rows.values}, func(scan func(...any) error) error {
			var value string
			if err := scan(&value); err != nil {
				return w.c.explain(what, err)
			}
			if !w.c.isPseudonym(value) {
				n++
			}
			return nil
		}, nil)
		if err != nil {
			return 0, err
		}
	}
	return n, nil
}

// minTelling is from how many bytes on a text without "@" is looked for: "1" or
// "Ann" stand in many rows that are not about the person.
const minTelling = 12

// leftovers is an error that names where an identity of the person still stands.
func (w *work) leftovers(ctx context.Context, p connector.Person) error {
	var telling []string
	for _, i := range p.Identities {
		if strings.Contains(i.Value, "@") || len(i.Value) >= minTelling {
			telling = append(telling, strings.ToLower(i.Value))
		}
	}
	if len(telling) == 0 {
		return nil
	}
	var found []string
	for _, t := range w.tables() {
		for _, column := range t.columns {
			if !column.text() && column.base != "uuid" || w.kept(t, column.name) {
				continue
			}
			n, err := w.count(ctx, "search "+t.String(), fmt.Sprintf("SELECT count(*) FROM %s t WHERE lower(t.%s::text) = ANY($1::text[])", t.quoted(), quote(column.name)), telling)
			if err != nil {
				return err
			}
			if n > 0 {
				found = append(found, fmt.Sprintf("%d rows of %s, column %s", n, t, column.name))
			}
		}
	}
	if len(found) > 0 {
		return fmt.Errorf("system %s: how the person is known still stands in %s: map what these rows are", w.c.system.Name, strings.Join(found, ", "))
	}
	return nil
}

// tables are those of the map, each once.
func (w *work) tables() (out []*table) {
	seen := map[*table]bool{}
	for _, m := range w.mapped {
		if !seen[m.table] {
			seen[m.table], out = true, append(out, m.table)
		}
	}
	return out
}

// kept says whether the map keeps a column, with its reason.
func (w *work) kept(t *table, column string) bool {
	for _, m := range w.mapped {
		if f, ok := m.Field(column); ok && m.table == t && f.OnErasure == connector.Keep {
			return true
		}
	}
	return false
}
