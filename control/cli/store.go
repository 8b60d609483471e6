package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/spf13/pflag"

	"gatehouse/control/store"
)

// storePassword is the name of the secret that PostgreSQL wants; its file is
// named by GATEHOUSE_STORE_PASSWORD_FILE, whatever command opens the store.
const storePassword = "GATEHOUSE_STORE_PASSWORD"

// defaultStore is what is opened unless something else is told.
func defaultStore() string { return "sqlite:" + filepath.Join(defaultState, "gatehouse.db") }

// addStoreFlag adds the one flag that names a store; use says what is in it.
func addStoreFlag(flags *pflag.FlagSet, into *string, value, use string) {
	flags.StringVar(into, "store", value, fmt.Sprintf("store of %s: sqlite:PATH or postgres://USER@HOST/DATABASE, whose password is in the file that %s_FILE names (GATEHOUSE_STORE)", use, storePassword))
}

// storeOptions are those of the store at url; its password is followed when the
// file changes. log, which may be nil, hears of that.
func (app *App) storeOptions(url string, log *slog.Logger) (store.Options, error) {
	if url == "" {
		return store.Options{}, nil
	}
	password, err := app.live(storePassword, log)
	if err != nil {
		return store.Options{}, wrong("%w", err)
	}
	return store.Options{URL: url, LivePassword: password}, nil
}

// withStore opens the store at url for as long as run takes.
func (app *App) withStore(ctx context.Context, url string, run func(*store.Store) error) (err error) {
	options, err := app.storeOptions(url, nil)
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return run(s)
}
