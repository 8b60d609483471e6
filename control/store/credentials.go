package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"gatehouse/authz/login"
)

var _ login.Accounts = (*Store)(nil)

// Account implements login.Accounts.
func (s *Store) Account(ctx context.Context, userID string) (login.User, error) {
	u, err := s.UserByID(ctx, userID)
	return u.User, err
}

// AddAccount implements login.Accounts.
func (s *Store) AddAccount(ctx context.Context, name, passwordHash string) (login.User, error) {
	u, err := s.AddUser(ctx, name, passwordHash, nil)
	if errors.Is(err, ErrUserExists) {
		err = login.ErrNameTaken
	}
	return u.User, err
}

// AddLinkedAccount implements login.Accounts.
func (s *Store) AddLinkedAccount(ctx context.Context, name string, linked login.Credential) (login.User, error) {
	var u User
	err := s.tx(ctx, func(c conn) error {
		var err error
		if u, err = s.addUser(ctx, c, name, login.NoPassword(), nil); err != nil {
			return err
		}
		linked.UserID = u.ID
		return addCredential(ctx, c, linked, s.now().UnixMilli())
	})
	if errors.Is(err, ErrUserExists) {
		err = login.ErrNameTaken
	}
	return u.User, err
}

// ReplacePasswordHash implements login.Accounts.
func (s *Store) ReplacePasswordHash(ctx context.Context, userID, old, hash string) (bool, error) {
	return s.touched(ctx, "change a password", `UPDATE users SET password_hash = ?, updated_ms = ? WHERE id = ? AND password_hash = ?`,
		hash, s.now().UnixMilli(), userID, old)
}

const credentialColumns = `id, user_id, kind, lookup, label, data, counter, active, created_ms, used_ms, expires_ms`

// Credentials implements login.Accounts.
func (s *Store) Credentials(ctx context.Context, userID string) ([]login.Credential, error) {
	return s.credentials(ctx, "list the credentials of a user",
		`SELECT `+credentialColumns+` FROM credentials WHERE user_id = ? AND kind <> 'reset' ORDER BY created_ms, id`, userID)
}

// Ending implements login.Accounts.
func (s *Store) Ending(ctx context.Context, kind login.CredentialKind, after, until time.Time, afterID string, limit int) ([]login.Credential, error) {
	query, args := endingQuery(kind, after, until, afterID, limit)
	return s.credentials(ctx, "list the credentials that end", query, args...)
}

// endingQuery reads the index credentials_ending from one place on to another.
func endingQuery(kind login.CredentialKind, after, until time.Time, afterID string, limit int) (query string, args []any) {
	from, args := `expires_ms > ?`, []any{string(kind), until.UnixMilli(), after.UnixMilli()}
	if afterID != "" {
		from, args = `(expires_ms, id) > (?, ?)`, append(args, afterID)
	}
	return `SELECT ` + credentialColumns + ` FROM credentials WHERE kind = ? AND active AND expires_ms <= ? AND ` + from +
		` ORDER BY expires_ms, id LIMIT ?`, append(args, limit)
}

func (s *Store) credentials(ctx context.Context, what, query string, args ...any) (list []login.Credential, err error) {
	rows, err := s.query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		c, err := scanCredential(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, rows.Err()
}

func scanCredential(row interface{ Scan(...any) error }) (login.Credential, error) {
	var c login.Credential
	var lookup sql.NullString
	var created int64
	var used, expires sql.NullInt64
	err := row.Scan(&c.ID, &c.UserID, &c.Kind, &lookup, &c.Label, &c.Data, &c.Counter, &c.Active, &created, &used, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return c, login.ErrNoCredential
	}
	if err != nil {
		return c, fmt.Errorf("read a credential: %w", err)
	}
	c.Lookup, c.Created, c.Used, c.Expires = lookup.String, time.UnixMilli(created).UTC(), timeOf(used), timeOf(expires)
	return c, nil
}

// AddCredentials implements login.Accounts. A user may have login.MaxCredentials
// of a kind; resets that are over are cleared away.
func (s *Store) AddCredentials(ctx context.Context, added ...login.Credential) error {
	return s.tx(ctx, func(c conn) error {
		now := s.now().UnixMilli()
		if _, err := c.exec(ctx, `DELETE FROM credentials WHERE kind = 'reset' AND expires_ms <= ?`, now); err != nil {
			return fmt.Errorf("clear old resets away: %w", err)
		}
		for _, one := range added {
			if err := addCredential(ctx, c, one, now); err != nil {
				return err
			}
		}
		return nil
	})
}

// ReplaceCredentials implements login.Accounts.
func (s *Store) ReplaceCredentials(ctx context.Context, userID string, kind login.CredentialKind, added ...login.Credential) error {
	return s.tx(ctx, func(c conn) error {
		if err := c.alone(ctx, "credentials:"+string(kind)+":"+userID); err != nil {
			return err
		}
		if _, err := c.exec(ctx, `DELETE FROM credentials WHERE user_id = ? AND kind = ?`, userID, string(kind)); err != nil {
			return fmt.Errorf("remove the credentials of before: %w", err)
		}
		now := s.now().UnixMilli()
		for _, one := range added {
			if err := addCredential(ctx, c, one, now); err != nil {
				return err
			}
		}
		return nil
	})
}

func addCredential(ctx context.Context, c conn, one login.Credential, now int64) error {
	var n int
	if err := c.queryRow(ctx, `SELECT COUNT(*) FROM credentials WHERE user_id = ? AND kind = ?`, one.UserID, string(one.Kind)).Scan(&n); err != nil {
		return fmt.Errorf("count the credentials of a user: %w", err)
	}
	if n >= login.MaxCredentials {
		return fmt.Errorf("the user has %d credentials of the kind %s: remove one first: %w", n, one.Kind, login.ErrTooMany)
	}
	var lookup, expires any
	if one.Lookup != "" {
		lookup = one.Lookup
	}
	if !one.Expires.IsZero() {
		expires = one.Expires.UnixMilli()
	}
	_, err := c.exec(ctx, `INSERT INTO credentials (id, user_id, kind, lookup, label, data, counter, active, created_ms, expires_ms)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		one.ID, one.UserID, string(one.Kind), lookup, one.Label, one.Data, one.Counter, one.Active, now, expires)
	if err != nil {
		return fmt.Errorf("add a credential: %w", err)
	}
	return nil
}

// Credential implements login.Accounts.
func (s *Store) Credential(ctx context.Context, kind login.CredentialKind, lookup string) (login.Credential, error) {
	return scanCredential(s.queryRow(ctx, `SELECT `+credentialColumns+` FROM credentials WHERE kind = ? AND lookup = ?`, string(kind), lookup))
}

// UseCredential implements login.Accounts.
func (s *Store) UseCredential(ctx context.Context, id string, counter int64, data string) (bool, error) {
	return s.touched(ctx, "note the use of a credential", `UPDATE credentials
		SET counter = ?, active = TRUE, used_ms = ?, data = CASE WHEN ? = '' THEN data ELSE ? END WHERE id = ? AND counter < ?`,
		counter, s.now().UnixMilli(), data, data, id, counter)
}

// TouchCredential implements login.Accounts.
func (s *Store) TouchCredential(ctx context.Context, id string) error {
	now := s.now().UnixMilli()
	_, err := s.touched(ctx, "note the use of a credential",
		`UPDATE credentials SET used_ms = ? WHERE id = ? AND (used_ms IS NULL OR used_ms < ?)`, now, id, now-time.Minute.Milliseconds())
	return err
}

// SpendCredential implements login.Accounts.
func (s *Store) SpendCredential(ctx context.Context, kind login.CredentialKind, lookup string) (login.Credential, error) {
	return scanCredential(s.queryRow(ctx, `DELETE FROM credentials WHERE kind = ? AND lookup = ? RETURNING `+credentialColumns, string(kind), lookup))
}

// RemoveCredentials implements login.Accounts.
func (s *Store) RemoveCredentials(ctx context.Context, userID string, kind login.CredentialKind, id string) (int64, error) {
	query, args := `DELETE FROM credentials WHERE user_id = ? AND kind = ?`, []any{userID, string(kind)}
	if id != "" {
		query, args = query+` AND id = ?`, append(args, id)
	}
	result, err := s.exec(ctx, query, args...)
	if err != nil {
		return 0, fmt.Errorf("remove a credential: %w", err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("remove a credential: %w", err)
	}
	return n, nil
}
