package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// keysAtOnce bounds the rows of one statement about keys.
const keysAtOnce = 500

// ErrMasterKey says that the keys of this store are wrapped by another master
// key than the caller's.
var ErrMasterKey = errors.New("the keys of this store are wrapped by another master key")

// SubjectKey is the key of one person's readable fields, or of one month's,
// wrapped by the master key. The store never sees it otherwise.
type SubjectKey struct {
	Name string
	// Wrapped is nil once the key was destroyed. Nothing makes another one for
	// that name.
	Wrapped            []byte
	Created, Destroyed time.Time // Destroyed is zero while the key lives
}

// SubjectKeys returns those that the store has of the named keys, also the
// destroyed ones.
func (s *Store) SubjectKeys(ctx context.Context, names []string) (map[string]SubjectKey, error) {
	found := make(map[string]SubjectKey, len(names))
	for part := range slices.Chunk(names, keysAtOnce) {
		args := make([]any, len(part))
		for i, name := range part {
			args[i] = name
		}
		rows, err := s.query(ctx, selectKey+` WHERE name IN (`+marks(len(part))+`)`, args...)
		if err != nil {
			return nil, fmt.Errorf("read keys: %w", err)
		}
		if err := eachKey(rows, func(k SubjectKey) { found[k.Name] = k }); err != nil {
			return nil, err
		}
	}
	return found, nil
}

const selectKey = `SELECT name, wrapped, created_ms, destroyed_ms FROM subject_keys`

// marks are n parameters.
func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?,", n), ",") }

func eachKey(rows *sql.Rows, fn func(SubjectKey)) (err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var k SubjectKey
		var created int64
		var destroyed sql.NullInt64
		if err := rows.Scan(&k.Name, &k.Wrapped, &created, &destroyed); err != nil {
			return fmt.Errorf("read a key: %w", err)
		}
		k.Created = time.UnixMilli(created).UTC()
		if destroyed.Valid {
			k.Destroyed = time.UnixMilli(destroyed.Int64).UTC()
		}
		fn(k)
	}
	return rows.Err()
}

// AddSubjectKeys adds keys that are wrapped by the master key of that id. What
// the store has already, key or tombstone, stays as it is. ErrMasterKey if the
// store has another master key by now: then nothing is added.
func (s *Store) AddSubjectKeys(ctx context.Context, masterID string, keys []SubjectKey) error {
	// In one order, so that two who add the same do not wait for each other.
	keys = slices.SortedFunc(slices.Values(keys), func(a, b SubjectKey) int { return cmp.Compare(a.Name, b.Name) })
	now := s.now().UnixMilli()
	return s.tx(ctx, func(c conn) error {
		if err := c.demandMaster(ctx, masterID); err != nil {
			return err
		}
		for part := range slices.Chunk(keys, keysAtOnce) {
			var args []any
			for _, k := range part {
				args = append(args, k.Name, k.Wrapped, now)
			}
			_, err := c.exec(ctx, `INSERT INTO subject_keys (name, wrapped, created_ms) VALUES `+
				strings.TrimSuffix(strings.Repeat("(?, ?, ?),", len(part)), ",")+` ON CONFLICT (name) DO NOTHING`, args...)
			if err != nil {
				return fmt.Errorf("add keys: %w", err)
			}
		}
		return nil
	})
}

func (c conn) demandMaster(ctx context.Context, id string) error {
	has, err := c.masterKey(ctx, true)
	if err == nil && has != id {
		err = fmt.Errorf("%w: %s, not %s", ErrMasterKey, has, id)
	}
	return err
}

// DestroySubjectKey deletes a key and leaves a tombstone, also where there was
// no key. Doing it again changes nothing. In SQLite the key's bytes are
// overwritten and gone from the write-ahead log when it returns nil; PostgreSQL
// removes them with its next VACUUM. Backups are not touched.
func (s *Store) DestroySubjectKey(ctx context.Context, name string) error {
	now := s.now().UnixMilli()
	_, err := s.exec(ctx, `INSERT INTO subject_keys (name, wrapped, created_ms, destroyed_ms) VALUES (?, NULL, ?, ?)
		ON CONFLICT (name) DO UPDATE SET wrapped = NULL, destroyed_ms = COALESCE(subject_keys.destroyed_ms, excluded.destroyed_ms)`,
		name, now, now)
	if err != nil {
		return fmt.Errorf("destroy a key: %w", err)
	}
	if s.postgres {
		return nil
	}
	return s.emptyWAL(ctx)
}

// LiveSubjectKeys lists the names of the keys that begin with prefix and are not
// destroyed, in their order.
func (s *Store) LiveSubjectKeys(ctx context.Context, prefix string) (names []string, err error) {
	rows, err := s.query(ctx, selectKey+` WHERE substr(name, 1, ?) = ? AND destroyed_ms IS NULL ORDER BY name`, len(prefix), prefix)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	err = eachKey(rows, func(k SubjectKey) { names = append(names, k.Name) })
	return names, err
}
