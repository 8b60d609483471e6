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
// true, and kept until the audit log has them: a crash in between loses neither.

// emit keeps events; their ids and times are set.
func (c conn) emit(ctx context.Context, events []event.Event) error {
	for _, e := range events {
		text, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("write event %s: %w", e.ID, err)
		}
		_, err = c.exec(ctx, `INSERT INTO privacy_outbox (id, event, created_ms) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING`,
			e.ID, string(text), e.Time.UnixMilli())
		if err != nil {
			return fmt.Errorf("keep event %s: %w", e.ID, err)
		}
	}
	return nil
}

// Emit keeps events that go with no other change.
func (s *Store) Emit(ctx context.Context, events ...event.Event) error { return s.emit(ctx, events) }

// UnloggedEvents are the oldest of the kept events that were made before, at
// most limit.
func (s *Store) UnloggedEvents(ctx context.Context, before time.Time, limit int) (events []event.Event, err error) {
	rows, err := s.query(ctx, `SELECT event FROM privacy_outbox WHERE created_ms < ? ORDER BY created_ms, id LIMIT ?`, before.UnixMilli(), limit)
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
