package postgres

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"gatehouse/authz/secret"
	"gatehouse/control/privacy/connector"
	"gatehouse/control/privacy/datamap"
)

// Bounds of what is asked of a database that is not ours.
const (
	connections    = 4
	connectWithin  = 10 * time.Second
	lockWithin     = 10 * time.Second
	idleWithin     = 5 * time.Minute // in a transaction: a slow reader of an archive
	connectionLife = 10 * time.Minute
)

// Options of New. System and Key are needed.
type Options struct {
	System datamap.System
	// Key is a secret of at least 32 bytes from which the pseudonyms are made that
	// an erasure writes.
	Key []byte
	Log *slog.Logger // nil means slog.Default()
}

// Connector implements connector.Connector.
type Connector struct {
	system datamap.System
	schema string
	db     *sql.DB
	log    *slog.Logger
	// pseudonyms is the key of what pseudonymise writes.
	pseudonyms []byte
}

var _ connector.Connector = (*Connector)(nil)

// New makes a connector; nothing is connected before the first call. The file
// with the URL is read at each new connection, so a password may change.
func New(o Options) (*Connector, error) {
	if len(o.Key) < sha256.Size {
		return nil, fmt.Errorf("system %s: pseudonyms need a key of at least %d bytes", o.System.Name, sha256.Size)
	}
	key, err := hkdf.Key(sha256.New, o.Key, nil, "gatehouse/privacy/erased/v1/"+o.System.Name, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("system %s: derive the key of pseudonyms: %w", o.System.Name, err)
	}
	c := &Connector{system: o.System, schema: o.System.Database.Schema, log: o.Log, pseudonyms: key}
	if c.log == nil {
		c.log = slog.Default()
	}
	config, err := pgx.ParseConfig("host=unset.invalid user=unset dbname=unset sslmode=prefer")
	if err != nil {
		return nil, fmt.Errorf("system %s: %w", o.System.Name, err)
	}
	c.db = stdlib.OpenDB(*config, stdlib.OptionBeforeConnect(func(_ context.Context, into *pgx.ConnConfig) error {
		return o.configure(into)
	}))
	c.db.SetMaxOpenConns(connections)
	c.db.SetMaxIdleConns(1)
	c.db.SetConnMaxLifetime(connectionLife)
	return c, nil
}

// configure fills in where the database is, as the file says now.
func (o Options) configure(into *pgx.ConnConfig) error {
	url, err := secret.File{Name: "url_file of system " + o.System.Name, Path: o.System.Database.URLFile}.Read()
	if err != nil {
		return err
	}
	config, err := pgx.ParseConfig(url.RevealString())
	if err != nil {
		// The library's own words may have parts of the URL.
		return fmt.Errorf("the URL of system %s cannot be read: write postgres://user:password@host/database into url_file", o.System.Name)
	}
	config.ConnectTimeout = connectWithin
	// Temporary tables come and go: a plan for one must not meet the next.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	timeout := o.System.Database.Timeout
	if timeout <= 0 {
		timeout = 30 * time.Second
	}
	for name, value := range map[string]string{
		"application_name":                    "gatehouse",
		"statement_timeout":                   milliseconds(timeout),
		"lock_timeout":                        milliseconds(lockWithin),
		"idle_in_transaction_session_timeout": milliseconds(idleWithin),
		"row_security":                        "off", // an error, not rows that are missing
		"DateStyle":                           "ISO, MDY",
		"TimeZone":                            "UTC",
		"client_encoding":                     "UTF8",
	} {
		config.RuntimeParams[name] = value
	}
	*into = *config
	return nil
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// Name implements connector.Connector.
func (c *Connector) Name() string { return c.system.Name }

// Close gives the connections back; calls that are under way end with an error.
func (c *Connector) Close() error { return c.db.Close() }

// errUndo ends a transaction that was only to see what would happen.
var errUndo = errors.New("taken back")

// tx runs fn in a transaction with the live schema; an error of fn takes all
// back.
func (c *Connector) tx(ctx context.Context, o sql.TxOptions, fn func(*work) error) error {
	t, err := c.db.BeginTx(ctx, &o)
	if err != nil {
		return c.explain("connect to it", err)
	}
	w := &work{c: c, tx: t}
	err = w.look(ctx)
	if err == nil {
		err = fn(w)
	}
	if err != nil {
		if undo := t.Rollback(); undo != nil && !errors.Is(undo, sql.ErrTxDone) && ctx.Err() == nil {
			c.log.WarnContext(ctx, "a transaction was not taken back in order; the database does it itself", "system", c.system.Name)
		}
		return err
	}
	if err := t.Commit(); err != nil {
		return c.explain("commit", err)
	}
	return nil
}

// readOnly is one picture of the database, as of one moment.
func readOnly() sql.TxOptions {
	return sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
}

// work is one transaction.
type work struct {
	c    *Connector
	tx   *sql.Tx
	live *catalog
	// mapped is the data map, bound to what is there.
	mapped []*collection
}

func (w *work) exec(ctx context.Context, what, query string, args ...any) (int64, error) {
	result, err := w.tx.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, w.c.explain(what, err)
	}
	n, err := result.RowsAffected()
	return n, err
}

func (w *work) count(ctx context.Context, what, query string, args ...any) (n int64, err error) {
	if err := w.tx.QueryRowContext(ctx, query, args...).Scan(&n); err != nil {
		return 0, w.c.explain(what, err)
	}
	return n, nil
}

// each calls fn with every row.
func (w *work) each(ctx context.Context, what, query string, args []any, fn func(scan func(...any) error) error) (err error) {
	rows, err := w.tx.QueryContext(ctx, query, args...)
	if err != nil {
		return w.c.explain(what, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := fn(rows.Scan); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return w.c.explain(what, err)
	}
	return nil
}
