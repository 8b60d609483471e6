package postgres

import (
	"fmt"
	"slices"
	"strings"

	"gatehouse/control/privacy/connector"
	"gatehouse/control/privacy/datamap"
)

// collection is one of the map with the table that it is in.
type collection struct {
	datamap.Collection

	number int
	table  *table
	parent *collection
	// faults are why it cannot be used; readFaults why not even be read.
	faults, readFaults []string
}

// root is the collection whose key says whose the rows are.
func (c *collection) root() *collection {
	for c.parent != nil {
		c = c.parent
	}
	return c
}

// bind finds the map's tables and columns. What is missing is kept for whoever
// wants to use it.
func (w *work) bind() {
	w.mapped = nil
	byName := map[string]*collection{}
	for n, m := range w.c.system.Collections {
		c := &collection{Collection: m, number: n}
		schema, name, qualified := strings.Cut(m.Table, ".")
		if !qualified {
			schema, name = w.c.schema, m.Table
		}
		c.table = w.live.table(schema, name)
		w.mapped, byName[m.Name] = append(w.mapped, c), c
	}
	for _, c := range w.mapped {
		if c.Parent != nil {
			c.parent = byName[c.Parent.Collection]
		}
	}
	for _, c := range w.mapped {
		c.readFaults = c.judgePlace()
		if len(c.readFaults) == 0 {
			c.faults = c.judgeErasure()
		}
	}
}

// judgePlace says what of the map is not there.
func (c *collection) judgePlace() (faults []string) {
	if c.table == nil {
		return []string{fmt.Sprintf("collection %s: there is no table %s", c.Name, c.Table)}
	}
	if c.table.kind != "r" && c.table.kind != "p" {
		return []string{fmt.Sprintf("collection %s: %s is no table but a view or a foreign table: map the table behind it", c.Name, c.table)}
	}
	need := func(t *table, name, what string) column {
		found, ok := t.column(name)
		if !ok {
			faults = append(faults, fmt.Sprintf("collection %s: %s %s has no column %q", c.Name, what, t, name))
		}
		return found
	}
	if c.Key != nil {
		need(c.table, c.Key.Column, "table")
	}
	if c.parent != nil && c.parent.table != nil {
		here, there := need(c.table, c.Parent.Column, "table"), need(c.parent.table, c.Parent.References, "its parent's table")
		if here.base != there.base && here.category != there.category && len(faults) == 0 {
			faults = append(faults, fmt.Sprintf("collection %s: column %q is %s and cannot refer to %s.%s, which is %s", c.Name, here.name, here.typ, c.Parent.Collection, there.name, there.typ))
		}
	}
	if c.Restriction != "" {
		if found := need(c.table, c.Restriction, "table"); found.name != "" && found.category != "B" {
			faults = append(faults, fmt.Sprintf("collection %s: restriction_column %q is %s, not boolean", c.Name, c.Restriction, found.typ))
		}
	}
	for _, f := range c.Fields {
		need(c.table, f.Name, "table")
	}
	return faults
}

// judgeErasure says which actions cannot work.
func (c *collection) judgeErasure() (faults []string) {
	for _, f := range c.Fields {
		if f.OnErasure == connector.Delete || f.OnErasure == connector.Keep {
			continue
		}
		there, _ := c.table.column(f.Name)
		if why := unfit(f, there, slices.Contains(c.table.key, f.Name)); why != "" {
			faults = append(faults, fmt.Sprintf("collection %s: field %s cannot be erased by %s: %s", c.Name, f.Name, f.OnErasure, why))
		}
	}
	return faults
}

func unfit(f datamap.Field, there column, key bool) string {
	switch {
	case key:
		return "it is part of the key that tells rows apart"
	case there.computed:
		return "the database computes it itself"
	case f.OnErasure == connector.Null && there.notNull:
		return "it is NOT NULL: mask or pseudonymise it"
	case f.OnErasure == connector.Mask && there.unique:
		return "it is UNIQUE, and all masks are the same: pseudonymise it"
	case f.OnErasure == connector.Mask && !there.text() && f.Mask == defaultMask:
		return "it is " + there.typ + ": write mask: with a value of that type"
	case f.OnErasure == connector.Mask && there.length > 0 && len([]rune(f.Mask)) > there.length:
		return fmt.Sprintf("its mask is longer than its %d characters: write a shorter mask", there.length)
	case f.OnErasure == connector.Pseudonymise && (!there.text() || there.length > 0 && there.length < pseudonymLength):
		return fmt.Sprintf("it is %s, and a pseudonym is a text of %d characters: null or mask it", there.typ, pseudonymLength)
	}
	return ""
}

// defaultMask is what the data map writes where no mask is given.
const defaultMask = "[erased]"

// usable says why the system cannot be read as the map says, or written.
func (w *work) usable(write bool) error {
	var faults []string
	for _, c := range w.mapped {
		faults = append(faults, c.readFaults...)
		if write {
			faults = append(faults, c.faults...)
		}
	}
	if len(faults) > 0 {
		return &PlanError{System: w.c.system.Name, Faults: faults}
	}
	return nil
}
