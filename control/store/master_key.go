package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// ClaimMasterKey makes id the store's master key if it has none yet, and
// returns the one it has.
func (s *Store) ClaimMasterKey(ctx context.Context, id string) (string, error) {
	_, err := s.exec(ctx, `INSERT INTO master_key (one, key_id) VALUES (1, ?) ON CONFLICT (one) DO NOTHING`, id)
	if err != nil {
		return "", fmt.Errorf("claim the store for a master key: %w", err)
	}
	return s.masterKey(ctx, false)
}

// masterKey is the id of the store's master key. Locked, it stays that until the
// end of the transaction.
func (c conn) masterKey(ctx context.Context, locked bool) (id string, err error) {
	query := `SELECT key_id FROM master_key WHERE one = 1`
	if locked && c.postgres { // SQLite's transactions have the lock already
		query += ` FOR SHARE`
	}
	if err := c.queryRow(ctx, query).Scan(&id); err != nil {
		return "", fmt.Errorf("read which master key the store has: %w", err)
	}
	return id, nil
}

// MasterKeyID is the id of the master key that the store's keys are wrapped by;
// empty if it never had one.
func (s *Store) MasterKeyID(ctx context.Context) (string, error) {
	id, err := s.masterKey(ctx, false)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return id, err
}

// EachSubjectKey calls fn with every key that is not destroyed, in the order of
// their names.
func (s *Store) EachSubjectKey(ctx context.Context, fn func(SubjectKey) error) error {
	return s.pagesOfKeys(ctx, func(keys []SubjectKey) error {
		for _, k := range keys {
			if err := fn(k); err != nil {
				return err
			}
		}
		return nil
	})
}

// pagesOfKeys never keeps a statement open while fn works: it may use the same
// connection.
func (c conn) pagesOfKeys(ctx context.Context, fn func([]SubjectKey) error) error {
	for last := ""; ; {
		rows, err := c.query(ctx, selectKey+` WHERE name > ? AND wrapped IS NOT NULL ORDER BY name LIMIT ?`, last, keysAtOnce)
		if err != nil {
			return fmt.Errorf("read keys: %w", err)
		}
		var keys []SubjectKey
		if err := eachKey(rows, func(k SubjectKey) { keys = append(keys, k) }); err != nil {
			return err
		}
		if len(keys) == 0 {
			return nil
		}
		if err := fn(keys); err != nil {
			return err
		}
		last = keys[len(keys)-1].Name
	}
}

// RewrapSubjectKeys replaces the master key: rewrap is given each key and returns
// it wrapped by the new one. All of them change, or none. ErrMasterKey if the
// store's master key is not the one called old. It returns how many keys there
// were. What the old one has wrapped lies on the disk until DropOldKeys.
func (s *Store) RewrapSubjectKeys(ctx context.Context, oldID, newID string, rewrap func(name string, wrapped []byte) ([]byte, error)) (n int, err error) {
	err = s.tx(ctx, func(c conn) error {
		// First of all: it keeps out whoever would add a key.
		result, err := c.exec(ctx, `UPDATE master_key SET key_id = ? WHERE one = 1 AND key_id = ?`, newID, oldID)
		if err != nil {
			return fmt.Errorf("change the store's master key: %w", err)
		}
		if err := one(result, ErrMasterKey); err != nil {
			return err
		}
		return c.pagesOfKeys(ctx, func(keys []SubjectKey) error {
			n += len(keys)
			return c.rewrap(ctx, keys, rewrap)
		})
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// rewrap writes a page of keys. One that was destroyed since it was read stays
// destroyed.
func (c conn) rewrap(ctx context.Context, keys []SubjectKey, rewrap func(name string, wrapped []byte) ([]byte, error)) error {
	args := make([]any, 0, 3*len(keys))
	for _, k := range keys {
		wrapped, err := rewrap(k.Name, k.Wrapped)
		if err != nil {
			return err
		}
		args = append(args, k.Name, wrapped, k.Created.UnixMilli())
	}
	_, err := c.exec(ctx, `INSERT INTO subject_keys (name, wrapped, created_ms) VALUES `+strings.TrimSuffix(strings.Repeat("(?, ?, ?),", len(keys)), ",")+
		` ON CONFLICT (name) DO UPDATE SET wrapped = excluded.wrapped WHERE subject_keys.wrapped IS NOT NULL`, args...)
	if err != nil {
		return fmt.Errorf("wrap keys anew: %w", err)
	}
	return nil
}

// DropOldKeys takes former versions of the keys off the disk: out of SQLite's
// write-ahead log, and out of PostgreSQL's table, which is written anew and
// closed to others meanwhile. Backups, and PostgreSQL's own log until it is
// recycled, are not touched.
func (s *Store) DropOldKeys(ctx context.Context) error {
	if !s.postgres {
		return s.emptyWAL(ctx)
	}
	if _, err := s.exec(ctx, `VACUUM FULL subject_keys`); err != nil {
		return fmt.Errorf("write the table of keys anew: %w", err)
	}
	return nil
}

// emptyWAL moves the write-ahead log into the database and cuts it off, so that
// no older version of a page is left in it.
func (s *Store) emptyWAL(ctx context.Context) error {
	var busy, log, moved int
	if err := s.queryRow(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &log, &moved); err != nil {
		return fmt.Errorf("remove a former key from the write-ahead log: %w", err)
	}
	if busy != 0 {
		return errors.New("a former key is still in the write-ahead log, which another program reads: do it again")
	}
	return nil
}
