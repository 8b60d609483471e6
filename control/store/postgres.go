package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"gatehouse/authz/secret"
)

// maxConns bounds the connections of one process to PostgreSQL.
const maxConns = 16

// openPostgres opens a database that is there; its schema is made or brought up
// to date under an advisory lock, by one program at a time.
func openPostgres(ctx context.Context, url string, password secret.Value) (*sql.DB, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errors.New("the URL cannot be read: write postgres://user@host:5432/database") // err repeats the URL
	}
	if !password.Empty() {
		config.Password = password.RevealString()
	}
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(maxConns)
	locker, err := lock.NewPostgresSessionLocker()
	if err == nil {
		err = migrateWith(ctx, goose.DialectPostgres, db, "migrations/postgres", goose.WithSessionLocker(locker))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s:%d/%s: %w", config.Host, config.Port, config.Database, err), db.Close())
	}
	return db, nil
}
