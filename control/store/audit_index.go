package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

var (
	// ErrIndexMoved says that somebody else has added to the index, or emptied it.
	ErrIndexMoved = errors.New("the index of the audit log does not end where it was")
	// ErrNoEvent says that the index has no event of an id.
	ErrNoEvent = errors.New("the index of the audit log has no such event")
)

// rowsAtOnce bounds one statement's rows: 12 parameters each, of the 32,766 that
// SQLite takes.
const rowsAtOnce = 250

// IndexedEvent is what of an event can be searched for. Empty fields match no
// filter.
type IndexedEvent struct {
	Leaf                       uint64 // index of the entry in the log
	ID                         string
	Time                       time.Time // to the millisecond
	Type, Severity, Outcome    string
	Subject, Client, RequestID string
	Feature, Rule              string
	Text                       string // of the rule and the reason
}

// IndexState is how far the index has come.
type IndexState struct {
	Log  string // which log it is of; empty before the first event
	Next uint64 // index of the first entry that it does not have
}

// EventIndex says how far the index has come.
func (s *Store) EventIndex(ctx context.Context) (IndexState, error) {
	return indexState(ctx, s.conn, "")
}

func indexState(ctx context.Context, c conn, lock string) (IndexState, error) {
	var state IndexState
	var next int64
	err := c.queryRow(ctx, `SELECT log, next FROM audit_index_state WHERE one = 1`+lock).Scan(&state.Log, &next)
	if err != nil {
		return state, fmt.Errorf("read how far the index of the audit log has come: %w", err)
	}
	state.Next = uint64(next) // #nosec G115 -- written as unsigned below
	return state, nil
}

// ResetEventIndex empties the index and makes it that of a log.
func (s *Store) ResetEventIndex(ctx context.Context, log string) error {
	return s.tx(ctx, func(c conn) error {
		if _, err := c.exec(ctx, `UPDATE audit_index_state SET log = ?, next = 0 WHERE one = 1`, log); err != nil {
			return fmt.Errorf("empty the index of the audit log: %w", err)
		}
		if _, err := c.exec(ctx, `DELETE FROM audit_index`); err != nil {
			return fmt.Errorf("empty the index of the audit log: %w", err)
		}
		return nil
	})
}

// IndexEvents adds events, which are those from index from on, all of them or
// none. ErrIndexMoved if the index does not end there.
func (s *Store) IndexEvents(ctx context.Context, from uint64, events []IndexedEvent) error {
	return s.tx(ctx, func(c conn) error {
		lock := ""
		if c.postgres {
			lock = " FOR UPDATE"
		}
		state, err := indexState(ctx, c, lock)
		if err != nil {
			return err
		}
		if state.Next != from {
			return ErrIndexMoved
		}
		for rest := events; len(rest) > 0; {
			n := min(len(rest), rowsAtOnce)
			if err := insertEvents(ctx, c, rest[:n]); err != nil {
				return err
			}
			rest = rest[n:]
		}
		_, err = c.exec(ctx, `UPDATE audit_index_state SET next = ? WHERE one = 1`, int64(from)+int64(len(events))) // #nosec G115 -- the size of a log
		if err != nil {
			return fmt.Errorf("write how far the index of the audit log has come: %w", err)
		}
		return nil
	})
}

func insertEvents(ctx context.Context, c conn, events []IndexedEvent) error {
	const row = `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	args := make([]any, 0, 12*len(events))
	for _, e := range events {
		args = append(args, int64(e.Leaf), storable(e.ID), e.Time.UnixMilli(), storable(e.Type), storable(e.Severity), storable(e.Outcome), // #nosec G115 -- the size of a log
			orNull(e.Subject), orNull(e.Client), orNull(e.RequestID), orNull(e.Feature), orNull(e.Rule), storable(strings.ToLower(e.Text)))
	}
	rows := strings.TrimSuffix(strings.Repeat(row+", ", len(events)), ", ")
	_, err := c.exec(ctx, `INSERT INTO audit_index
		(leaf, event_id, time_ms, type, severity, outcome, subject, client, request_id, feature, rule, text) VALUES `+rows, args...) // #nosec G202 -- rows holds "?" alone
	if err != nil {
		return fmt.Errorf("add to the index of the audit log: %w", err)
	}
	return nil
}

// maxIndexed bounds a value, in bytes: PostgreSQL's B-trees take up to 2,704.
const maxIndexed = 1024

// storable makes a text one that both kinds of database take: without NUL, and
// bounded.
func storable(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s[:min(len(s), maxIndexed)], "\x00", "\ufffd"), "")
}

// orNull keeps empty values out of the indexes.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return storable(s)
}

// KnownEvents says which of the ids the index has.
func (s *Store) KnownEvents(ctx context.Context, ids []string) (known map[string]bool, err error) {
	known = make(map[string]bool, len(ids))
	for len(ids) > 0 {
		n := min(len(ids), rowsAtOnce)
		if err := s.knownEvents(ctx, ids[:n], known); err != nil {
			return nil, fmt.Errorf("look ids up in the index of the audit log: %w", err)
		}
		ids = ids[n:]
	}
	return known, nil
}

func (s *Store) knownEvents(ctx context.Context, ids []string, known map[string]bool) (err error) {
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(ids)), ", ")
	args := make([]any, 0, len(ids))
	for _, id := range ids {
		args = append(args, storable(id))
	}
	rows, err := s.query(ctx, `SELECT event_id FROM audit_index WHERE event_id IN (`+marks+`)`, args...) // #nosec G202 -- marks holds "?" alone
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return err
		}
		known[id] = true
	}
	return rows.Err()
}

// EventLeaf says where in the log the event of an id lies. ErrNoEvent if the
// index does not have it.
func (s *Store) EventLeaf(ctx context.Context, id string) (uint64, error) {
	page, err := s.SearchEvents(ctx, EventQuery{ID: id, Limit: 1})
	if err != nil {
		return 0, err
	}
	if len(page.Events) == 0 {
		return 0, ErrNoEvent
	}
	return page.Events[0].Leaf, nil
}
