package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"gatehouse/authz/event"
)

// ErrNoBreach says that there is no such breach.
var ErrNoBreach = errors.New("no such breach")

// Breach is an entry of the register of personal data breaches (Art. 33(5)).
type Breach struct {
	ID, State string
	Facts     string // JSON
	Aware     time.Time
	Created   time.Time
	Changed   time.Time
	Warned    int // reminders that were given
	Version   int64

	Entries []BreachEntry // only of a single breach; the oldest first
}

// BreachEntry is one thing that was written down.
type BreachEntry struct {
	Version int64 // of the breach after it
	By      string
	Changes string // JSON
	Time    time.Time
}

const selectBreach = `SELECT id, state, facts, aware_ms, created_ms, changed_ms, warned, version FROM breaches`

func scanBreach(row interface{ Scan(...any) error }) (Breach, error) {
	var b Breach
	var aware, created, changed int64
	err := row.Scan(&b.ID, &b.State, &b.Facts, &aware, &created, &changed, &b.Warned, &b.Version)
	if errors.Is(err, sql.ErrNoRows) {
		return b, ErrNoBreach
	}
	if err != nil {
		return b, fmt.Errorf("read a breach: %w", err)
	}
	b.Aware, b.Created, b.Changed = time.UnixMilli(aware).UTC(), time.UnixMilli(created).UTC(), time.UnixMilli(changed).UTC()
	return b, nil
}

// AddBreach adds a breach with its first entry, and the event that tells of it.
func (s *Store) AddBreach(ctx context.Context, b Breach, first BreachEntry, told event.Event) error {
	return s.tx(ctx, func(c conn) error {
		_, err := c.exec(ctx, `INSERT INTO breaches (id, state, facts, aware_ms, created_ms, changed_ms) VALUES (?, ?, ?, ?, ?, ?)`,
			b.ID, b.State, b.Facts, b.Aware.UnixMilli(), b.Created.UnixMilli(), b.Changed.UnixMilli())
		if err != nil {
			return fmt.Errorf("record a breach: %w", err)
		}
		first.Version = 1
		return c.addEntry(ctx, b.ID, first, told)
	})
}

func (c conn) addEntry(ctx context.Context, id string, e BreachEntry, told event.Event) error {
	_, err := c.exec(ctx, `INSERT INTO breach_entries (breach_id, version, by_name, changes, recorded_ms) VALUES (?, ?, ?, ?, ?)`,
		id, e.Version, e.By, e.Changes, e.Time.UnixMilli())
	if err != nil {
		return fmt.Errorf("write down what is known of a breach: %w", err)
	}
	return c.emit(ctx, []event.Event{told})
}

// UpdateBreach changes a breach that still is at the version that was read, with
// an entry and the event that tells of it; ErrChanged otherwise.
func (s *Store) UpdateBreach(ctx context.Context, b Breach, e BreachEntry, told event.Event) error {
	return s.tx(ctx, func(c conn) error {
		result, err := c.exec(ctx, `UPDATE breaches SET state = ?, facts = ?, aware_ms = ?, changed_ms = ?, warned = ?, version = version + 1
			WHERE id = ? AND version = ?`, b.State, b.Facts, b.Aware.UnixMilli(), b.Changed.UnixMilli(), b.Warned, b.ID, b.Version)
		if err != nil {
			return fmt.Errorf("change a breach: %w", err)
		}
		if err := one(result, ErrChanged); err != nil {
			return err
		}
		e.Version = b.Version + 1
		return c.addEntry(ctx, b.ID, e, told)
	})
}

// Breach finds a breach with all that was written down.
func (s *Store) Breach(ctx context.Context, id string) (Breach, error) {
	b, err := scanBreach(s.queryRow(ctx, selectBreach+` WHERE id = ?`, id))
	if err != nil {
		return b, err
	}
	b.Entries, err = s.breachEntries(ctx, id)
	return b, err
}

func (s *Store) breachEntries(ctx context.Context, id string) (entries []BreachEntry, err error) {
	rows, err := s.query(ctx, `SELECT version, by_name, changes, recorded_ms FROM breach_entries WHERE breach_id = ? ORDER BY version`, id)
	if err != nil {
		return nil, fmt.Errorf("read what is known of a breach: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var e BreachEntry
		var recorded int64
		if err := rows.Scan(&e.Version, &e.By, &e.Changes, &recorded); err != nil {
			return nil, fmt.Errorf("read what is known of a breach: %w", err)
		}
		e.Time = time.UnixMilli(recorded).UTC()
		entries = append(entries, e)
	}
	return entries, rows.Err()
}

// Breaches lists breaches without their entries, the newest first; an empty
// state lists all.
func (s *Store) Breaches(ctx context.Context, state string, limit int, cursor string) (found []Breach, next string, err error) {
	where, args := ` WHERE 1 = 1`, []any{}
	for _, one := range []struct{ test, value string }{{`state = ?`, state}, {`id < ?`, cursor}} {
		if one.value != "" {
			where += ` AND ` + one.test
			args = append(args, one.value)
		}
	}
	rows, err := s.query(ctx, selectBreach+where+` ORDER BY id DESC LIMIT ?`, append(args, limit+1)...) // #nosec G202 -- constants
	if err != nil {
		return nil, "", fmt.Errorf("list breaches: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		b, err := scanBreach(rows)
		if err != nil {
			return nil, "", err
		}
		found = append(found, b)
	}
	if len(found) > limit {
		found = found[:limit]
		next = found[limit-1].ID
	}
	return found, next, rows.Err()
}

// BreachesDue are the ids of breaches in one of the states of which somebody was
// aware before, with fewer than warned reminders.
func (s *Store) BreachesDue(ctx context.Context, states []string, before time.Time, warned, limit int) ([]string, error) {
	args := []any{before.UnixMilli(), warned}
	for _, state := range states {
		args = append(args, state)
	}
	rows, err := s.query(ctx, `SELECT id FROM breaches WHERE aware_ms <= ? AND warned < ? AND state IN (`+marks(len(states))+`) ORDER BY aware_ms, id LIMIT ?`, // #nosec G202 -- marks
		append(args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("list the breaches that are due: %w", err)
	}
	return scanTexts(rows)
}
