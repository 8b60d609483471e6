package postgres

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"gatehouse/control/privacy/connector"
)

// Rectify implements connector.Connector, all changes or none.
func (c *Connector) Rectify(ctx context.Context, p connector.Person, changes []connector.Change) (n int64, err error) {
	err = c.tx(ctx, sql.TxOptions{}, func(w *work) error {
		n, err = w.rectify(ctx, p, changes)
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

func (w *work) rectify(ctx context.Context, p connector.Person, changes []connector.Change) (n int64, err error) {
	if err := w.usable(false); err != nil {
		return 0, err
	}
	for _, change := range changes {
		i := slices.IndexFunc(w.mapped, func(m *collection) bool { return m.Name == change.Collection })
		if i < 0 {
			continue // another system's
		}
		m := w.mapped[i]
		if err := m.rectifiable(w.c.system.Name, p, change); err != nil {
			return 0, err
		}
		rows, ok := m.theirs(p)
		if !ok {
			continue
		}
		value, err := textOf(change.Value)
		if err != nil {
			return 0, fmt.Errorf("system %s: correct %s.%s: %w", w.c.system.Name, change.Collection, change.Field, err)
		}
		there, _ := m.table.column(change.Field)
		column := quote(change.Field)
		what := fmt.Sprintf("correct %s.%s", m.Name, change.Field)
		if _, err := w.exec(ctx, what, fmt.Sprintf("UPDATE %s t SET %s = CAST($2::text AS %s) WHERE (%s) AND t.%s::text IS DISTINCT FROM CAST($2::text AS %s)::text",
			m.table.quoted(), column, there.typ, rows.condition, column, there.typ), rows.values, value); err != nil {
			return 0, err
		}
		right, err := w.count(ctx, what, fmt.Sprintf("SELECT count(*) FROM %s t WHERE (%s) AND t.%s::text IS NOT DISTINCT FROM CAST($2::text AS %s)::text",
			m.table.quoted(), rows.condition, column, there.typ), rows.values, value)
		if err != nil {
			return 0, err
		}
		n += right
	}
	return n, nil
}

// rectifiable refuses what would lose the person, or another row.
func (m *collection) rectifiable(system string, p connector.Person, change connector.Change) error {
	refuse := func(why string) error {
		return fmt.Errorf("system %s: %s.%.60q cannot be corrected: %s", system, m.Name, change.Field, why)
	}
	there, _ := m.table.column(change.Field)
	_, mapped := m.Field(change.Field)
	switch {
	case !mapped:
		return refuse("the data map has no such field there")
	case there.computed:
		return refuse("the database computes it itself")
	case m.Key != nil && m.Key.Column == change.Field && !slices.Contains(p.Of(m.Key.Identity), fmt.Sprint(change.Value)):
		return refuse("the person is found by it: add the new " + m.Key.Identity + " to their identities first")
	case m.Key != nil && m.Key.Column == change.Field: // it may be
	case slices.Contains(m.table.key, change.Field) || m.Parent != nil && m.Parent.Column == change.Field:
		return refuse("it says which row this is, or whose")
	}
	return nil
}

// textOf writes a JSON value as PostgreSQL reads it; nil is NULL.
func textOf(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil //nolint:nilnil // NULL is a value of its own
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case json.Number:
		return v.String(), nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write the new value: %w", err)
	}
	return string(text), nil
}

// Restrict implements connector.Connector: it sets the columns that the map
// names for it.
func (c *Connector) Restrict(ctx context.Context, p connector.Person, on bool) error {
	if !slices.ContainsFunc(c.system.Collections, restrictable) {
		return fmt.Errorf("system %s: the data map names no restriction_column: %w", c.system.Name, connector.ErrUnsupported)
	}
	return c.tx(ctx, sql.TxOptions{}, func(w *work) error {
		if err := w.usable(false); err != nil {
			return err
		}
		for _, m := range w.mapped {
			rows, ok := m.theirs(p)
			if m.Restriction == "" || !ok {
				continue
			}
			column := quote(m.Restriction)
			if _, err := w.exec(ctx, "restrict "+m.Name, fmt.Sprintf("UPDATE %s t SET %s = $2::boolean WHERE (%s) AND t.%s IS DISTINCT FROM $2::boolean",
				m.table.quoted(), column, rows.condition, column), rows.values, on); err != nil {
				return err
			}
		}
		return nil
	})
}
