package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"gatehouse/authz/login"
)

// UserByID finds a user by id. login.ErrNoUser if there is none.
func (s *Store) UserByID(ctx context.Context, id string) (User, error) {
	u, err := scanUser(s.queryRow(ctx, selectUser+` WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return User{}, login.ErrNoUser
	}
	return u, err
}

// SetDisabledByID lets a user sign in no longer, or again. It says whether
// there is such a user.
func (s *Store) SetDisabledByID(ctx context.Context, id string, disabled bool) (bool, error) {
	return s.touched(ctx, "change a user", `UPDATE users SET disabled = ?, updated_ms = ? WHERE id = ?`, disabled, s.now().UnixMilli(), id)
}

// RenameUser gives a user another name. login.ErrNoUser if there is no such user,
// ErrUserExists if the name is another's.
func (s *Store) RenameUser(ctx context.Context, id, name string) error {
	name, err := checkName(name)
	if err != nil {
		return err
	}
	return s.tx(ctx, func(c conn) error {
		var others int
		if err := c.queryRow(ctx, `SELECT COUNT(*) FROM users WHERE name_key = ? AND id <> ?`, nameKey(name), id).Scan(&others); err != nil {
			return fmt.Errorf("read whose a name is: %w", err)
		}
		if others > 0 {
			return ErrUserExists
		}
		result, err := c.exec(ctx, `UPDATE users SET name = ?, name_key = ?, updated_ms = ? WHERE id = ?`, name, nameKey(name), s.now().UnixMilli(), id)
		if err != nil {
			return fmt.Errorf("rename a user: %w", err)
		}
		return one(result, login.ErrNoUser)
	})
}

// SetRoles replaces a user's roles. login.ErrNoUser if there is no such user.
func (s *Store) SetRoles(ctx context.Context, name string, roles []string) error {
	if roles == nil {
		roles = []string{}
	}
	text, err := json.Marshal(roles)
	if err != nil {
		return fmt.Errorf("write the roles: %w", err)
	}
	return s.update(ctx, name, `roles`, string(text))
}

// DeleteUser removes a user with name and credentials, and says whether there
// was one. Their sessions are for whoever has Redis.
func (s *Store) DeleteUser(ctx context.Context, id string) (bool, error) {
	return s.touched(ctx, "delete a user", `DELETE FROM users WHERE id = ?`, id)
}

func (s *Store) touched(ctx context.Context, what, query string, args ...any) (bool, error) {
	result, err := s.exec(ctx, query, args...)
	if err != nil {
		return false, fmt.Errorf("%s: %w", what, err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return false, fmt.Errorf("%s: %w", what, err)
	}
	return n > 0, nil
}
