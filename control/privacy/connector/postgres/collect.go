package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"gatehouse/control/privacy/connector"
)

// batch is how many rows are fetched at once.
const batch = 200

// Collect implements connector.Connector: the mapped fields of the person's
// rows, as of one moment.
func (c *Connector) Collect(ctx context.Context, p connector.Person, fn func(connector.Record) error) error {
	return c.tx(ctx, readOnly(), func(w *work) error {
		if err := w.usable(false); err != nil {
			return err
		}
		for _, m := range w.mapped {
			if err := w.collect(ctx, m, p, fn); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *work) collect(ctx context.Context, m *collection, p connector.Person, fn func(connector.Record) error) error {
	rows, ok := m.theirs(p)
	if !ok {
		return nil
	}
	columns := make([]string, len(m.Fields))
	for i, f := range m.Fields {
		columns[i] = "t." + quote(f.Name)
	}
	key, order := "''", ""
	if len(m.table.key) > 0 {
		place := m.table.place("t")
		key, order = strings.Join(place, "::text || ',' || ")+"::text", " ORDER BY "+strings.Join(place, ", ")
	}
	what := "read collection " + m.Name
	query := fmt.Sprintf("SELECT %s, (SELECT row_to_json(x)::text FROM (SELECT %s) x) FROM %s t WHERE %s%s",
		key, strings.Join(columns, ", "), m.table.quoted(), rows.condition, order)
	return w.stream(ctx, what, query, []any{rows.values}, func(scan func(...any) error) error {
		var at string
		var text []byte
		if err := scan(&at, &text); err != nil {
			return w.c.explain(what, err)
		}
		fields, err := decode(text)
		if err != nil {
			return fmt.Errorf("system %s: %s: %w", w.c.system.Name, what, err)
		}
		return fn(connector.Record{System: w.c.system.Name, Collection: m.Name, Key: at, Fields: fields})
	}, nil)
}

// decode keeps numbers as they are written: a float would round large ones.
func decode(text []byte) (fields map[string]any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err = d.Decode(&fields)
	return fields, err
}

// stream goes through a result with a cursor, so that each statement is short
// however slow fn is, and little is held at a time. After each batch it calls
// after, which may use the connection; nil is nothing to call.
func (w *work) stream(ctx context.Context, what, query string, args []any, fn func(scan func(...any) error) error, after func() error) error {
	if _, err := w.exec(ctx, what, "DECLARE gatehouse_rows NO SCROLL CURSOR FOR "+query, args...); err != nil {
		return err
	}
	for n := batch; n == batch; {
		n = 0
		err := w.each(ctx, what, fmt.Sprintf("FETCH %d FROM gatehouse_rows", batch), nil, func(scan func(...any) error) error {
			n++
			return fn(scan)
		})
		if err == nil && after != nil {
			err = after()
		}
		if err != nil {
			return err
		}
	}
	_, err := w.exec(ctx, what, "CLOSE gatehouse_rows")
	return err
}
