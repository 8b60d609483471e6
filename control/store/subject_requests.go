package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"gatehouse/authz/event"
)

var (
	// ErrNoRequest says that there is no such request.
	ErrNoRequest = errors.New("no such request")
	// ErrChanged says that somebody else has changed it meanwhile: read it again.
	ErrChanged = errors.New("it was changed meanwhile")
	// ErrLease says that the request is no longer the caller's to work on.
	ErrLease = errors.New("somebody else works on the request now")
)

// SubjectRequest is a person's request (Art. 15 to 21).
type SubjectRequest struct {
	ID, SubjectID string
	Pseudonym     string // of the person, read only
	Kind, State   string
	Terms         string // JSON that names nobody
	Sealed        string // what people wrote
	CreatedBy     string
	VerifiedBy    string
	Received, Due time.Time
	// Zero as long as it has not happened.
	Extended, Verified, Closed time.Time
	// Warned counts the warnings about the deadline that were given.
	Warned int
	// Version counts the changes; UpdateRequest demands the one that was read.
	Version int64
	// Next is when there is something to do, while it is being carried out.
	Next time.Time

	Steps []RequestStep
}

// RequestStep is the state of a request in one system.
type RequestStep struct {
	Position      int
	System, State string
	Attempts      int
	Error         string // of the last attempt; empty once done
	Result        string // JSON
	Next          time.Time
	Changed       time.Time
}

const selectRequest = `SELECT r.id, r.subject_id, s.pseudonym, r.kind, r.state, r.terms, r.sealed, r.created_by, r.verified_by,
	r.received_ms, r.due_ms, r.extended_ms, r.verified_ms, r.closed_ms, r.warned, r.version, r.next_ms
	FROM subject_requests r JOIN subjects s ON s.id = r.subject_id`

func scanRequest(row interface{ Scan(...any) error }) (SubjectRequest, error) {
	var r SubjectRequest
	var received, due, next int64
	var extended, verified, closed sql.NullInt64
	err := row.Scan(&r.ID, &r.SubjectID, &r.Pseudonym, &r.Kind, &r.State, &r.Terms, &r.Sealed, &r.CreatedBy, &r.VerifiedBy,
		&received, &due, &extended, &verified, &closed, &r.Warned, &r.Version, &next)
	if errors.Is(err, sql.ErrNoRows) {
		return r, ErrNoRequest
	}
	if err != nil {
		return r, fmt.Errorf("read a request: %w", err)
	}
	r.Received, r.Due, r.Next = time.UnixMilli(received).UTC(), time.UnixMilli(due).UTC(), time.UnixMilli(next).UTC()
	r.Extended, r.Verified, r.Closed = timeOf(extended), timeOf(verified), timeOf(closed)
	return r, nil
}

// AddRequest adds a request, together with the events that tell of it. ErrErased
// if the person was erased.
func (s *Store) AddRequest(ctx context.Context, r SubjectRequest, told ...event.Event) error {
	return s.tx(ctx, func(c conn) error {
		if err := c.lockSubject(ctx, r.SubjectID); err != nil {
			return err
		}
		_, err := c.exec(ctx, `INSERT INTO subject_requests
			(id, subject_id, kind, state, terms, sealed, created_by, verified_by, received_ms, due_ms, verified_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			r.ID, r.SubjectID, r.Kind, r.State, r.Terms, r.Sealed, r.CreatedBy, r.VerifiedBy, r.Received.UnixMilli(), r.Due.UnixMilli(), millis(r.Verified))
		if err != nil {
			return fmt.Errorf("add a request: %w", err)
		}
		return c.emit(ctx, told)
	})
}

// Request finds a request with its steps.
func (s *Store) Request(ctx context.Context, id string) (SubjectRequest, error) {
	r, err := scanRequest(s.queryRow(ctx, selectRequest+` WHERE r.id = ?`, id))
	if err != nil {
		return r, err
	}
	r.Steps, err = s.steps(ctx, id)
	return r, err
}

func (c conn) steps(ctx context.Context, id string) (steps []RequestStep, err error) {
	rows, err := c.query(ctx, `SELECT position, system, state, attempts, error, result, next_ms, changed_ms
		FROM subject_request_steps WHERE request_id = ? ORDER BY position`, id)
	if err != nil {
		return nil, fmt.Errorf("read the steps of a request: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var p RequestStep
		var next, changed int64
		if err := rows.Scan(&p.Position, &p.System, &p.State, &p.Attempts, &p.Error, &p.Result, &next, &changed); err != nil {
			return nil, fmt.Errorf("read a step of a request: %w", err)
		}
		p.Next, p.Changed = time.UnixMilli(next).UTC(), time.UnixMilli(changed).UTC()
		steps = append(steps, p)
	}
	return steps, rows.Err()
}

// RequestQuery narrows a list of requests; empty fields do not.
type RequestQuery struct {
	SubjectID, Kind string
	States          []string
	Limit           int
	Cursor          string // ID of the last request of the page before
}

// Requests lists requests without their steps, the newest first.
func (s *Store) Requests(ctx context.Context, q RequestQuery) (found []SubjectRequest, next string, err error) {
	where, args := ` WHERE 1 = 1`, []any{}
	for _, one := range []struct{ test, value string }{{`r.subject_id = ?`, q.SubjectID}, {`r.kind = ?`, q.Kind}, {`r.id < ?`, q.Cursor}} {
		if one.value != "" {
			where += ` AND ` + one.test
			args = append(args, one.value)
		}
	}
	if len(q.States) > 0 {
		where += ` AND r.state IN (` + marks(len(q.States)) + `)`
		for _, state := range q.States {
			args = append(args, state)
		}
	}
	args = append(args, q.Limit+1)
	rows, err := s.query(ctx, selectRequest+where+` ORDER BY r.id DESC LIMIT ?`, args...) // #nosec G202 -- constants
	if err != nil {
		return nil, "", fmt.Errorf("list requests: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		r, err := scanRequest(rows)
		if err != nil {
			return nil, "", err
		}
		found = append(found, r)
	}
	if len(found) > q.Limit {
		found = found[:q.Limit]
		next = found[q.Limit-1].ID
	}
	return found, next, rows.Err()
}

// UpdateRequest writes what may change of a request, if it still is at the
// version that was read, together with the events that tell of it. Steps are
// added where there are none yet, and not changed.
func (s *Store) UpdateRequest(ctx context.Context, r SubjectRequest, told ...event.Event) error {
	return s.tx(ctx, func(c conn) error {
		result, err := c.exec(ctx, `UPDATE subject_requests SET state = ?, terms = ?, sealed = ?, verified_by = ?, due_ms = ?, extended_ms = ?,
			verified_ms = ?, closed_ms = ?, warned = ?, next_ms = ?, version = version + 1 WHERE id = ? AND version = ?`,
			r.State, r.Terms, r.Sealed, r.VerifiedBy, r.Due.UnixMilli(), millis(r.Extended), millis(r.Verified), millis(r.Closed),
			r.Warned, r.Next.UnixMilli(), r.ID, r.Version)
		if err != nil {
			return fmt.Errorf("change a request: %w", err)
		}
		if err := one(result, ErrChanged); err != nil {
			return err
		}
		for _, p := range r.Steps {
			_, err := c.exec(ctx, `INSERT INTO subject_request_steps (request_id, position, system, state, changed_ms) VALUES (?, ?, ?, ?, ?)
				ON CONFLICT (request_id, position) DO NOTHING`, r.ID, p.Position, p.System, p.State, p.Changed.UnixMilli())
			if err != nil {
				return fmt.Errorf("add a step to a request: %w", err)
			}
		}
		return c.emit(ctx, told)
	})
}

// OpenSubjectsRequests are the ids of the person's requests that are not closed,
// besides one.
func (s *Store) OpenSubjectsRequests(ctx context.Context, subjectID, besides string, closed []string) ([]string, error) {
	args := []any{subjectID, besides}
	for _, state := range closed {
		args = append(args, state)
	}
	rows, err := s.query(ctx, `SELECT id FROM subject_requests WHERE subject_id = ? AND id <> ? AND state NOT IN (`+marks(len(closed))+`) ORDER BY id`, args...)
	if err != nil {
		return nil, fmt.Errorf("list a person's requests: %w", err)
	}
	return scanTexts(rows)
}

func scanTexts(rows *sql.Rows) (texts []string, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, fmt.Errorf("read a row: %w", err)
		}
		texts = append(texts, text)
	}
	return texts, rows.Err()
}

// RequestsDue are the ids of requests in one of the states whose deadline is
// before, and of which fewer than warned warnings were given.
func (s *Store) RequestsDue(ctx context.Context, states []string, before time.Time, warned, limit int) ([]string, error) {
	args := []any{before.UnixMilli(), warned}
	for _, state := range states {
		args = append(args, state)
	}
	query := strings.Join([]string{`SELECT id FROM subject_requests WHERE due_ms <= ? AND warned < ? AND state IN (`, marks(len(states)), `) ORDER BY due_ms, id LIMIT ?`}, "")
	rows, err := s.query(ctx, query, append(args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("list the requests that are due: %w", err)
	}
	return scanTexts(rows)
}
