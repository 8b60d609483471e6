package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gatehouse/authz/event"
)

// Events about people's rights are written in the transaction that makes them
// true, those of commands on users right after it, and kept until the audit log has them: a crash in between loses neither.

// logWithin is how long an event may take into the audit log before it is sent
// again.
const logWithin = 30 * time.Second

// emit keeps events; their ids and times are set.
func (c conn) emit(ctx context.Context, events []event.Event) error {
	return c.keep(ctx, logWithin, events)
}

// keep is emit for events that the log should have within a time.
func (c conn) keep(ctx context.Context, within time.Duration, events []event.Event) error {
	for _, e := range events {
		text, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("write event %s: %w", e.ID, err)
		}
		_, err = c.exec(ctx, `INSERT INTO privacy_outbox (id, event, due_ms) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING`,
			e.ID, string(text), e.Time.Add(within).UnixMilli())
		if err != nil {
			return fmt.Errorf("keep event %s: %w", e.ID, err)
		}
	}
	return nil
}

// Emit keeps events that go with no other change.
func (s *Store) Emit(ctx context.Context, events ...event.Event) error { return s.emit(ctx, events) }

// Leave keeps events that nobody has sent to the log: whoever looks after it
// does, with the next look.
func (s *Store) Leave(ctx context.Context, events ...event.Event) error {
	return s.keep(ctx, 0, events)
}

// UnloggedEvents are the kept events that the audit log should have by now, at
// most limit; those that were looked at least lately come first.
func (s *Store) UnloggedEvents(ctx context.Context, now time.Time, limit int) (events []event.Event, err error) {
	rows, err := s.query(ctx, `SELECT event FROM privacy_outbox WHERE due_ms <= ? ORDER BY due_ms, id LIMIT ?`, now.UnixMilli(), limit)
	if err != nil {
		return nil, fmt.Errorf("read the events to be logged: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, fmt.Errorf("read an event to be logged: %w", err)
		}
		var e event.Event
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			return nil, fmt.Errorf("read an event to be logged: %w", err)
		}
		events = append(events, e)
	}
	return events, rows.Err()
}

// EventSent says that an event was sent to the log again at now.
func (s *Store) EventSent(ctx context.Context, id string, now time.Time) error {
	if _, err := s.exec(ctx, `UPDATE privacy_outbox SET due_ms = ? WHERE id = ?`, now.Add(logWithin).UnixMilli(), id); err != nil {
		return fmt.Errorf("note that event %s was sent: %w", id, err)
	}
	return nil
}

// EventLogged forgets an event that the audit log has.
func (s *Store) EventLogged(ctx context.Context, id string) error {
	if _, err := s.exec(ctx, `DELETE FROM privacy_outbox WHERE id = ?`, id); err != nil {
		return fmt.Errorf("forget event %s: %w", id, err)
	}
	return nil
}

// millis is a time as the database has it; zero is NULL.
func millis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}
