package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"gatehouse/authz/event"
)

// A request that is carried out is one worker's at a time. The lease runs out
// when its worker dies, and what a worker writes after that is refused.

// LeaseRequest takes a request of that state which has something to do at now and
// is nobody's, for a time. ErrNoRequest if there is none.
func (s *Store) LeaseRequest(ctx context.Context, state, owner string, now time.Time, lasts time.Duration) (id string, err error) {
	query := `UPDATE subject_requests SET lease_owner = ?, lease_until_ms = ? WHERE id = (
		SELECT id FROM subject_requests WHERE state = ? AND next_ms <= ? AND lease_until_ms <= ? ORDER BY next_ms, id LIMIT 1`
	if s.postgres {
		query += ` FOR UPDATE SKIP LOCKED`
	}
	at := now.UnixMilli()
	err = s.queryRow(ctx, query+`) RETURNING id`, owner, now.Add(lasts).UnixMilli(), state, at, at).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", ErrNoRequest
	}
	if err != nil {
		return "", fmt.Errorf("take a request: %w", err)
	}
	return id, nil
}

// RenewLease makes a lease last until a later time. ErrLease if it is lost.
func (s *Store) RenewLease(ctx context.Context, id, owner string, until time.Time) error {
	result, err := s.exec(ctx, `UPDATE subject_requests SET lease_until_ms = ? WHERE id = ? AND lease_owner = ?`, until.UnixMilli(), id, owner)
	if err != nil {
		return fmt.Errorf("keep a request: %w", err)
	}
	return one(result, ErrLease)
}

// ReleaseRequest gives a request back, to be looked at again at next.
func (s *Store) ReleaseRequest(ctx context.Context, id, owner string, next time.Time) error {
	_, err := s.exec(ctx, `UPDATE subject_requests SET lease_owner = '', lease_until_ms = 0, next_ms = ? WHERE id = ? AND lease_owner = ?`,
		next.UnixMilli(), id, owner)
	if err != nil {
		return fmt.Errorf("give a request back: %w", err)
	}
	return nil
}

// ReleaseRequests gives back all requests of owners whose names begin so: those
// of a worker that is no more.
func (s *Store) ReleaseRequests(ctx context.Context, ownersBegin string) error {
	_, err := s.exec(ctx, `UPDATE subject_requests SET lease_owner = '', lease_until_ms = 0, next_ms = 0 WHERE substr(lease_owner, 1, ?) = ?`,
		utf8.RuneCountInString(ownersBegin), ownersBegin)
	if err != nil {
		return fmt.Errorf("give requests back: %w", err)
	}
	return nil
}

// SaveStep writes the state of one step of a request that is the caller's,
// together with the events that tell of it. ErrLease if it is no longer.
func (s *Store) SaveStep(ctx context.Context, id, owner string, p RequestStep, told ...event.Event) error {
	return s.tx(ctx, func(c conn) error {
		if err := c.demandLease(ctx, id, owner); err != nil {
			return err
		}
		_, err := c.exec(ctx, `UPDATE subject_request_steps SET state = ?, attempts = ?, error = ?, result = ?, next_ms = ?, changed_ms = ?
			WHERE request_id = ? AND position = ?`, p.State, p.Attempts, p.Error, p.Result, p.Next.UnixMilli(), p.Changed.UnixMilli(), id, p.Position)
		if err != nil {
			return fmt.Errorf("change a step of a request: %w", err)
		}
		return c.emit(ctx, told)
	})
}

func (c conn) demandLease(ctx context.Context, id, owner string) error {
	query := `SELECT lease_owner FROM subject_requests WHERE id = ?`
	if c.postgres {
		query += ` FOR UPDATE`
	}
	var has string
	if err := c.queryRow(ctx, query, id).Scan(&has); err != nil {
		return fmt.Errorf("read whose a request is: %w", err)
	}
	if has != owner {
		return ErrLease
	}
	return nil
}

// AttestStep writes a step that a person has done by hand, whoever has the lease.
func (s *Store) AttestStep(ctx context.Context, id string, p RequestStep, told ...event.Event) error {
	return s.tx(ctx, func(c conn) error {
		// The lease ends: a worker that is on this very step must not overwrite it.
		_, err := c.exec(ctx, `UPDATE subject_requests SET lease_owner = '', lease_until_ms = 0, next_ms = 0 WHERE id = ?`, id)
		if err != nil {
			return fmt.Errorf("take a request from its worker: %w", err)
		}
		result, err := c.exec(ctx, `UPDATE subject_request_steps SET state = ?, error = '', result = ?, next_ms = 0, changed_ms = ?
			WHERE request_id = ? AND position = ? AND state <> ?`, p.State, p.Result, p.Changed.UnixMilli(), id, p.Position, p.State)
		if err != nil {
			return fmt.Errorf("change a step of a request: %w", err)
		}
		if err := one(result, ErrChanged); err != nil {
			return err
		}
		return c.emit(ctx, told)
	})
}

// HurryRequest makes what waits for another attempt due now.
func (s *Store) HurryRequest(ctx context.Context, id string) error {
	return s.tx(ctx, func(c conn) error {
		_, err := c.exec(ctx, `UPDATE subject_request_steps SET next_ms = 0 WHERE request_id = ?`, id)
		if err == nil {
			_, err = c.exec(ctx, `UPDATE subject_requests SET next_ms = 0 WHERE id = ?`, id)
		}
		if err != nil {
			return fmt.Errorf("make a request due: %w", err)
		}
		return nil
	})
}

// HurrySystem makes due now what waits for one system in a step of that state.
func (s *Store) HurrySystem(ctx context.Context, system, state string) error {
	return s.tx(ctx, func(c conn) error {
		_, err := c.exec(ctx, `UPDATE subject_requests SET next_ms = 0 WHERE closed_ms IS NULL AND id IN
			(SELECT request_id FROM subject_request_steps WHERE system = ? AND state = ? AND attempts > 0)`, system, state)
		if err == nil {
			_, err = c.exec(ctx, `UPDATE subject_request_steps SET next_ms = 0 WHERE system = ? AND state = ? AND attempts > 0`, system, state)
		}
		if err != nil {
			return fmt.Errorf("make a system's steps due: %w", err)
		}
		return nil
	})
}
