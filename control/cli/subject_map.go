package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/control/policy"
	"gatehouse/control/privacy/connector"
	"gatehouse/control/privacy/export"
	"gatehouse/control/privacy/systems"
)

// mapReport is what `subject check-map --output json` prints.
type mapReport struct {
	OK       bool                `json:"ok"`
	File     string              `json:"file"`
	Systems  []string            `json:"systems"` // that were asked
	Findings []connector.Finding `json:"findings"`
}

// compareWithin bounds how long one system may take to be compared with the map.
const compareWithin = time.Minute

func newSubjectCheckMap(app *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check-map FILE",
		Short: "Compare the data map of a gatehouse.yaml with the systems it names",
		Long: "Compare the data map of a gatehouse.yaml with the systems it names: tables, columns and rights that\n" +
			"are missing, what an erasure could not do, and columns that look personal and are not in the map.\n" +
			"It changes nothing. Faults make it fail; warnings do not.",
		Example: "  gatehouse subject check-map gatehouse.yaml",
		Args:    cobra.ExactArgs(1),
	}
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return app.checkMap(cmd.Context(), args[0], *format) }
	return cmd
}

func (app *App) checkMap(ctx context.Context, file string, format output) error {
	source, err := os.ReadFile(file)
	if err != nil {
		return wrong("%w", err)
	}
	compiled, err := policy.Load(file, source)
	if err != nil {
		return wrong("%w", err)
	}
	// Nothing is written with it.
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails: it ends the process instead
	opened, err := systems.Open(compiled.Privacy, systems.Options{Key: key, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return wrong("%w", err)
	}
	r := mapReport{OK: true, File: file, Systems: []string{}, Findings: []connector.Finding{}}
	for _, c := range opened {
		r.Systems = append(r.Systems, c.Name())
		r.Findings = append(r.Findings, compareSystem(ctx, c)...)
	}
	r.OK = !slices.ContainsFunc(r.Findings, func(f connector.Finding) bool { return f.Level == connector.Fault })
	if err := errors.Join(r.print(app, format), opened.Close()); err != nil {
		return err
	}
	if !r.OK {
		return &ExitError{Code: ExitWrong}
	}
	return nil
}

func compareSystem(ctx context.Context, c connector.Connector) []connector.Finding {
	checker, ok := c.(connector.Checker)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, compareWithin)
	defer cancel()
	found, err := checker.Check(ctx)
	if err != nil {
		found = append(found, connector.Finding{System: c.Name(), Level: connector.Fault, Text: err.Error()})
	}
	return found
}

func (r mapReport) print(app *App, format output) error {
	if format == outputJSON {
		return writeJSON(app.Stdout, r)
	}
	for _, f := range r.Findings {
		if _, err := fmt.Fprintf(app.Stdout, "%s: %s: %s\n", f.System, f.Level, f.Text); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(app.Stdout, "%s: %d systems compared, %d findings\n", r.File, len(r.Systems), len(r.Findings))
	return err
}

// archiveReport is what `subject verify-export --output json` prints.
type archiveReport struct {
	OK       bool             `json:"ok"`
	File     string           `json:"file"`
	Fault    string           `json:"fault,omitempty"`
	Manifest *export.Manifest `json:"manifest,omitempty"`
}

func newSubjectVerifyExport(app *App) *cobra.Command {
	var key string
	cmd := &cobra.Command{
		Use:   "verify-export FILE --key KEY",
		Short: "Check that an archive is what was handed over, file by file",
		Long: "Check that the archive of an access or portability request is what was signed: every file in it,\n" +
			"and none besides. It needs the archive and the public key (audit_key.pub), and nothing else.",
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&key, "key", "", "file of the public key (audit_key.pub)")
	format := addOutputFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if key == "" {
			return misuse("no key is named: pass --key FILE, the public key of whoever has handed the archive over")
		}
		return app.verifyExport(args[0], key, *format)
	}
	return cmd
}

func (app *App) verifyExport(file, keyFile string, format output) (err error) {
	key, err := readKey(keyFile)
	if err != nil {
		return wrong("%w", err)
	}
	in, err := os.Open(file)
	if err != nil {
		return wrong("%w", err)
	}
	defer func() { _ = in.Close() }() // was only read
	size, err := in.Seek(0, io.SeekEnd)
	if err != nil {
		return wrong("%w", err)
	}
	m, err := export.Verify(in, size, key)
	var fault *export.Fault
	if err != nil && !errors.As(err, &fault) {
		return wrong("%w", err)
	}
	r := archiveReport{OK: err == nil, File: file}
	if r.OK {
		r.Manifest = &m
	} else {
		r.Fault = fault.Error()
	}
	if err := r.print(app, format); err != nil {
		return err
	}
	if !r.OK {
		return &ExitError{Code: ExitWrong}
	}
	return nil
}

func (r archiveReport) print(app *App, format output) error {
	if format == outputJSON {
		return writeJSON(app.Stdout, r)
	}
	if !r.OK {
		_, err := fmt.Fprintf(app.Stdout, "%s: NOT what was signed: %s\n", r.File, r.Fault)
		return err
	}
	var records int64
	for _, member := range r.Manifest.Members {
		records += member.Records
	}
	_, err := fmt.Fprintf(app.Stdout, "%s: ok: the answer to request %s (%s) of %s, %d records, %d files, signed by the holder of the key\n",
		r.File, r.Manifest.Request, r.Manifest.Kind, r.Manifest.Created.Format(time.RFC3339), records, len(r.Manifest.Members))
	return err
}
