package postgres

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"gatehouse/control/privacy/connector"
)

// personal tells names that columns with data of people often have.
var personal = regexp.MustCompile(`(?i)(e_?mail|phone|mobile|\bfax|first_?name|last_?name|sur_?name|full_?name|user_?name|nick_?name|` +
	`birth|\bdob\b|gender|\bsex\b|address|street|city|zip|postal|post_?code|\biban|\bbic\b|card|\bssn|tax_?id|passport|\bip\b|ip_?addr|` +
	`latitude|longitude|geo|user_?agent|avatar|photo|signature|customer_?id|user_?id|person_?id|client_?id|password)`)

// Check compares the map with the database: what is missing, what an erasure
// could not do, and what looks as if it belonged into the map.
func (c *Connector) Check(ctx context.Context) (findings []connector.Finding, err error) {
	err = c.tx(ctx, readOnly(), func(w *work) error {
		for _, m := range w.mapped {
			for _, fault := range append(m.readFaults, m.faults...) {
				findings = append(findings, w.finding(connector.Fault, fault))
			}
		}
		for _, t := range w.live.sorted() {
			findings = append(findings, w.unmapped(t)...)
		}
		more, err := w.mayNot(ctx)
		findings = append(findings, more...)
		return err
	})
	return findings, err
}

func (w *work) finding(level connector.Level, text string) connector.Finding {
	return connector.Finding{System: w.c.system.Name, Level: level, Text: text}
}

// sorted are the tables by name.
func (c *catalog) sorted() []*table {
	out := make([]*table, 0, len(c.tables))
	for _, t := range c.tables {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *table) int { return strings.Compare(a.String(), b.String()) })
	return out
}

// unmapped are warnings about what of a table the map does not say.
func (w *work) unmapped(t *table) (out []connector.Finding) {
	mapped := slices.ContainsFunc(w.mapped, func(m *collection) bool { return m.table == t })
	if t.kind != "r" && t.kind != "p" {
		return nil // what a view shows is in tables
	}
	if mapped && t.guarded {
		out = append(out, w.finding(connector.Warning, fmt.Sprintf("table %s has row security: a role without BYPASSRLS cannot carry requests out", t)))
	}
	if !mapped {
		for _, f := range w.live.foreign {
			if f.from == t && slices.ContainsFunc(w.mapped, func(m *collection) bool { return m.table == f.to }) {
				out = append(out, w.finding(connector.Warning, fmt.Sprintf("table %s refers to %s by %s and is not in the map", t, f.to, strings.Join(f.columns, ", "))))
			}
		}
		if t.schema != w.c.schema {
			return out
		}
	}
	for _, c := range t.columns {
		if personal.MatchString(strings.ReplaceAll(c.name, "_", " ")+" "+c.name) && !w.said(t, c.name) {
			out = append(out, w.finding(connector.Warning, fmt.Sprintf("column %s.%s looks personal and is not in the map", t, c.name)))
		}
	}
	return out
}

// said says whether the map has a column, as a field or to find rows by. What
// only refers to another row says nothing by itself.
func (w *work) said(t *table, column string) bool {
	if slices.ContainsFunc(w.live.foreign, func(f foreign) bool { return f.from == t && slices.Contains(f.columns, column) }) {
		return true
	}
	return slices.ContainsFunc(w.mapped, func(m *collection) bool {
		if m.table != t {
			return m.parent != nil && m.parent.table == t && m.Parent.References == column
		}
		_, field := m.Field(column)
		return field || m.Key != nil && m.Key.Column == column || m.Parent != nil && m.Parent.Column == column
	})
}

// mayNot are the rights that the role lacks.
func (w *work) mayNot(ctx context.Context) (out []connector.Finding, err error) {
	for _, t := range w.tables() {
		if t == nil {
			continue
		}
		err := w.each(ctx, "read what the role may do", `SELECT p FROM unnest(ARRAY['SELECT', 'UPDATE', 'DELETE']) p
			WHERE NOT pg_catalog.has_table_privilege($1::bigint::oid, p)`, []any{t.oid}, func(scan func(...any) error) error {
			var right string
			err := scan(&right)
			out = append(out, w.finding(connector.Fault, fmt.Sprintf("the role may not %s on table %s", right, t)))
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	n, err := w.count(ctx, "read what the role may do", "SELECT CASE WHEN pg_catalog.has_database_privilege(current_database(), 'TEMPORARY') THEN 1 ELSE 0 END")
	if err == nil && n == 0 {
		out = append(out, w.finding(connector.Fault, "the role may not make temporary tables, which an erasure needs: GRANT TEMPORARY ON DATABASE"))
	}
	return out, err
}
