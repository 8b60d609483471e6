package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrNoSubject says that there is no such person here.
	ErrNoSubject = errors.New("no such person")
	// ErrIdentityTaken says that an identity, or a user, belongs to another person.
	ErrIdentityTaken = errors.New("the identity is another person's")
	// ErrErased says that the person's data was erased: nothing more is kept.
	ErrErased = errors.New("the person's data was erased")
)

// Subject is a person as rights know them: by a random id, without a name.
type Subject struct {
	ID        string
	Pseudonym string // as events have it; names the key that seals what is readable
	UserID    string // of a Gatehouse user; empty for others
	// Restricted says that the person's data may only be kept (Art. 18).
	Restricted      bool
	Created, Erased time.Time // Erased is zero for a person who is not
}

// SubjectIdentity is how another system knows a person: a keyed hash to find
// them by, and the readable text sealed under the person's key.
type SubjectIdentity struct{ Type, Hash, Sealed string }

const selectSubject = `SELECT id, pseudonym, user_id, restricted, created_ms, erased_ms FROM subjects`

func scanSubject(row interface{ Scan(...any) error }) (Subject, error) {
	var p Subject
	var user sql.NullString
	var created int64
	var erased sql.NullInt64
	err := row.Scan(&p.ID, &p.Pseudonym, &user, &p.Restricted, &created, &erased)
	if errors.Is(err, sql.ErrNoRows) {
		return p, ErrNoSubject
	}
	if err != nil {
		return p, fmt.Errorf("read a person: %w", err)
	}
	p.UserID, p.Created, p.Erased = user.String, time.UnixMilli(created).UTC(), timeOf(erased)
	return p, nil
}

func timeOf(ms sql.NullInt64) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return time.UnixMilli(ms.Int64).UTC()
}

// Subject finds a person by id.
func (s *Store) Subject(ctx context.Context, id string) (Subject, error) {
	return scanSubject(s.queryRow(ctx, selectSubject+` WHERE id = ?`, id))
}

// SubjectOfUser finds the person who is that Gatehouse user.
func (s *Store) SubjectOfUser(ctx context.Context, userID string) (Subject, error) {
	return scanSubject(s.queryRow(ctx, selectSubject+` WHERE user_id = ?`, userID))
}

// SubjectByPseudonym finds a person by what events call them.
func (s *Store) SubjectByPseudonym(ctx context.Context, pseudonym string) (Subject, error) {
	return scanSubject(s.queryRow(ctx, selectSubject+` WHERE pseudonym = ?`, pseudonym))
}

// SubjectByIdentity finds the person whom another system knows so.
func (s *Store) SubjectByIdentity(ctx context.Context, identityType, hash string) (Subject, error) {
	return scanSubject(s.queryRow(ctx, selectSubject+` WHERE id = (SELECT subject_id FROM subject_identities WHERE type = ? AND hash = ?)`,
		identityType, hash))
}

// AddSubject adds a person with their identities: all or nothing.
// ErrIdentityTaken if one of them, or the user, is somebody's by now.
func (s *Store) AddSubject(ctx context.Context, p Subject, identities []SubjectIdentity) error {
	return s.tx(ctx, func(c conn) error {
		var user any
		if p.UserID != "" {
			user = p.UserID
		}
		result, err := c.exec(ctx, `INSERT INTO subjects (id, pseudonym, user_id, created_ms) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			p.ID, p.Pseudonym, user, s.now().UnixMilli())
		if err != nil {
			return fmt.Errorf("add a person: %w", err)
		}
		if err := one(result, ErrIdentityTaken); err != nil {
			return err
		}
		return c.addIdentities(ctx, p.ID, identities, s.now())
	})
}

// AddIdentities adds ways by which systems know a person; those that are known
// stay as they are. ErrIdentityTaken if one is another person's: then none is
// added. ErrErased, ErrNoSubject.
func (s *Store) AddIdentities(ctx context.Context, id string, identities []SubjectIdentity) error {
	return s.tx(ctx, func(c conn) error {
		if err := c.lockSubject(ctx, id); err != nil {
			return err
		}
		return c.addIdentities(ctx, id, identities, s.now())
	})
}

// lockSubject keeps a person from being erased until the transaction's end.
func (c conn) lockSubject(ctx context.Context, id string) error {
	query := selectSubject + ` WHERE id = ?`
	if c.postgres { // SQLite's transactions have the lock already
		query += ` FOR UPDATE`
	}
	p, err := scanSubject(c.queryRow(ctx, query, id))
	if err == nil && !p.Erased.IsZero() {
		err = ErrErased
	}
	return err
}

func (c conn) addIdentities(ctx context.Context, id string, identities []SubjectIdentity, now time.Time) error {
	for _, i := range identities {
		_, err := c.exec(ctx, `INSERT INTO subject_identities (type, hash, subject_id, sealed, created_ms) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (type, hash) DO NOTHING`, i.Type, i.Hash, id, i.Sealed, now.UnixMilli())
		if err != nil {
			return fmt.Errorf("add an identity: %w", err)
		}
		var owner string
		if err := c.queryRow(ctx, `SELECT subject_id FROM subject_identities WHERE type = ? AND hash = ?`, i.Type, i.Hash).Scan(&owner); err != nil {
			return fmt.Errorf("read whose an identity is: %w", err)
		}
		if owner != id {
			return fmt.Errorf("%w: %s", ErrIdentityTaken, i.Type)
		}
	}
	return nil
}

// Identities are all by which systems know a person.
func (s *Store) Identities(ctx context.Context, id string) (found []SubjectIdentity, err error) {
	rows, err := s.query(ctx, `SELECT type, hash, sealed FROM subject_identities WHERE subject_id = ? ORDER BY type, hash`, id)
	if err != nil {
		return nil, fmt.Errorf("read a person's identities: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var i SubjectIdentity
		if err := rows.Scan(&i.Type, &i.Hash, &i.Sealed); err != nil {
			return nil, fmt.Errorf("read a person's identities: %w", err)
		}
		found = append(found, i)
	}
	return found, rows.Err()
}

// LinkUser says which Gatehouse user a person is. Said twice, it is no error.
func (s *Store) LinkUser(ctx context.Context, id, userID string) error {
	return s.tx(ctx, func(c conn) error {
		if err := c.lockSubject(ctx, id); err != nil {
			return err
		}
		var other int
		err := c.queryRow(ctx, `SELECT COUNT(*) FROM subjects WHERE (user_id = ? AND id <> ?) OR (id = ? AND user_id IS NOT NULL AND user_id <> ?)`,
			userID, id, id, userID).Scan(&other)
		if err != nil {
			return fmt.Errorf("read whose a user is: %w", err)
		}
		if other > 0 {
			return ErrIdentityTaken
		}
		if _, err := c.exec(ctx, `UPDATE subjects SET user_id = ? WHERE id = ?`, userID, id); err != nil {
			return fmt.Errorf("link a person to a user: %w", err)
		}
		return nil
	})
}

// SetRestricted says whether a person's data may only be kept.
func (s *Store) SetRestricted(ctx context.Context, id string, on bool) error {
	result, err := s.exec(ctx, `UPDATE subjects SET restricted = ? WHERE id = ?`, on, id)
	if err != nil {
		return fmt.Errorf("restrict a person's data: %w", err)
	}
	return one(result, ErrNoSubject)
}

// EraseSubject removes what leads from a person to the id that remains, and
// returns how many identities that were. Done again, it changes nothing.
func (s *Store) EraseSubject(ctx context.Context, id string) (identities int64, err error) {
	err = s.tx(ctx, func(c conn) error {
		result, err := c.exec(ctx, `UPDATE subjects SET user_id = NULL, erased_ms = COALESCE(erased_ms, ?) WHERE id = ?`, s.now().UnixMilli(), id)
		if err != nil {
			return fmt.Errorf("erase a person: %w", err)
		}
		if err := one(result, ErrNoSubject); err != nil {
			return err
		}
		if result, err = c.exec(ctx, `DELETE FROM subject_identities WHERE subject_id = ?`, id); err != nil {
			return fmt.Errorf("erase a person's identities: %w", err)
		}
		identities, err = result.RowsAffected()
		return err
	})
	if err != nil || s.postgres {
		return identities, err
	}
	return identities, s.emptyWAL(ctx)
}
