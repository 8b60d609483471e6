package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"gatehouse/authz/login"
)

// SetEmail says where mail reaches a user. login.ErrNoUser if there is none. With
// another address the links of resets, which may have gone to the former one, and
// what the user has asked for are over.
func (s *Store) SetEmail(ctx context.Context, name, email string) error {
	return s.tx(ctx, func(c conn) error {
		query := `SELECT id, email FROM users WHERE name_key = ?`
		if c.postgres {
			query += ` FOR UPDATE`
		}
		var id, former string
		err := c.queryRow(ctx, query, nameKey(name)).Scan(&id, &former)
		if errors.Is(err, sql.ErrNoRows) {
			return login.ErrNoUser
		}
		if err != nil {
			return fmt.Errorf("read a user's address: %w", err)
		}
		if _, err := c.exec(ctx, `UPDATE users SET email = ?, updated_ms = ? WHERE id = ?`, email, s.now().UnixMilli(), id); err != nil {
			return fmt.Errorf("change a user's address: %w", err)
		}
		if former == email || former == "" { // the link of an invitation went nowhere by mail
			return nil
		}
		return c.endAddress(ctx, id)
	})
}

// endAddress ends what a user's former address was good for.
func (c conn) endAddress(ctx context.Context, userID string) error {
	_, err1 := c.exec(ctx, `DELETE FROM email_changes WHERE user_id = ?`, userID)
	_, err2 := c.exec(ctx, `DELETE FROM credentials WHERE user_id = ? AND kind = 'reset'`, userID)
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("end what the former address was good for: %w", err)
	}
	return nil
}

// BeginAddress implements login.Addresses. Changes that are over are cleared away.
func (s *Store) BeginAddress(ctx context.Context, change login.AddressChange) error {
	return s.tx(ctx, func(c conn) error {
		if _, err := c.exec(ctx, `DELETE FROM email_changes WHERE expires_ms <= ?`, s.now().UnixMilli()); err != nil {
			return fmt.Errorf("clear old changes of addresses away: %w", err)
		}
		_, err := c.exec(ctx, `INSERT INTO email_changes (user_id, lookup, former, email, expires_ms) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (user_id) DO UPDATE SET lookup = excluded.lookup, former = excluded.former, email = excluded.email, expires_ms = excluded.expires_ms`,
			change.UserID, change.Lookup, change.Former, change.Address, change.Expires.UnixMilli())
		if err != nil {
			return fmt.Errorf("keep the change of an address: %w", err)
		}
		return nil
	})
}

const selectChange = `SELECT user_id, lookup, former, email, expires_ms FROM email_changes WHERE user_id = ? AND expires_ms > ?`

// PendingAddress implements login.Addresses.
func (s *Store) PendingAddress(ctx context.Context, userID string, now time.Time) (login.AddressChange, error) {
	return scanChange(s.queryRow(ctx, selectChange, userID, now.UnixMilli()))
}

func scanChange(row interface{ Scan(...any) error }) (login.AddressChange, error) {
	var c login.AddressChange
	var expires int64
	err := row.Scan(&c.UserID, &c.Lookup, &c.Former, &c.Address, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return c, login.ErrNoChange
	}
	if err != nil {
		return c, fmt.Errorf("read the change of an address: %w", err)
	}
	c.Expires = time.UnixMilli(expires).UTC()
	return c, nil
}

// AddressTaken implements login.Addresses.
func (s *Store) AddressTaken(ctx context.Context, userID, address string) (bool, error) {
	return s.addressTaken(ctx, userID, address)
}

// addressTaken knows letter case of ASCII alone, as addresses are.
func (c conn) addressTaken(ctx context.Context, userID, address string) (bool, error) {
	var taken bool
	err := c.queryRow(ctx, takenQuery, strings.ToLower(address), userID).Scan(&taken)
	if err != nil {
		return false, fmt.Errorf("read whose an address is: %w", err)
	}
	return taken, nil
}

const takenQuery = `SELECT EXISTS (SELECT 1 FROM users WHERE lower(email) = ? AND email <> '' AND id <> ?)`

// ConfirmAddress implements login.Addresses.
func (s *Store) ConfirmAddress(ctx context.Context, userID, lookup string, now time.Time) (login.AddressChange, error) {
	var change login.AddressChange
	err := s.tx(ctx, func(c conn) error {
		var err error
		change, err = scanChange(c.queryRow(ctx, selectChange+` AND lookup = ?`, userID, now.UnixMilli(), lookup))
		if err != nil {
			return err
		}
		// Nothing in the schema keeps two users from one address, since an operator may
		// give it to both: those who confirm it go one after another.
		if err := c.alone(ctx, "email:"+strings.ToLower(change.Address)); err != nil {
			return err
		}
		taken, err := c.addressTaken(ctx, userID, change.Address)
		if err != nil {
			return err
		}
		if taken {
			return login.ErrNoChange
		}
		result, err := c.exec(ctx, `UPDATE users SET email = ?, updated_ms = ? WHERE id = ? AND email = ? AND NOT disabled
			AND EXISTS (SELECT 1 FROM email_changes e WHERE e.user_id = users.id AND e.lookup = ?)`,
			change.Address, s.now().UnixMilli(), userID, change.Former, lookup)
		if err != nil {
			return fmt.Errorf("change a user's address: %w", err)
		}
		if err := one(result, login.ErrNoChange); err != nil {
			return err
		}
		return c.endAddress(ctx, userID)
	})
	return change, err
}

// alone has transactions about one thing go one after another; those of SQLite do
// so anyway.
func (c conn) alone(ctx context.Context, about string) error {
	if !c.postgres {
		return nil
	}
	if _, err := c.exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended(?, 0))`, about); err != nil {
		return fmt.Errorf("wait for others: %w", err)
	}
	return nil
}

// DropAddress implements login.Addresses.
func (s *Store) DropAddress(ctx context.Context, userID, lookup string) (bool, error) {
	return s.touched(ctx, "forget the change of an address",
		`DELETE FROM email_changes WHERE user_id = ? AND (? = '' OR lookup = ?)`, userID, lookup, lookup)
}
