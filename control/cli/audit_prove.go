package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"gatehouse/control/audit"
)

func newAuditProve(app *App) *cobra.Command {
	var f logFolder
	var out string
	cmd := &cobra.Command{
		Use:   "prove ID|INDEX",
		Short: "Write a proof that an event is in the log",
		Long: "Write a proof (C2SP tlog-proof) that an event, by its id or by its place in the log, is in the log.\n" +
			"Whoever has the public key checks it with `gatehouse audit verify --proof FILE --key FILE`, without the log.",
		Args: cobra.ExactArgs(1),
	}
	f.add(cmd)
	cmd.Flags().StringVar(&out, "out", "", "file to write, EVENT.tlog-proof by convention (default: standard output)")
	cmd.RunE = app.auditing(func(ctx context.Context, args []string) error {
		proof, err := prove(ctx, f.path(), args[0])
		if err != nil {
			return err
		}
		if out == "" {
			_, err := io.WriteString(app.Stdout, proof.Text())
			return err
		}
		return os.WriteFile(out, []byte(proof.Text()), 0o600)
	})
	return cmd
}

// prove takes an index for an index, unless it is an id.
func prove(ctx context.Context, dir, what string) (*audit.Proof, error) {
	leaf, err := audit.Find(ctx, dir, what)
	if errors.Is(err, audit.ErrNoEvent) {
		if index, notNumber := strconv.ParseUint(what, 10, 63); notNumber == nil {
			leaf, err = index, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return audit.ProveLeaf(ctx, dir, leaf)
}

func newAuditKeygen(app *App) *cobra.Command {
	var name, out string
	cmd := &cobra.Command{
		Use:   "keygen --name NAME --out FILE",
		Short: "Make the key that signs an audit log",
		Long: "Make the key that signs an audit log, for GATEHOUSE_AUDIT_KEY_FILE, and its public half beside it, in\n" +
			"FILE.pub, for those who verify the log. NAME names the log in every checkpoint; by convention it is an\n" +
			"address without its scheme, such as audit.example.com/gatehouse.",
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&name, "name", "", "name of the log")
	cmd.Flags().StringVar(&out, "out", "", "file to write; one that exists is not replaced")
	cmd.RunE = app.auditing(func(context.Context, []string) error {
		if name == "" || out == "" {
			return misuse("pass --name NAME and --out FILE")
		}
		key, public, err := audit.GenerateKey(name)
		if err != nil {
			return misuse("%w", err)
		}
		if err := writeNew(out, append(key.Reveal(), '\n'), 0o600); err != nil {
			return err
		}
		if err := writeNew(out+".pub", []byte(public+"\n"), 0o644); err != nil {
			return err
		}
		_, err = fmt.Fprintln(app.Stdout, public)
		return err
	})
	return cmd
}

// writeNew writes a file that must not be there.
func writeNew(path string, text []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s exists and is not replaced: a log that it has signed could not be continued; choose another --out", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
