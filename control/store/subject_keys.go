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

// emptyWAL moves the write-ahead log into the database and cuts it off, so that
// no older version of a page is left in it.
func (s *Store) emptyWAL(ctx context.Context) error {
	var busy, log, moved int
	if err := s.queryRow(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &log, &moved); err != nil {
		return fmt.Errorf("remove the destroyed key from the write-ahead log: %w", err)
	}
	if busy != 0 {
		return errors.New("the destroyed key is still in the write-ahead log, which another program reads: destroy it again")
	}
	return nil
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

// RewrapSubjectKeys replaces the master key: rewrap is given each key and returns
// it wrapped by the new one. All of them change, or none. ErrMasterKey if the
// store's master key is not the one called old. It returns how many keys there
// were.
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
		n, err = c.rewrapAll(ctx, rewrap)
		return err
	})
	if err != nil {
		return 0, err
	}
	if s.postgres {
		return n, nil
	}
	return n, s.emptyWAL(ctx)
}

func (c conn) rewrapAll(ctx context.Context, rewrap func(name string, wrapped []byte) ([]byte, error)) (n int, err error) {
	for last := ""; ; {
		rows, err := c.query(ctx, selectKey+` WHERE name > ? AND wrapped IS NOT NULL ORDER BY name LIMIT ?`, last, keysAtOnce)
		if err != nil {
			return 0, fmt.Errorf("read the keys to wrap anew: %w", err)
		}
		var keys []SubjectKey
		if err := eachKey(rows, func(k SubjectKey) { keys = append(keys, k) }); err != nil {
			return 0, err
		}
		for _, k := range keys {
			wrapped, err := rewrap(k.Name, k.Wrapped)
			if err != nil {
				return 0, err
			}
			if _, err := c.exec(ctx, `UPDATE subject_keys SET wrapped = ? WHERE name = ? AND wrapped IS NOT NULL`, wrapped, k.Name); err != nil {
				return 0, fmt.Errorf("wrap a key anew: %w", err)
			}
			last = k.Name
		}
		n += len(keys)
		if len(keys) < keysAtOnce {
			return n, nil
		}
	}
}
