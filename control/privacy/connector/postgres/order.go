package postgres

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// deletion is how rows of tables that refer to each other are deleted.
type deletion struct {
	deferred []foreign // checked at the commit only
	// nulled are emptied first in the rows that go, so that they refer to nothing.
	nulled []reference
	order  []*table
}

type reference struct {
	foreign
	column string
}

func (f foreign) quoted() string { return pgx.Identifier{f.schema, f.name}.Sanitize() }

// deletionOf orders the tables so that what refers goes before what it refers
// to. Where tables refer to each other in a circle, a key is taken out of it:
// one that may be checked later, one whose column may be empty, or one that the
// database follows itself.
func deletionOf(tables []*table, keys []foreign) (d deletion, err error) {
	left := slices.Clone(tables)
	among := slices.DeleteFunc(slices.Clone(keys), func(f foreign) bool {
		return !slices.Contains(tables, f.from) || !slices.Contains(tables, f.to)
	})
	// A row that refers to one of its own table goes in the same statement, which
	// is checked at its end; but RESTRICT does not wait for that.
	for _, f := range among {
		if f.self() && f.onDelete == "r" {
			if err := d.loosen(f); err != nil {
				return d, err
			}
		}
	}
	among = slices.DeleteFunc(among, foreign.self)
	for len(left) > 0 {
		free := slices.IndexFunc(left, func(t *table) bool {
			return !slices.ContainsFunc(among, func(f foreign) bool { return f.to == t })
		})
		if free >= 0 {
			t := left[free]
			d.order = append(d.order, t)
			left = slices.Delete(left, free, free+1)
			among = slices.DeleteFunc(among, func(f foreign) bool { return f.from == t })
			continue
		}
		circle := circular(among)
		best := slices.MinFunc(circle, func(a, b foreign) int { return a.stiffness() - b.stiffness() })
		if err := d.loosen(best); err != nil {
			return d, fmt.Errorf("%s refer to each other in a circle, and none of their foreign keys can be deferred or be empty: make one DEFERRABLE", names(left))
		}
		among = slices.DeleteFunc(among, func(f foreign) bool { return f.name == best.name && f.from == best.from })
	}
	return d, nil
}

// circular are the keys that lead, over others, back to their own table.
func circular(keys []foreign) (out []foreign) {
	for _, f := range keys {
		seen, next := map[*table]bool{}, []*table{f.to}
		for len(next) > 0 {
			t := next[0]
			next = next[1:]
			if seen[t] {
				continue
			}
			seen[t] = true
			for _, g := range keys {
				if g.from == t {
					next = append(next, g.to)
				}
			}
		}
		if seen[f.from] {
			out = append(out, f)
		}
	}
	return out
}

// stiffness is smaller the less is done to take a key out of a circle.
func (f foreign) stiffness() int {
	_, empty := f.nullable()
	switch {
	case f.onDelete == "c" || f.onDelete == "n" || f.onDelete == "d":
		return 0
	case f.deferrable && f.onDelete != "r":
		return 1
	case empty:
		return 2
	}
	return 3
}

func (d *deletion) loosen(f foreign) error {
	switch f.stiffness() {
	case 0:
	case 1:
		d.deferred = append(d.deferred, f)
	case 2:
		column, _ := f.nullable()
		d.nulled = append(d.nulled, reference{f, column})
	default:
		return fmt.Errorf("foreign key %s of %s forbids to delete a row that another refers to, and can neither be deferred nor be empty: make it NO ACTION", f.name, f.from)
	}
	return nil
}

func names(tables []*table) string {
	out := make([]string, len(tables))
	for i, t := range tables {
		out[i] = t.String()
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}
