package cli

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/authz/event"
	"gatehouse/authz/secret"
	"gatehouse/control/audit/seal"
	"gatehouse/control/store"
)

// addReveal adds the flag that reads what events keep sealed.
func addReveal(cmd *cobra.Command, on *bool) {
	cmd.Flags().BoolVar(on, "reveal", false, "show names, addresses and file names too; needs the store (--store) and the master key (GATEHOUSE_MASTER_KEY_FILE)")
}

// revealer opens the sealed fields of events.
type revealer struct{ keys *seal.Keyring }

// openRevealer finds the master key where the environment says, else where `up`
// keeps it.
func openRevealer(ctx context.Context, app *App, stateDir string, s *store.Store) (*revealer, error) {
	text, err := secret.Load(app.Env, seal.MasterKeyName)
	if errors.Is(err, secret.ErrNotSet) {
		kept := filepath.Join(stateDir, "secrets", "master_key")
		if _, there := os.Stat(kept); there == nil {
			text, err = secret.File{Name: seal.MasterKeyName, Path: kept}.Read()
		}
	}
	if err != nil {
		return nil, err
	}
	master, err := seal.ParseMaster(text)
	if err != nil {
		return nil, err
	}
	keys, err := seal.New(ctx, seal.Options{Store: s, Master: master})
	if err != nil {
		return nil, err
	}
	return &revealer{keys}, nil
}

// open fills in Personal. What was erased, and what another store has the key
// of, stays closed; the log says nothing more about it.
func (r *revealer) open(ctx context.Context, e *event.Event) error {
	if r == nil || e.Sealed == "" {
		return nil
	}
	fields, err := r.keys.Open(ctx, e.Sealed, e.Subject)
	if errors.Is(err, seal.ErrShredded) || errors.Is(err, seal.ErrNoKey) {
		return nil
	}
	e.Personal = fields
	return err
}

// personal lists what was revealed: "filename=a.pdf ip=203.0.113.7".
func personal(e event.Event) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(e.Personal)) {
		parts = append(parts, name+"="+e.Personal[name])
	}
	return strings.Join(parts, " ")
}
