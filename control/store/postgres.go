package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// maxConns bounds the connections of one process to PostgreSQL.
const maxConns = 16

// openPostgres opens a database that is there; its schema is made or brought up
// to date under an advisory lock, by one program at a time.
func openPostgres(ctx context.Context, o Options) (*sql.DB, error) {
	config, err := pgx.ParseConfig(o.URL)
	if err != nil {
		return nil, errors.New("the URL cannot be read: write postgres://user@host:5432/database") // err repeats the URL
	}
	db := stdlib.OpenDB(*config, stdlib.OptionBeforeConnect(func(_ context.Context, c *pgx.ConnConfig) error {
		// Ours or none: pgx would take one from the environment or from ~/.pgpass.
		c.Password = o.Password.RevealString()
		if o.LivePassword != nil {
			c.Password = o.LivePassword.Fresh().RevealString()
		}
		return nil
	}))
	db.SetMaxOpenConns(maxConns)
	locker, err := lock.NewPostgresSessionLocker()
	if err == nil {
		err = migrateWith(ctx, goose.DialectPostgres, db, "migrations/postgres", goose.WithSessionLocker(locker))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s:%d/%s: %w", config.Host, config.Port, config.Database, withAdvice(err, config.User)), db.Close())
	}
	return db, nil
}

// withAdvice says what to do about a password that PostgreSQL does not take, or
// that it did not get (SQLSTATE class 28).
func withAdvice(err error, user string) error {
	var refused *pgconn.PgError
	if errors.As(err, &refused) && strings.HasPrefix(refused.Code, "28") {
		return fmt.Errorf("%w: does GATEHOUSE_STORE_PASSWORD_FILE name the file with the password of %s?", err, user)
	}
	return err
}
