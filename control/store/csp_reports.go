package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Bounds of what is kept of reports: what browsers send is anybody's to make up.
const (
	MaxCSPGroups = 2000
	// cspGroupLife without a report, and a group is forgotten once there are too
	// many.
	cspGroupLife = 90 * 24 * time.Hour
)

// OtherCSP stands for the directive and the source of what came when there were
// MaxCSPGroups already.
const OtherCSP = "(other)"

// CSPReport counts the reports of one group: the same policy, disposition,
// directive and blocked source.
type CSPReport struct {
	Policy      string // of gatehouse.yaml, as the endpoint's address says it
	Disposition string // enforce or report
	Directive   string
	Blocked     string // an origin, or a word like inline
	Page        string // host and first part of the path of the last page
	Reports     int64
	First, Last time.Time
}

// AddCSPReports counts reports into their groups.
func (s *Store) AddCSPReports(ctx context.Context, found []CSPReport) error {
	found = slices.Clone(found)
	// In one order, so that no two transactions wait for each other.
	slices.SortFunc(found, func(a, b CSPReport) int {
		return cmp.Or(cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.Disposition, b.Disposition),
			cmp.Compare(a.Directive, b.Directive), cmp.Compare(a.Blocked, b.Blocked))
	})
	return s.tx(ctx, func(c conn) error {
		for _, r := range found {
			if err := c.countCSP(ctx, r); err != nil {
				return fmt.Errorf("count a CSP report: %w", err)
			}
		}
		return nil
	})
}

func (c conn) countCSP(ctx context.Context, r CSPReport) error {
	known, err := c.exec(ctx, `UPDATE csp_reports SET reports = reports + ?, last_ms = ?, page = ?
		WHERE policy = ? AND disposition = ? AND directive = ? AND blocked = ?`,
		r.Reports, r.Last.UnixMilli(), r.Page, r.Policy, r.Disposition, r.Directive, r.Blocked)
	if err != nil {
		return err
	}
	if n, err := known.RowsAffected(); err != nil || n > 0 {
		return err
	}
	full, err := c.cspFull(ctx, r.Last)
	if err != nil {
		return err
	}
	if full {
		r = CSPReport{Disposition: r.Disposition, Directive: OtherCSP, Blocked: OtherCSP, Reports: r.Reports, First: r.First, Last: r.Last}
	}
	_, err = c.exec(ctx, `INSERT INTO csp_reports (policy, disposition, directive, blocked, page, reports, first_ms, last_ms)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (policy, disposition, directive, blocked)
		DO UPDATE SET reports = csp_reports.reports + excluded.reports, last_ms = excluded.last_ms, page = excluded.page`,
		r.Policy, r.Disposition, r.Directive, r.Blocked, r.Page, r.Reports, r.First.UnixMilli(), r.Last.UnixMilli())
	return err
}

// cspFull tells whether a further group would be one too many, once the old ones
// are gone.
func (c conn) cspFull(ctx context.Context, now time.Time) (bool, error) {
	var n int64
	count := func() error { return c.queryRow(ctx, `SELECT COUNT(*) FROM csp_reports`).Scan(&n) }
	if err := count(); err != nil || n < MaxCSPGroups {
		return false, err
	}
	if _, err := c.exec(ctx, `DELETE FROM csp_reports WHERE last_ms < ?`, now.Add(-cspGroupLife).UnixMilli()); err != nil {
		return false, err
	}
	err := count()
	return n >= MaxCSPGroups, err
}

// CSPReports are the groups of a policy, or of all if it is empty, those with the
// most reports first.
func (s *Store) CSPReports(ctx context.Context, policy string, limit int) (found []CSPReport, err error) {
	rows, err := s.query(ctx, `SELECT policy, disposition, directive, blocked, page, reports, first_ms, last_ms FROM csp_reports
		WHERE policy = ? OR ? = '' ORDER BY reports DESC, last_ms DESC, policy, disposition, directive, blocked LIMIT ?`, policy, policy, limit)
	if err != nil {
		return nil, fmt.Errorf("read CSP reports: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r CSPReport
		var first, last int64
		if err := rows.Scan(&r.Policy, &r.Disposition, &r.Directive, &r.Blocked, &r.Page, &r.Reports, &first, &last); err != nil {
			return nil, fmt.Errorf("read a CSP report: %w", err)
		}
		r.First, r.Last = time.UnixMilli(first).UTC(), time.UnixMilli(last).UTC()
		found = append(found, r)
	}
	return found, rows.Err()
}
