package cli

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"gatehouse/filter/upload"
)

// Bounds that no local file meets: sniff judges what a file is, not its size.
const (
	sniffMaxFile    = 1 << 50
	sniffMaxRequest = 1 << 51
)

// sniffLine is what is printed about one file.
type sniffLine struct {
	Path     string `json:"path"`
	Verdict  string `json:"verdict"` // accept or reject
	Detected string `json:"detected"`
	Rule     string `json:"rule"`
	Reason   string `json:"reason"`
}

// suspect is a file together with what its sender says about it.
type suspect struct {
	path     string // as it is printed
	file     string // where it is
	filename string
	declared string // media type, "" if undeclared
}

func newSniffCommand(app *App) *cobra.Command {
	var allow []string
	var manifest, contentType string
	cmd := &cobra.Command{
		Use:   "sniff FILE...",
		Short: "Judge local files as the filter judges uploads",
		Long: "Judge local files as the filter judges uploads: content, name and declared type must agree, and nothing\n" +
			"dangerous may be inside. Sizes are not judged. The exit code is 1 if a file is rejected.\n\n" +
			"With --manifest, the files are named by lines of JSON with path (relative to the manifest), filename and\n" +
			"content_type; one line of JSON is printed for each, and rejecting is no failure: the exit code is 1 only\n" +
			"if a line or a file cannot be read.",
		Example: "  gatehouse sniff report.pdf --allow pdf,docx\n  gatehouse sniff --manifest corpus/manifest.jsonl > verdicts.jsonl",
		Args: func(cmd *cobra.Command, args []string) error {
			if manifest != "" {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.MinimumNArgs(1)(cmd, args)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&allow, "allow", upload.KnownGroups(), "types and groups of types, as under uploads.allow")
	flags.StringVar(&manifest, "manifest", "", "`FILE.jsonl` that names the files")
	flags.StringVar(&contentType, "content-type", "", "the declared type of the files; undeclared unless told")
	format := addOutputFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		p, err := upload.Compile(upload.Config{Allow: allow, MaxFileSize: sniffMaxFile, MaxRequestSize: sniffMaxRequest})
		if err != nil {
			return misuse("--allow: %w", err)
		}
		s := sniffer{app: app, policy: p, format: *format}
		if manifest != "" {
			return s.manifest(manifest)
		}
		return s.files(args, contentType)
	}
	return cmd
}

type sniffer struct {
	app    *App
	policy *upload.Policy
	format output
}

func (s *sniffer) files(paths []string, declared string) error {
	rejected, failed := 0, 0
	for _, path := range paths {
		line, err := s.judge(suspect{path: path, file: path, filename: filepath.Base(path), declared: declared})
		if err != nil {
			fmt.Fprintf(s.app.Stderr, "gatehouse: %v\n", err)
			failed++
			continue
		}
		if line.Verdict != "accept" {
			rejected++
		}
		if err := s.print(line); err != nil {
			return err
		}
	}
	if rejected+failed > 0 {
		return &ExitError{Code: ExitWrong}
	}
	return nil
}

func (s *sniffer) judge(f suspect) (sniffLine, error) {
	in, err := os.Open(f.file) //nolint:gosec // a file that the user names
	if err != nil {
		return sniffLine{}, fmt.Errorf("sniff: %w", err)
	}
	defer in.Close()
	r, err := s.policy.Sniff(in, f.filename, f.declared)
	if err != nil {
		return sniffLine{}, fmt.Errorf("sniff: %w", err)
	}
	line := sniffLine{Path: f.path, Verdict: "accept", Detected: r.Detected, Rule: r.Rule, Reason: r.Reason}
	if !r.Accepted {
		line.Verdict = "reject"
	}
	return line, nil
}

func (s *sniffer) print(line sniffLine) error {
	if s.format == outputJSON {
		return writeJSONLine(s.app.Stdout, line)
	}
	text := fmt.Sprintf("%s  %s  %s", line.Verdict, printable(line.Path), cmp.Or(line.Detected, "unknown"))
	if line.Rule != "" {
		text += "  " + line.Rule + ": " + line.Reason
	}
	_, err := fmt.Fprintln(s.app.Stdout, text)
	return err
}
