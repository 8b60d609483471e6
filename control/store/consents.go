package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gatehouse/authz/event"
)

// States of a consent.
const (
	ConsentGiven     = "given"
	ConsentWithdrawn = "withdrawn"
)

// Consent is one entry of the ledger. Entries are never changed; the newest of a
// person and purpose is what holds.
type Consent struct {
	Seq           int64  // 1, 2, 3 ... over all persons
	ID            string // also of the event that tells of it
	SubjectID     string
	Purpose       string
	State         string // ConsentGiven or ConsentWithdrawn
	NoticeVersion string
	Channel       string // how: form, paper, phone, gpc, objection, ...
	By            string // who recorded it: no person's name
	Time          time.Time

	UserID string // of the person, read only; empty where they are no user
}

// AddConsent appends an entry, together with the event that tells of it. ErrErased
// if the person was erased.
func (s *Store) AddConsent(ctx context.Context, entry Consent, told event.Event) (Consent, error) {
	err := s.tx(ctx, func(c conn) error {
		if err := c.lockSubject(ctx, entry.SubjectID); err != nil {
			return err
		}
		if err := c.queryRow(ctx, `UPDATE consent_head SET seq = seq + 1 WHERE one = 1 RETURNING seq`).Scan(&entry.Seq); err != nil {
			return fmt.Errorf("number a consent: %w", err)
		}
		_, err := c.exec(ctx, `INSERT INTO consents (seq, id, subject_id, purpose, state, notice_version, channel, by_name, recorded_ms)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, entry.Seq, entry.ID, entry.SubjectID, entry.Purpose, entry.State,
			entry.NoticeVersion, entry.Channel, entry.By, entry.Time.UnixMilli())
		if err != nil {
			return fmt.Errorf("record a consent: %w", err)
		}
		return c.emit(ctx, []event.Event{told})
	})
	return entry, err
}

// ConsentHead is the number of the newest entry, 0 if there is none.
func (s *Store) ConsentHead(ctx context.Context) (seq int64, err error) {
	if err := s.queryRow(ctx, `SELECT seq FROM consent_head WHERE one = 1`).Scan(&seq); err != nil {
		return 0, fmt.Errorf("read the number of the newest consent: %w", err)
	}
	return seq, nil
}

// ConsentQuery narrows a list of consents; empty fields do not.
type ConsentQuery struct {
	SubjectID, Purpose string
	Limit              int
	Cursor             string // Seq of the last entry of the page before
}

const selectConsent = `SELECT c.seq, c.id, c.subject_id, c.purpose, c.state, c.notice_version, c.channel, c.by_name, c.recorded_ms, s.user_id
	FROM consents c JOIN subjects s ON s.id = c.subject_id`

// newest leaves of the entries those that hold.
const newest = ` AND c.seq = (SELECT MAX(n.seq) FROM consents n WHERE n.subject_id = c.subject_id AND n.purpose = c.purpose)`

// Consents are the entries that hold, the newest first.
func (s *Store) Consents(ctx context.Context, q ConsentQuery) ([]Consent, string, error) {
	return s.listConsents(ctx, q, newest)
}

// ConsentHistory are all entries, the newest first.
func (s *Store) ConsentHistory(ctx context.Context, q ConsentQuery) ([]Consent, string, error) {
	return s.listConsents(ctx, q, "")
}

func (s *Store) listConsents(ctx context.Context, q ConsentQuery, more string) ([]Consent, string, error) {
	var where strings.Builder
	where.WriteString(` WHERE 1 = 1` + more)
	var args []any
	for _, one := range []struct{ column, value string }{{"c.subject_id", q.SubjectID}, {"c.purpose", q.Purpose}} {
		if one.value != "" {
			where.WriteString(` AND ` + one.column + ` = ?`)
			args = append(args, one.value)
		}
	}
	if q.Cursor != "" {
		before, err := strconv.ParseInt(q.Cursor, 10, 64)
		if err != nil {
			return nil, "", ErrBadCursor
		}
		where.WriteString(` AND c.seq < ?`)
		args = append(args, before)
	}
	args = append(args, q.Limit+1)
	found, err := s.readConsents(ctx, selectConsent+where.String()+` ORDER BY c.seq DESC LIMIT ?`, args...) // #nosec G202 -- constants
	if err != nil || len(found) <= q.Limit {
		return found, "", err
	}
	found = found[:q.Limit]
	return found, strconv.FormatInt(found[q.Limit-1].Seq, 10), nil
}

// ConsentsAfter are entries in their order, those after seq; with holding only
// those that hold.
func (s *Store) ConsentsAfter(ctx context.Context, seq int64, holding bool, limit int) ([]Consent, error) {
	query := selectConsent + ` WHERE c.seq > ?`
	if holding {
		query += newest
	}
	return s.readConsents(ctx, query+` ORDER BY c.seq LIMIT ?`, seq, limit)
}

func (s *Store) readConsents(ctx context.Context, query string, args ...any) (found []Consent, err error) {
	rows, err := s.query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read consents: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var c Consent
		var recorded int64
		var user sql.NullString
		err := rows.Scan(&c.Seq, &c.ID, &c.SubjectID, &c.Purpose, &c.State, &c.NoticeVersion, &c.Channel, &c.By, &recorded, &user)
		if err != nil {
			return nil, fmt.Errorf("read a consent: %w", err)
		}
		c.Time, c.UserID = time.UnixMilli(recorded).UTC(), user.String
		found = append(found, c)
	}
	return found, rows.Err()
}
