package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gatehouse/authz/event"
	"gatehouse/authz/login"
)

// ErrUserExists says that the name is taken, whatever its letter case.
var ErrUserExists = errors.New("there is a user of that name already")

// User is a user with what only management wants to know.
type User struct {
	login.User
	Created, Updated time.Time
}

var _ login.UserStore = (*Store)(nil)

// nameKey is what two spellings of one name have in common: compatible
// characters are the same (NFKC), and so is letter case.
func nameKey(name string) string { return login.NameKey(name) }

const selectUser = `SELECT id, name, password_hash, disabled, roles, email, created_ms, updated_ms,
	EXISTS (SELECT 1 FROM credentials c WHERE c.user_id = users.id AND c.active AND c.kind IN ('totp', 'passkey')) FROM users`

// UserByName implements login.UserStore.
func (s *Store) UserByName(ctx context.Context, name string) (login.User, error) {
	u, err := scanUser(s.queryRow(ctx, selectUser+` WHERE name_key = ?`, nameKey(name)))
	if errors.Is(err, sql.ErrNoRows) {
		return login.User{}, login.ErrNoUser
	}
	return u.User, err
}

// Users lists all users by name.
func (s *Store) Users(ctx context.Context) (users []User, err error) {
	rows, err := s.query(ctx, selectUser+` ORDER BY name_key`)
	if err != nil {
		return nil, fmt.Errorf("list the users: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		u, err := scanUser(rows)
		if err != nil {
			return nil, err
		}
		users = append(users, u)
	}
	return users, rows.Err()
}

func scanUser(row interface{ Scan(...any) error }) (User, error) {
	var u User
	var roles string
	var created, updated int64
	err := row.Scan(&u.ID, &u.Name, &u.PasswordHash, &u.Disabled, &roles, &u.Email, &created, &updated, &u.SecondFactor)
	if err != nil {
		return User{}, fmt.Errorf("read a user: %w", err)
	}
	if err := json.Unmarshal([]byte(roles), &u.Roles); err != nil {
		return User{}, fmt.Errorf("read the roles of user %s: %w", u.ID, err)
	}
	u.Created, u.Updated = time.UnixMilli(created).UTC(), time.UnixMilli(updated).UTC()
	return u, nil
}

// AddUser adds a user who can sign in. ErrUserExists if there is one.
func (s *Store) AddUser(ctx context.Context, name, passwordHash string, roles []string) (User, error) {
	return s.addUser(ctx, s, name, passwordHash, roles)
}

// executor is the store, or a transaction of it.
type executor interface {
	exec(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func (s *Store) addUser(ctx context.Context, c executor, name, passwordHash string, roles []string) (User, error) {
	name, err := checkName(name)
	if err != nil {
		return User{}, err
	}
	if roles == nil {
		roles = []string{}
	}
	text, err := json.Marshal(roles)
	if err != nil {
		return User{}, fmt.Errorf("write the roles: %w", err)
	}
	now := s.now().UTC().Truncate(time.Millisecond)
	u := User{User: login.User{ID: event.NewID(), Name: name, PasswordHash: passwordHash, Roles: roles}, Created: now, Updated: now}
	result, err := c.exec(ctx, `INSERT INTO users
		(id, name, name_key, password_hash, disabled, roles, created_ms, updated_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (name_key) DO NOTHING`,
		u.ID, name, nameKey(name), passwordHash, false, string(text), now.UnixMilli(), now.UnixMilli())
	if err != nil {
		return User{}, fmt.Errorf("add a user: %w", err)
	}
	return u, one(result, ErrUserExists)
}

func checkName(name string) (string, error) {
	normal, ok := login.NormalizeName(name)
	if !ok {
		return "", fmt.Errorf("%.40q cannot be a user's name: write 1 to %d bytes without control characters", name, login.MaxName)
	}
	return normal, nil
}

// SetPassword replaces a user's password hash, and ends the links with which they
// could set it once more. login.ErrNoUser if there is no such user. The user's
// sessions stay: ending them is for whoever has Redis.
func (s *Store) SetPassword(ctx context.Context, name, passwordHash string) error {
	return s.tx(ctx, func(c conn) error {
		result, err := c.exec(ctx, `UPDATE users SET password_hash = ?, updated_ms = ? WHERE name_key = ?`,
			passwordHash, s.now().UnixMilli(), nameKey(name))
		if err != nil {
			return fmt.Errorf("change a user: %w", err)
		}
		if err := one(result, login.ErrNoUser); err != nil {
			return err
		}
		_, err = c.exec(ctx, `DELETE FROM credentials WHERE kind = 'reset' AND user_id = (SELECT id FROM users WHERE name_key = ?)`, nameKey(name))
		if err != nil {
			return fmt.Errorf("end the links of resets: %w", err)
		}
		return nil
	})
}

// SetDisabled lets a user sign in no longer, or again.
func (s *Store) SetDisabled(ctx context.Context, name string, disabled bool) error {
	return s.update(ctx, name, `disabled`, disabled)
}

func (s *Store) update(ctx context.Context, name, column string, value any) error {
	// #nosec G202 -- the column is one of two constants above
	result, err := s.exec(ctx, `UPDATE users SET `+column+` = ?, updated_ms = ? WHERE name_key = ?`,
		value, s.now().UnixMilli(), nameKey(name))
	if err != nil {
		return fmt.Errorf("change a user: %w", err)
	}
	return one(result, login.ErrNoUser)
}

// one is otherwise unless exactly one row was touched.
func one(result sql.Result, otherwise error) error {
	n, err := result.RowsAffected()
	if err != nil {
		return fmt.Errorf("count what was changed: %w", err)
	}
	if n != 1 {
		return otherwise
	}
	return nil
}
