package store

import (
	"context"
	"database/sql"
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
