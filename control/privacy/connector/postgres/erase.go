package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gatehouse/control/privacy/connector"
)

// Erase implements connector.Connector.
func (c *Connector) Erase(ctx context.Context, p connector.Person) (result connector.Result, err error) {
	var e *erasure
	err = c.tx(ctx, sql.TxOptions{}, func(w *work) error {
		e, err = w.erase(ctx, p)
		return err
	})
	if err != nil {
		return connector.Result{}, err
	}
	return e.result(), nil
}

// erasure is what is done to a person's rows in one transaction.
type erasure struct {
	*work
	sets  []*set
	steps []connector.Step
}

// set is the person's rows of one collection, as they were found at the begin.
// It is a temporary table: keys are followed from rows that may be gone by then.
type set struct {
	*collection
	name string
	rows int64
}

// erase does all of it. Only when it returns nil may the transaction commit.
func (w *work) erase(ctx context.Context, p connector.Person) (*erasure, error) {
	if err := w.usable(true); err != nil {
		return nil, err
	}
	e := &erasure{work: w}
	for _, m := range w.mapped {
		if err := e.find(ctx, m, p); err != nil {
			return nil, err
		}
	}
	for _, s := range e.sets {
		if !s.Deletes() {
			if err := e.change(ctx, s); err != nil {
				return nil, err
			}
		}
	}
	if err := e.alone(ctx); err != nil {
		return nil, err
	}
	return e, e.delete(ctx)
}

// find fills the set of a collection, and holds its rows.
func (e *erasure) find(ctx context.Context, m *collection, p connector.Person) error {
	s := &set{collection: m, name: fmt.Sprintf("pg_temp.gatehouse_set_%d", m.number)}
	place := m.table.place("t")
	for i, column := range place {
		place[i] = fmt.Sprintf("%s AS k%d", column, i)
	}
	rows, ok := m.theirs(p)
	condition, args := "false", []any(nil)
	if ok {
		condition, args = rows.condition, []any{rows.values}
	}
	what := "find the rows of collection " + m.Name
	n, err := e.exec(ctx, what, fmt.Sprintf("CREATE TEMPORARY TABLE %s ON COMMIT DROP AS SELECT %s FROM %s t WHERE %s FOR UPDATE OF t",
		strings.TrimPrefix(s.name, "pg_temp."), strings.Join(place, ", "), m.table.quoted(), condition), args...)
	if err != nil {
		return err
	}
	s.rows = n
	e.sets = append(e.sets, s)
	if n == 0 {
		return nil
	}
	_, err = e.exec(ctx, what, "ANALYZE "+s.name)
	return err
}

// alone refuses to delete a row that one refers to which is not the person's:
// what becomes of that one, only the map may say.
func (e *erasure) alone(ctx context.Context) error {
	var faults []string
	for _, f := range e.live.foreign {
		for _, doomed := range e.sets {
			if doomed.table != f.to || !doomed.Deletes() || doomed.rows == 0 {
				continue
			}
			n, err := e.strangers(ctx, f, doomed)
			if err != nil {
				return err
			}
			if n > 0 {
				faults = append(faults, fmt.Sprintf(
					"%d rows of %s, which are not erased, refer by %s to rows of collection %s, which would be: map %s with on_erasure: null for %s, or keep %s",
					n, f.from, strings.Join(f.columns, ", "), doomed.Name, f.from, strings.Join(f.columns, ", "), doomed.Name))
			}
		}
	}
	if len(faults) > 0 {
		return &PlanError{System: e.c.system.Name, Faults: faults}
	}
	return nil
}

// strangers counts the rows that refer to rows of a set and are in no set that
// is deleted themselves.
func (e *erasure) strangers(ctx context.Context, f foreign, doomed *set) (int64, error) {
	refer := make([]string, len(f.columns))
	for i := range f.columns {
		refer[i] = fmt.Sprintf("r.%s = d.%s", quote(f.columns[i]), quote(f.references[i]))
	}
	query := fmt.Sprintf("SELECT count(*) FROM %s r WHERE EXISTS (SELECT FROM %s d JOIN %s k ON %s WHERE %s)",
		f.from.quoted(), doomed.table.quoted(), doomed.name, doomed.table.same("d"), strings.Join(refer, " AND "))
	for _, s := range e.sets {
		if s.table == f.from && s.Deletes() {
			query += fmt.Sprintf(" AND NOT EXISTS (SELECT FROM %s k WHERE %s)", s.name, s.table.same("r"))
		}
	}
	return e.count(ctx, "look for rows that refer to those of "+doomed.Name, query)
}

func (e *erasure) delete(ctx context.Context) error {
	var tables []*table
	for _, s := range e.sets {
		if s.Deletes() && s.rows > 0 && !slices.Contains(tables, s.table) {
			tables = append(tables, s.table)
		}
	}
	d, err := deletionOf(tables, e.live.foreign)
	if err != nil {
		return &PlanError{System: e.c.system.Name, Faults: []string{err.Error()}}
	}
	for _, f := range d.deferred {
		if _, err := e.exec(ctx, "defer "+f.name, "SET CONSTRAINTS "+f.quoted()+" DEFERRED"); err != nil {
			return err
		}
	}
	for _, r := range d.nulled {
		for _, s := range e.of(r.from) {
			if len(s.table.key) == 0 {
				return &PlanError{System: e.c.system.Name, Faults: []string{fmt.Sprintf("%s is part of a circle and has no key that tells its rows apart: add a primary key", s.table)}}
			}
			if _, err := e.exec(ctx, "take "+s.Name+" out of a circle", fmt.Sprintf("UPDATE %s t SET %s = NULL FROM %s k WHERE %s",
				s.table.quoted(), quote(r.column), s.name, s.table.same("t"))); err != nil {
				return err
			}
		}
	}
	for _, t := range d.order {
		for _, s := range e.of(t) {
			if err := e.deleteRows(ctx, s); err != nil {
				return err
			}
		}
	}
	if len(d.deferred) > 0 {
		// Here, not at the commit: a plan has none.
		_, err = e.exec(ctx, "check what was deferred", "SET CONSTRAINTS ALL IMMEDIATE")
	}
	return err
}

func (e *erasure) deleteRows(ctx context.Context, s *set) error {
	n, err := e.exec(ctx, "delete rows of "+s.Name, fmt.Sprintf("DELETE FROM %s t USING %s k WHERE %s", s.table.quoted(), s.name, s.table.same("t")))
	if err != nil {
		return err
	}
	e.steps = append(e.steps, connector.Step{Collection: s.Name, Action: connector.Delete, Count: n})
	return nil
}

// of are the sets of a table whose rows are deleted.
func (e *erasure) of(t *table) (out []*set) {
	for _, s := range e.sets {
		if s.table == t && s.Deletes() && s.rows > 0 {
			out = append(out, s)
		}
	}
	return out
}

func (e *erasure) result() (r connector.Result) {
	for _, s := range e.steps {
		switch s.Action {
		case connector.Delete:
			r.Deleted += s.Count
		case connector.Keep:
			r.Kept += s.Count
		default:
			r.Changed += s.Count
		}
	}
	return r
}

// Plan implements connector.Connector. That of an erasure is the erasure, taken
// back: what it says is what will be done, and what would stop it stops it here.
func (c *Connector) Plan(ctx context.Context, p connector.Person, kind connector.Kind) (connector.Plan, error) {
	plan := connector.Plan{System: c.system.Name}
	o := readOnly()
	if kind == connector.Erasure {
		o = sql.TxOptions{}
	}
	err := c.tx(ctx, o, func(w *work) (err error) {
		if plan.Steps, err = w.plan(ctx, p, kind); err == nil {
			err = errUndo
		}
		return err
	})
	if errors.Is(err, errUndo) {
		err = nil
	}
	return plan, err
}

func (w *work) plan(ctx context.Context, p connector.Person, kind connector.Kind) ([]connector.Step, error) {
	if kind == connector.Erasure {
		e, err := w.erase(ctx, p)
		if err != nil {
			return nil, err
		}
		return e.steps, nil
	}
	if err := w.usable(false); err != nil {
		return nil, err
	}
	action := connector.Read
	switch kind {
	case connector.Rectification:
		action = connector.Update
	case connector.Restriction, connector.Objection:
		action = connector.Restrict
		if !slices.ContainsFunc(w.c.system.Collections, restrictable) {
			return nil, fmt.Errorf("system %s: the data map names no restriction_column: %w", w.c.system.Name, connector.ErrUnsupported)
		}
	}
	var steps []connector.Step
	for _, m := range w.mapped {
		if action == connector.Restrict && !restrictable(m.Collection) {
			continue
		}
		step := connector.Step{Collection: m.Name, Action: action}
		if rows, ok := m.theirs(p); ok {
			var err error
			if step.Count, err = w.count(ctx, "count the rows of "+m.Name, fmt.Sprintf("SELECT count(*) FROM %s t WHERE %s", m.table.quoted(), rows.condition), rows.values); err != nil {
				return nil, err
			}
		}
		if action == connector.Update {
			step.Note = "only the fields that a change names"
		}
		steps = append(steps, step)
	}
	return steps, nil
}
