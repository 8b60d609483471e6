package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	defaultPage = 50
	// MaxPage is the most that one page holds.
	MaxPage = 500
	// maxTypes bounds the types of a query.
	maxTypes = 64
)

// ErrBadCursor says that a cursor is not one that a page has given.
var ErrBadCursor = errors.New("the cursor is not one of a page: leave it out to begin anew")

// EventQuery says which events to find: those to which all that is set applies.
type EventQuery struct {
	ID                         string
	Types                      []string // one of them; at most 64
	Subject, Client, RequestID string
	Outcome, Severity          string
	Feature, Rule              string
	// From and To bound the time: not before From, before To.
	From, To time.Time
	// Text stands in the rule or the reason, whatever its letter case.
	Text string
	// Limit is the size of a page; 0 means 50, and more than MaxPage is MaxPage.
	Limit int
	// Cursor is the Next of the page before.
	Cursor string
}

// EventPage is a part of what was found, the newest first in the order of the log.
type EventPage struct {
	Events []IndexedEvent
	Next   string // cursor of the next page; empty on the last
}

// SearchEvents searches the index of the audit log. What it has not come to yet
// is not found.
func (s *Store) SearchEvents(ctx context.Context, q EventQuery) (page EventPage, err error) {
	where, err := q.where()
	if err != nil {
		return page, err
	}
	limit := q.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, MaxPage)
	// #nosec G202 -- conditions are the constants of where
	rows, err := s.query(ctx, `SELECT leaf, event_id, time_ms, type, severity, outcome, subject, client, request_id, feature, rule, text
		FROM audit_index`+where.text()+` ORDER BY leaf DESC LIMIT ?`, append(where.args, limit+1)...)
	if err != nil {
		return page, fmt.Errorf("search the index of the audit log: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		e, err := scanEvent(rows)
		if err != nil {
			return page, err
		}
		page.Events = append(page.Events, e)
	}
	if err := rows.Err(); err != nil {
		return page, fmt.Errorf("search the index of the audit log: %w", err)
	}
	if len(page.Events) > limit {
		page.Events = page.Events[:limit]
		page.Next = strconv.FormatUint(page.Events[limit-1].Leaf, 10)
	}
	return page, nil
}

// conditions are joined by AND.
type conditions struct {
	all  []string
	args []any
}

func (c *conditions) add(condition string, args ...any) {
	c.all = append(c.all, condition)
	c.args = append(c.args, args...)
}

func (c *conditions) text() string {
	if len(c.all) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.all, " AND ")
}

func (q EventQuery) where() (conditions, error) {
	var c conditions
	for _, f := range []struct{ column, value string }{
		{"event_id", q.ID}, {"subject", q.Subject}, {"client", q.Client}, {"request_id", q.RequestID},
		{"outcome", q.Outcome}, {"severity", q.Severity}, {"feature", q.Feature}, {"rule", q.Rule},
	} {
		if f.value != "" {
			c.add(f.column+" = ?", storable(f.value))
		}
	}
	if len(q.Types) > maxTypes {
		return c, fmt.Errorf("a search is for at most %d types of events", maxTypes)
	}
	if len(q.Types) > 0 {
		types := make([]any, 0, len(q.Types))
		for _, t := range q.Types {
			types = append(types, storable(t))
		}
		c.add("type IN ("+strings.TrimSuffix(strings.Repeat("?, ", len(types)), ", ")+")", types...)
	}
	if !q.From.IsZero() {
		c.add("time_ms >= ?", q.From.UnixMilli())
	}
	if !q.To.IsZero() {
		c.add("time_ms < ?", q.To.UnixMilli())
	}
	if q.Text != "" {
		literal := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(storable(strings.ToLower(q.Text)))
		c.add(`text LIKE ? ESCAPE '\'`, "%"+literal+"%")
	}
	if q.Cursor != "" {
		leaf, err := strconv.ParseInt(q.Cursor, 10, 64)
		if err != nil || leaf < 0 {
			return c, ErrBadCursor
		}
		c.add("leaf < ?", leaf)
	}
	return c, nil
}

func scanEvent(rows *sql.Rows) (IndexedEvent, error) {
	var e IndexedEvent
	var leaf, ms int64
	var subject, client, request, feature, rule sql.NullString
	err := rows.Scan(&leaf, &e.ID, &ms, &e.Type, &e.Severity, &e.Outcome, &subject, &client, &request, &feature, &rule, &e.Text)
	if err != nil {
		return e, fmt.Errorf("read the index of the audit log: %w", err)
	}
	e.Leaf, e.Time = uint64(leaf), time.UnixMilli(ms).UTC() // #nosec G115 -- written as unsigned
	e.Subject, e.Client, e.RequestID, e.Feature, e.Rule = subject.String, client.String, request.String, feature.String, rule.String
	return e, nil
}
