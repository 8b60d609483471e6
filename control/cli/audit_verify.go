package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"gatehouse/control/audit/verify"
)

// maxKeyFile and maxProofFile bound what is read, in bytes.
const (
	maxKeyFile   = 4 << 10
	maxProofFile = 4 << 20
)

// verifyFlags are those of audit verify.
type verifyFlags struct {
	logFolder

	url, key, since, proof string
}

func newAuditVerify(app *App) *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify --key FILE",
		Short: "Check that nobody has changed the log, or that a proof holds",
		Long: "Check a whole audit log from outside, with nothing but its folder or address and the public key:\n" +
			"the signed checkpoint, every tile, every entry. The first bad place is named, and the exit code is 1.\n" +
			"With --since, an older checkpoint that you have kept, a log that was rolled back or rewritten is found\n" +
			"even if whoever did it has the signing key. With --proof, one event's proof is checked, without the log.",
		Args: cobra.NoArgs,
	}
	f.add(cmd)
	cmd.Flags().StringVar(&f.url, "url", "", "address under which /checkpoint and /tile are served, instead of a folder")
	cmd.Flags().StringVar(&f.key, "key", "", "file of the log's public key (audit_key.pub)")
	cmd.Flags().StringVar(&f.since, "since", "", "file of an older checkpoint that the log must continue")
	cmd.Flags().StringVar(&f.proof, "proof", "", "file of a proof that `gatehouse audit prove` has written; - is standard input")
	cmd.MarkFlagsMutuallyExclusive("dir", "url", "proof")
	cmd.MarkFlagsMutuallyExclusive("since", "proof")
	format := addOutputFlag(cmd)
	cmd.RunE = app.auditing(func(ctx context.Context, _ []string) error {
		if f.key == "" {
			return misuse("no key is named: pass --key FILE, the public key that you were given by who runs the log")
		}
		key, err := readKey(f.key)
		if err != nil {
			return err
		}
		if f.proof != "" {
			return f.verifyProof(app, key, *format)
		}
		return f.verifyLog(ctx, app, key, *format)
	})
	return cmd
}

func readKey(path string) (note.Verifier, error) {
	text, err := readFile(path, maxKeyFile)
	if err != nil {
		return nil, fmt.Errorf("read the public key: %w", err)
	}
	return verify.ParseKey(strings.TrimSpace(string(text)))
}

// readFile reads a file of a bounded size.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // was only read
	return readAll(f, path, limit)
}

func readAll(r io.Reader, name string, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	return text, err
}

// verdict is what audit verify prints.
type verdict struct {
	OK    bool          `json:"ok"`
	Fault *verify.Fault `json:"fault,omitempty"`
	Where string        `json:"where,omitempty"` // folder or address
	*verify.Report
	Proven *verify.Proven `json:"proven,omitempty"`
}

func (f *verifyFlags) verifyLog(ctx context.Context, app *App, key note.Verifier, format output) error {
	v := verdict{Where: f.path()}
	o := verify.Options{Verifier: key, Source: verify.Dir(v.Where)}
	if f.url != "" {
		site, err := verify.URL(f.url, nil)
		if err != nil {
			return misuse("%w", err)
		}
		o.Source, v.Where = site, f.url
	}
	if f.since != "" {
		text, err := readFile(f.since, maxProofFile)
		if err != nil {
			return fmt.Errorf("read the older checkpoint: %w", err)
		}
		o.Since = text
	}
	report, err := verify.Log(ctx, o)
	v.Report = &report
	return v.conclude(app, err, format)
}

func (f *verifyFlags) verifyProof(app *App, key note.Verifier, format output) error {
	var text []byte
	var err error
	if f.proof == "-" {
		text, err = readAll(app.Stdin, "standard input", maxProofFile)
	} else {
		text, err = readFile(f.proof, maxProofFile)
	}
	if err != nil {
		return fmt.Errorf("read the proof: %w", err)
	}
	proven, err := verify.Inclusion(text, key)
	v := verdict{Where: f.proof}
	if err == nil {
		v.Proven = &proven
	}
	return v.conclude(app, err, format)
}

// conclude prints the verdict; a fault has then been told.
func (v *verdict) conclude(app *App, err error, format output) error {
	v.OK = err == nil
	if err != nil && !errors.As(err, &v.Fault) {
		return err
	}
	print := v.table
	if format == outputJSON {
		print = func(w io.Writer) error { return writeJSON(w, v) }
	}
	if err := print(app.Stdout); err != nil {
		return err
	}
	if !v.OK {
		return &ExitError{Code: ExitWrong}
	}
	return nil
}

func (v *verdict) table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name string, value any) { fmt.Fprintf(w, "%s\t%v\n", name, value) }
	if v.OK {
		line("verified", v.Where)
	} else {
		line("NOT VERIFIED", v.Where)
		line("first bad place", printable(v.Fault.Error()))
	}
	if r := v.Report; r != nil && r.Origin != "" {
		line("log", printable(r.Origin))
		line("entries", fmt.Sprintf("%d of %d have passed", r.Events, r.Size))
		line("tiles and bundles read", r.Files)
		line("root", r.Root)
		if r.First != nil {
			line("events", r.First.UTC().Format(time.RFC3339)+" to "+r.Last.UTC().Format(time.RFC3339))
		}
		if r.Since != nil && v.OK {
			line("continues", fmt.Sprintf("the older checkpoint of %d entries", *r.Since))
		}
	}
	if p := v.Proven; p != nil {
		line("log", printable(p.Head.Origin))
		line("entry", fmt.Sprintf("%d of %d", p.Index, p.Head.Size))
		line("event", printable(fmt.Sprintf("%s %s %s %s", p.Event.ID, p.Event.Time.UTC().Format(time.RFC3339), p.Event.Type, p.Event.Outcome)))
	}
	return w.Flush()
}
