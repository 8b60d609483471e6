package postgres

import (
	"context"
	"fmt"
	"strings"

	"gatehouse/control/privacy/connector"
	"gatehouse/control/privacy/datamap"
)

func restrictable(c datamap.Collection) bool { return c.Restriction != "" }

// change empties, masks and replaces fields of rows that stay, and says what
// stays as it is and why.
func (e *erasure) change(ctx context.Context, s *set) error {
	for _, f := range s.Fields {
		if f.OnErasure == connector.Keep {
			e.steps = append(e.steps, connector.Step{Collection: s.Name, Action: connector.Keep, Count: s.rows, Note: f.Name + ": " + f.KeepReason})
		}
	}
	if s.rows == 0 {
		return nil
	}
	plain, replaced := s.by(connector.Null, connector.Mask), s.by(connector.Pseudonymise)
	var n int64
	var err error
	switch {
	case len(replaced) > 0:
		n, err = e.replace(ctx, s, plain, replaced)
	case len(plain) > 0:
		n, err = e.overwrite(ctx, s, plain)
	default:
		return nil
	}
	if err != nil {
		return err
	}
	for _, action := range []connector.Action{connector.Null, connector.Mask, connector.Pseudonymise} {
		if fields := s.by(action); len(fields) > 0 {
			e.steps = append(e.steps, connector.Step{Collection: s.Name, Action: action, Count: n, Note: fieldNames(fields)})
			n = 0 // each row is counted once
		}
	}
	return nil
}

func (c *collection) by(actions ...connector.Action) (out []datamap.Field) {
	for _, f := range c.Fields {
		for _, a := range actions {
			if f.OnErasure == a {
				out = append(out, f)
			}
		}
	}
	return out
}

func fieldNames(fields []datamap.Field) string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.Name
	}
	return strings.Join(out, ", ")
}

// assignment is the SET of a field that becomes the same for everybody, and the
// condition that it is not so yet. Masks are parameters from number on.
func (s *set) assignment(fields []datamap.Field, number int) (set, differs []string, args []any) {
	for _, f := range fields {
		column, value := quote(f.Name), "NULL"
		if f.OnErasure == connector.Mask {
			there, _ := s.table.column(f.Name)
			value = fmt.Sprintf("CAST($%d::text AS %s)", number+len(args), there.typ)
			args = append(args, f.Mask)
		}
		set = append(set, column+" = "+value)
		if value == "NULL" {
			differs = append(differs, "t."+column+" IS NOT NULL")
		} else {
			differs = append(differs, fmt.Sprintf("t.%s::text IS DISTINCT FROM %s::text", column, value))
		}
	}
	return set, differs, args
}

func (e *erasure) overwrite(ctx context.Context, s *set, fields []datamap.Field) (int64, error) {
	assign, differs, args := s.assignment(fields, 1)
	return e.exec(ctx, "change rows of "+s.Name, fmt.Sprintf("UPDATE %s t SET %s FROM %s k WHERE %s AND (%s)",
		s.table.quoted(), strings.Join(assign, ", "), s.name, s.table.same("t"), strings.Join(differs, " OR ")), args...)
}

// replace writes pseudonyms, which only this program can make, batch by batch.
// A row is written once, with all that changes in it.
func (e *erasure) replace(ctx context.Context, s *set, plain, replaced []datamap.Field) (changed int64, err error) {
	keys, fields := s.table.place("t"), len(replaced)
	selected := make([]string, 0, len(keys)+fields)
	for _, k := range keys {
		selected = append(selected, k+"::text")
	}
	for _, f := range replaced {
		selected = append(selected, "t."+quote(f.Name)+"::text")
	}
	columns := make([][]*string, len(selected)) // as unnest wants them
	flush := func() error {
		if len(columns[0]) == 0 {
			return nil
		}
		n, err := e.writeBatch(ctx, s, plain, replaced, columns)
		changed += n
		columns = make([][]*string, len(selected))
		return err
	}
	// What is read are the rows as they were when the cursor was opened.
	query := fmt.Sprintf("SELECT %s FROM %s t JOIN %s k ON %s", strings.Join(selected, ", "), s.table.quoted(), s.name, s.table.same("t"))
	err = e.stream(ctx, "read rows of "+s.Name, query, nil, func(scan func(...any) error) error {
		row, into := make([]*string, len(selected)), make([]any, len(selected))
		for i := range row {
			into[i] = &row[i]
		}
		if err := scan(into...); err != nil {
			return e.c.explain("read rows of "+s.Name, err)
		}
		for i, value := range row {
			if i >= len(keys) && value != nil {
				*value = e.c.pseudonym(*value)
			}
			columns[i] = append(columns[i], value)
		}
		return nil
	}, flush)
	return changed, err
}

func (e *erasure) writeBatch(ctx context.Context, s *set, plain, replaced []datamap.Field, columns [][]*string) (int64, error) {
	assign, differs, args := s.assignment(plain, len(columns)+1)
	values, names := make([]string, len(columns)), make([]string, len(columns))
	all := make([]any, len(columns), len(columns)+len(args))
	for i, column := range columns {
		values[i], names[i], all[i] = fmt.Sprintf("$%d::text[]", i+1), fmt.Sprintf("v%d", i), column
	}
	keys := s.table.place("t")
	same := make([]string, len(keys))
	for i, k := range keys {
		same[i] = fmt.Sprintf("%s = CAST(v.v%d AS %s)", k, i, s.table.keyType(i))
	}
	for i, f := range replaced {
		there, _ := s.table.column(f.Name)
		value := fmt.Sprintf("CAST(v.v%d AS %s)", len(keys)+i, there.typ)
		assign = append(assign, quote(f.Name)+" = "+value)
		differs = append(differs, fmt.Sprintf("t.%s IS DISTINCT FROM %s", quote(f.Name), value))
	}
	return e.exec(ctx, "change rows of "+s.Name, fmt.Sprintf("UPDATE %s t SET %s FROM unnest(%s) v(%s) WHERE %s AND (%s)",
		s.table.quoted(), strings.Join(assign, ", "), strings.Join(values, ", "), strings.Join(names, ", "),
		strings.Join(same, " AND "), strings.Join(differs, " OR ")), append(all, args...)...)
}

// keyType is the type of a part of what place returns.
func (t *table) keyType(i int) string {
	if len(t.key) == 0 {
		return []string{"oid", "tid"}[i]
	}
	c, _ := t.column(t.key[i])
	return c.base
}
