package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gatehouse/authz/event"
)

// Alert is one alert of one group. It is firing until it has an Ended.
type Alert struct {
	ID, Rule, GroupKey   string
	Labels               map[string]string
	Severity, Summary    string
	Events               int64 // that counted so far
	Started, Last, Ended time.Time
	Quiet                time.Duration // after Last, until it is resolved
}

// Delivery is what one sink is to be told about an alert.
type Delivery struct {
	ID, Sink  string
	Resolved  bool // that it is over, not that it began
	Attempts  int64
	LastError string
	Dead      time.Time
	Alert     Alert
}

const selectAlert = `a.id, a.rule, a.group_key, a.labels, a.severity, a.summary, a.events, a.started_ms, a.last_ms, a.quiet_ms, a.ended_ms`

func (a *Alert) scan(row interface{ Scan(...any) error }, more ...any) error {
	var labels string
	var started, last, quiet int64
	var ended sql.NullInt64
	fields := []any{&a.ID, &a.Rule, &a.GroupKey, &labels, &a.Severity, &a.Summary, &a.Events, &started, &last, &quiet, &ended}
	if err := row.Scan(append(fields, more...)...); err != nil {
		return fmt.Errorf("read an alert: %w", err)
	}
	a.Started, a.Last, a.Quiet = time.UnixMilli(started).UTC(), time.UnixMilli(last).UTC(), time.Duration(quiet)*time.Millisecond
	if ended.Valid {
		a.Ended = time.UnixMilli(ended.Int64).UTC()
	}
	if err := json.Unmarshal([]byte(labels), &a.Labels); err != nil {
		return fmt.Errorf("read the labels of alert %s: %w", a.ID, err)
	}
	return nil
}

// RaiseAlert keeps a new alert together with what each sink is to be told. It is
// false if the store has it already: then nothing more is to be told.
func (s *Store) RaiseAlert(ctx context.Context, a Alert, sinks []string) (fresh bool, err error) {
	labels, err := json.Marshal(a.Labels)
	if err != nil {
		return false, fmt.Errorf("write the labels of an alert: %w", err)
	}
	err = s.tx(ctx, func(c conn) error {
		result, err := c.exec(ctx, `INSERT INTO alerts
			(id, rule, group_key, labels, severity, summary, events, started_ms, last_ms, quiet_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO NOTHING`,
			a.ID, a.Rule, a.GroupKey, string(labels), a.Severity, a.Summary, a.Events, a.Started.UnixMilli(), a.Last.UnixMilli(), a.Quiet.Milliseconds())
		if err != nil {
			return fmt.Errorf("keep an alert: %w", err)
		}
		n, err := result.RowsAffected()
		if fresh = n == 1; err != nil || !fresh {
			return err
		}
		return s.enqueue(ctx, c, a.ID, sinks, false)
	})
	return fresh, err
}

func (s *Store) enqueue(ctx context.Context, c conn, alert string, sinks []string, resolved bool) error {
	for _, sink := range sinks {
		if _, err := c.exec(ctx, `INSERT INTO alert_deliveries (id, alert_id, sink, resolved, attempts, next_ms, last_error)
			VALUES (?, ?, ?, ?, 0, ?, '')`, event.NewID(), alert, sink, resolved, s.now().UnixMilli()); err != nil {
			return fmt.Errorf("keep what a sink is to be told: %w", err)
		}
	}
	return nil
}

// CountAlert says that an alert goes on: with so many events, the last at last.
func (s *Store) CountAlert(ctx context.Context, id string, events int64, last time.Time) error {
	if _, err := s.exec(ctx, `UPDATE alerts SET events = ?, last_ms = ? WHERE id = ? AND ended_ms IS NULL`, events, last.UnixMilli(), id); err != nil {
		return fmt.Errorf("count an alert: %w", err)
	}
	return nil
}

// ResolveAlert ends an alert and keeps that each sink is to be told so. It is
// false if it was over already.
func (s *Store) ResolveAlert(ctx context.Context, id string, sinks []string) (ended bool, err error) {
	err = s.tx(ctx, func(c conn) error {
		result, err := c.exec(ctx, `UPDATE alerts SET ended_ms = ? WHERE id = ? AND ended_ms IS NULL`, s.now().UnixMilli(), id)
		if err != nil {
			return fmt.Errorf("end an alert: %w", err)
		}
		n, err := result.RowsAffected()
		if ended = n == 1; err != nil || !ended {
			return err
		}
		return s.enqueue(ctx, c, id, sinks, true)
	})
	return ended, err
}

// Alerts lists alerts, the newest first: those of a rule, and firing or not, if
// that is said. cursor is what the page before has returned.
func (s *Store) Alerts(ctx context.Context, rule, state string, limit int, cursor string) (found []Alert, next string, err error) {
	where, args := []string{"1 = 1"}, []any{}
	if rule != "" {
		where, args = append(where, "a.rule = ?"), append(args, rule)
	}
	switch state {
	case "firing":
		where = append(where, "a.ended_ms IS NULL")
	case "resolved":
		where = append(where, "a.ended_ms IS NOT NULL")
	}
	if cursor != "" {
		before, id, ok := strings.Cut(cursor, ".")
		started, err := strconv.ParseInt(before, 10, 64)
		if !ok || err != nil {
			return nil, "", ErrBadCursor
		}
		where, args = append(where, "(a.started_ms < ? OR a.started_ms = ? AND a.id < ?)"), append(args, started, started, id)
	}
	// #nosec G202 -- conditions are the constants above
	rows, err := s.query(ctx, `SELECT `+selectAlert+` FROM alerts a WHERE `+strings.Join(where, " AND ")+` ORDER BY a.started_ms DESC, a.id DESC LIMIT ?`, append(args, limit+1)...)
	if err != nil {
		return nil, "", fmt.Errorf("list alerts: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var a Alert
		if err := a.scan(rows); err != nil {
			return nil, "", err
		}
		found = append(found, a)
	}
	if len(found) > limit {
		found = found[:limit]
		last := found[limit-1]
		next = strconv.FormatInt(last.Started.UnixMilli(), 10) + "." + last.ID
	}
	return found, next, rows.Err()
}

// DueDeliveries are what a sink is to be told now, the oldest first.
func (s *Store) DueDeliveries(ctx context.Context, sink string, limit int) ([]Delivery, error) {
	return s.deliveries(ctx, `d.sink = ? AND d.dead_ms IS NULL AND d.next_ms <= ? ORDER BY d.next_ms, d.id LIMIT ?`, sink, s.now().UnixMilli(), limit)
}

// DeadDeliveries are what sinks did not take in the end.
func (s *Store) DeadDeliveries(ctx context.Context, limit int) ([]Delivery, error) {
	return s.deliveries(ctx, `d.dead_ms IS NOT NULL ORDER BY d.dead_ms, d.id LIMIT ?`, limit)
}

func (s *Store) deliveries(ctx context.Context, where string, args ...any) (found []Delivery, err error) {
	// #nosec G202 -- conditions are the constants above
	rows, err := s.query(ctx, `SELECT `+selectAlert+`, d.id, d.sink, d.resolved, d.attempts, d.last_error, d.dead_ms
		FROM alert_deliveries d JOIN alerts a ON a.id = d.alert_id WHERE `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("list what sinks are to be told: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var d Delivery
		var dead sql.NullInt64
		if err := d.Alert.scan(rows, &d.ID, &d.Sink, &d.Resolved, &d.Attempts, &d.LastError, &dead); err != nil {
			return nil, err
		}
		if dead.Valid {
			d.Dead = time.UnixMilli(dead.Int64).UTC()
		}
		found = append(found, d)
	}
	return found, rows.Err()
}

// Delivered forgets a delivery that was made.
func (s *Store) Delivered(ctx context.Context, id string) error {
	if _, err := s.exec(ctx, `DELETE FROM alert_deliveries WHERE id = ?`, id); err != nil {
		return fmt.Errorf("forget a delivery: %w", err)
	}
	return nil
}

// Undelivered keeps why an attempt failed, and when the next is due; a zero next
// makes the delivery a dead letter.
func (s *Store) Undelivered(ctx context.Context, id, reason string, next time.Time) error {
	var dead any
	if next.IsZero() {
		next = s.now()
		dead = next.UnixMilli()
	}
	if _, err := s.exec(ctx, `UPDATE alert_deliveries SET attempts = attempts + 1, last_error = ?, next_ms = ?, dead_ms = ? WHERE id = ?`,
		reason, next.UnixMilli(), dead, id); err != nil {
		return fmt.Errorf("keep why a delivery failed: %w", err)
	}
	return nil
}

// Revive makes dead letters due again, with their attempts counted anew.
func (s *Store) Revive(ctx context.Context) (n int64, err error) {
	result, err := s.exec(ctx, `UPDATE alert_deliveries SET attempts = 0, dead_ms = NULL, next_ms = ? WHERE dead_ms IS NOT NULL`, s.now().UnixMilli())
	if err != nil {
		return 0, fmt.Errorf("revive dead letters: %w", err)
	}
	return result.RowsAffected()
}
