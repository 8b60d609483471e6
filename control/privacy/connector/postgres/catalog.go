package postgres

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// maxTables bounds how many tables a schema may have to be compared with a map.
const maxTables = 10_000

// column of a live table.
type column struct {
	name     string
	typ      string // with its modifier: character varying(20)
	base     string // without
	category string // pg_type.typcategory: S texts, N numbers, B booleans, ...
	notNull  bool
	computed bool // generated, or GENERATED ALWAYS AS IDENTITY
	unique   bool // a unique index is on it alone
	length   int  // of a bounded text, in characters; 0 is unbounded
}

func (c column) text() bool { return c.category == "S" }

// table is one that is really there.
type table struct {
	oid          int64
	schema, name string
	kind         string // r table, p partitioned, v view, m materialised view, f foreign
	guarded      bool   // row security
	columns      []column
	// key are the columns that tell rows apart; none where only the place of a
	// row does.
	key []string
}

func (t *table) quoted() string { return pgx.Identifier{t.schema, t.name}.Sanitize() }

func (t *table) String() string { return t.schema + "." + t.name }

func (t *table) column(name string) (column, bool) {
	i := slices.IndexFunc(t.columns, func(c column) bool { return c.name == name })
	if i < 0 {
		return column{}, false
	}
	return t.columns[i], true
}

// foreign is a foreign key: rows of from refer to rows of to.
type foreign struct {
	name, schema string // of the constraint
	from, to     *table
	columns      []string // of from
	references   []string // of to
	onDelete     string   // a no action, r restrict, c cascade, n set null, d set default
	deferrable   bool
}

func (f foreign) self() bool { return f.from == f.to }

// nullable is a column of the key that may be empty; then the row refers to
// nothing (MATCH SIMPLE).
func (f foreign) nullable() (string, bool) {
	for _, name := range f.columns {
		if c, ok := f.from.column(name); ok && !c.notNull && !c.computed {
			return name, true
		}
	}
	return "", false
}

// catalog is the live schema, as far as it matters.
type catalog struct {
	tables  map[int64]*table
	foreign []foreign
}

func (c *catalog) table(schema, name string) *table {
	for _, t := range c.tables {
		if t.schema == schema && t.name == name {
			return t
		}
	}
	return nil
}

// looks reads the catalog, and binds the map to it.
func (w *work) look(ctx context.Context) error {
	w.live = &catalog{tables: map[int64]*table{}}
	for _, read := range []func(context.Context) error{w.readTables, w.readForeign, w.readColumns, w.readKeys} {
		if err := read(ctx); err != nil {
			return err
		}
	}
	w.bind()
	return nil
}

func (w *work) readTables(ctx context.Context) error {
	return w.each(ctx, "read which tables there are", `
		SELECT c.oid::bigint, n.nspname, c.relname, c.relkind::text, c.relrowsecurity
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
			AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
		ORDER BY n.nspname <> $1, 2, 3 LIMIT $2`, []any{w.c.schema, int64(maxTables)}, func(scan func(...any) error) error {
		t := &table{}
		err := scan(&t.oid, &t.schema, &t.name, &t.kind, &t.guarded)
		w.live.tables[t.oid] = t
		return err
	})
}

// readForeign leaves out the copies that partitions have of a key.
func (w *work) readForeign(ctx context.Context) error {
	const columns = `(SELECT string_agg(a.attname::text, chr(1) ORDER BY k.n) FROM unnest(%s) WITH ORDINALITY k(attnum, n)
		JOIN pg_catalog.pg_attribute a ON a.attrelid = %s AND a.attnum = k.attnum)`
	query := `SELECT f.conname, n.nspname, f.conrelid::bigint, f.confrelid::bigint, f.confdeltype::text, f.condeferrable, ` +
		strings.NewReplacer("%s) WITH", "f.conkey) WITH", "= %s AND", "= f.conrelid AND").Replace(columns) + `, ` +
		strings.NewReplacer("%s) WITH", "f.confkey) WITH", "= %s AND", "= f.confrelid AND").Replace(columns) + `
		FROM pg_catalog.pg_constraint f JOIN pg_catalog.pg_namespace n ON n.oid = f.connamespace
		WHERE f.contype = 'f' AND f.conparentid = 0 ORDER BY n.nspname, f.conrelid, f.conname`
	return w.each(ctx, "read the foreign keys", query, nil, func(scan func(...any) error) error {
		var f foreign
		var from, to int64
		var own, theirs string
		if err := scan(&f.name, &f.schema, &from, &to, &f.onDelete, &f.deferrable, &own, &theirs); err != nil {
			return err
		}
		f.from, f.to = w.live.tables[from], w.live.tables[to]
		f.columns, f.references = strings.Split(own, "\x01"), strings.Split(theirs, "\x01")
		if f.from != nil && f.to != nil {
			w.live.foreign = append(w.live.foreign, f)
		}
		return nil
	})
}

func (w *work) readColumns(ctx context.Context) error {
	return w.each(ctx, "read the columns", `
		SELECT a.attrelid::bigint, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), pg_catalog.format_type(a.atttypid, NULL),
			t.typcategory::text, a.attnotnull OR t.typnotnull, a.attgenerated <> '' OR a.attidentity = 'a',
			CASE WHEN a.atttypid IN (1042, 1043) AND a.atttypmod > 4 THEN a.atttypmod - 4 ELSE 0 END,
			EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum)
		FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
		WHERE a.attrelid = ANY($1::bigint[]::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
		ORDER BY a.attrelid, a.attnum`, []any{w.live.oids()}, func(scan func(...any) error) error {
		var c column
		var of int64
		if err := scan(&of, &c.name, &c.typ, &c.base, &c.category, &c.notNull, &c.computed, &c.length, &c.unique); err != nil {
			return err
		}
		t := w.live.tables[of]
		t.columns = append(t.columns, c)
		return nil
	})
}

func (c *catalog) oids() []int64 {
	oids := make([]int64, 0, len(c.tables))
	for oid := range c.tables {
		oids = append(oids, oid)
	}
	return oids
}

// readKeys takes the primary key, else a whole unique index of columns that are
// never empty.
func (w *work) readKeys(ctx context.Context) error {
	return w.each(ctx, "read the keys", `
		SELECT i.indrelid::bigint, (SELECT string_agg(a.attname::text, chr(1) ORDER BY k.n)
			FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, n) JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
			WHERE k.n <= i.indnkeyatts)
		FROM pg_catalog.pg_index i
		WHERE i.indrelid = ANY($1::bigint[]::oid[]) AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
			AND NOT EXISTS (SELECT FROM unnest(i.indkey::int2[]) k(attnum) JOIN pg_catalog.pg_attribute a
				ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE NOT a.attnotnull)
		ORDER BY i.indisprimary DESC, i.indexrelid`, []any{w.live.oids()}, func(scan func(...any) error) error {
		var of int64
		var names string
		if err := scan(&of, &names); err != nil {
			return err
		}
		if t := w.live.tables[of]; len(t.key) == 0 {
			t.key = strings.Split(names, "\x01")
		}
		return nil
	})
}
