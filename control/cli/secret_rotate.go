package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"gatehouse/authz/secret"
	"gatehouse/control/audit/seal"
	"gatehouse/control/store"
)

// rotateFlags are those of secret rotate-master.
type rotateFlags struct {
	store            string
	oldFile, newFile string
	dryRun           bool
}

// rotation is what secret rotate-master prints.
type rotation struct {
	State string `json:"state"` // planned, rotated, or "was rotated" if an earlier run had got that far
	Keys  int    `json:"keys"`  // that live, and open
	Old   string `json:"old"`   // ids of the master keys
	New   string `json:"new"`
	Next  string `json:"next"`
}

func newSecretRotate(app *App) *cobra.Command {
	var f rotateFlags
	cmd := &cobra.Command{
		Use:   "rotate-master --new-file FILE",
		Short: "Replace the master key under which people's readable fields are kept",
		Long: "Wrap the keys of all subjects under another master key, in one transaction of the store. The log and what\n" +
			"it seals do not change. Cut off anywhere, even killed, it has done all of that or nothing: run it again\n" +
			"with the same files. It may run while control does: events wait in Redis from then on until control\n" +
			"finds the new key in the file that GATEHOUSE_MASTER_KEY_FILE names, without a restart.",
		Example: "  openssl rand -base64 32 > master_key.new\n" +
			"  gatehouse secret rotate-master --new-file master_key.new --dry-run\n" +
			"  gatehouse secret rotate-master --new-file master_key.new && mv master_key.new master_key",
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	addStoreFlag(flags, &f.store, defaultStore(), "the keys")
	flags.StringVar(&f.oldFile, "old-file", "", "file of the master key in force (default: the one that GATEHOUSE_MASTER_KEY_FILE names)")
	flags.StringVar(&f.newFile, "new-file", "", "file of the master key to come, made with: openssl rand -base64 32")
	flags.BoolVar(&f.dryRun, "dry-run", false, "open every key, say what would be done, and change nothing")
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := fromEnvironment(flags, app.Env); err != nil {
			return misuse("%w", err)
		}
		return asWrong(app.rotateMaster(cmd.Context(), &f, *format))
	}
	return cmd
}

func (app *App) rotateMaster(ctx context.Context, f *rotateFlags, format output) error {
	from, to, err := app.rotationKeys(f)
	if err != nil {
		return err
	}
	if path, ok := strings.CutPrefix(f.store, "sqlite:"); ok {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("there is no such store: %w: pass --store", err) // opening it would make one
		}
	}
	return app.withStore(ctx, f.store, func(s *store.Store) error {
		done := rotation{State: "rotated", Old: from.ID(), New: to.ID(), Next: "put the new key into the file that " + seal.MasterKeyName +
			"_FILE names: a control that runs takes it by itself; then destroy the old one, and old backups of the store are unreadable"}
		rotate := seal.Rotate
		if f.dryRun {
			done.State, done.Next, rotate = "planned", "nothing was changed: do it without --dry-run", seal.PlanRotation
		}
		r, err := rotate(ctx, s, from, to)
		if err != nil {
			return err
		}
		if r.Wrapped {
			done.State = "was rotated"
		}
		done.Keys = r.Keys
		return app.printRotation(done, format)
	})
}

// rotationKeys reads both; the old one is that of the environment unless told.
func (app *App) rotationKeys(f *rotateFlags) (from, to seal.Master, err error) {
	if f.newFile == "" {
		return from, to, misuse("--new-file is missing: make a key with `openssl rand -base64 32` in a file with mode 0600, and name the file")
	}
	old := secret.File{Name: seal.MasterKeyName, Path: f.oldFile}
	if f.oldFile == "" {
		if old, err = secret.Find(app.Env, seal.MasterKeyName); errors.Is(err, secret.ErrNotSet) {
			return from, to, misuse("the master key in force is not named: pass --old-file, or set %s_FILE", seal.MasterKeyName)
		}
	}
	if err == nil {
		from, err = parseMaster(old)
	}
	if err == nil {
		to, err = parseMaster(secret.File{Name: "--new-file", Path: f.newFile})
	}
	return from, to, err
}

func parseMaster(file secret.File) (seal.Master, error) {
	text, err := file.Read()
	if err != nil {
		return seal.Master{}, err
	}
	m, err := seal.ParseMaster(text)
	if err != nil {
		return m, fmt.Errorf("file %s: %w", file.Path, err)
	}
	return m, nil
}

func (app *App) printRotation(r rotation, format output) error {
	if format == outputJSON {
		return writeJSON(app.Stdout, r)
	}
	keys := map[string]string{
		"planned": "would be wrapped anew; each opens under the old master key", "rotated": "wrapped anew; each opens under the new master key",
		"was rotated": "had been wrapped anew before; each opens under the new master key",
	}[r.State]
	w := tabwriter.NewWriter(app.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "state\t%s\nkeys\t%d %s\nold master key\t%s\nnew master key\t%s\nnext\t%s\n", r.State, r.Keys, keys, r.Old, r.New, r.Next)
	return w.Flush()
}
