package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"time"

	"github.com/pressly/goose/v3"

	"gatehouse/authz/secret"
)

//go:embed migrations
var migrations embed.FS

// Options of Open.
type Options struct {
	// URL is sqlite:PATH or postgres://user@host:port/database; never with a password.
	URL string
	// Password of the PostgreSQL user; neither PGPASSWORD nor ~/.pgpass is read.
	Password secret.Value
	// LivePassword, where set, is asked at each new connection.
	LivePassword *secret.Live
	Now          func() time.Time // nil means time.Now
}

// Store is an open store. It is safe for concurrent use.
type Store struct {
	conn
	db  *sql.DB
	now func() time.Time
}

// Open opens the store that o names, a file made if absent, and brings its
// schema up to date.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	scheme, rest, ok := strings.Cut(o.URL, ":")
	if !ok {
		return nil, fmt.Errorf("store %q has no scheme: write sqlite:PATH or postgres://user@host/database", o.URL)
	}
	var db *sql.DB
	var err error
	switch scheme {
	case "sqlite":
		if db, err = openSQLite(ctx, strings.TrimPrefix(rest, "//")); err != nil {
			return nil, fmt.Errorf("open the store %s: %w", o.URL, err)
		}
	case "postgres", "postgresql":
		if HasPassword(o.URL) {
			return nil, errors.New("the store's URL holds a password: write it to a file with mode 0600, set GATEHOUSE_STORE_PASSWORD_FILE to its path, and replace the password, since it was exposed")
		}
		if db, err = openPostgres(ctx, o); err != nil {
			return nil, fmt.Errorf("open the PostgreSQL store: %w", err)
		}
	default:
		// Not the URL itself: that of a server may hold a password.
		return nil, fmt.Errorf("a store of the kind %q is not supported: write sqlite:PATH or postgres://user@host/database", scheme)
	}
	return &Store{conn: conn{q: db, postgres: scheme != "sqlite"}, db: db, now: o.Now}, nil
}

// HasPassword says whether a store's URL carries a password.
func HasPassword(text string) bool {
	u, err := url.Parse(text)
	if err != nil {
		return strings.Contains(text, "@")
	}
	_, set := u.User.Password()
	return set || u.Query().Has("password")
}

// Close closes the store.
func (s *Store) Close() error { return s.db.Close() }

func migrateWith(ctx context.Context, dialect goose.Dialect, db *sql.DB, folder string, options ...goose.ProviderOption) error {
	files, err := fs.Sub(migrations, folder)
	if err != nil {
		return err
	}
	// Parts that are built side by side have their numbers beforehand; one that
	// comes later may have a lower one.
	provider, err := goose.NewProvider(dialect, db, files, append(options, goose.WithAllowOutofOrder(true))...)
	if err != nil {
		return fmt.Errorf("read the schema: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("bring the schema up to date: %w", err)
	}
	return nil
}
