package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// maxManifestLine bounds a line of a manifest, in bytes.
const maxManifestLine = 1 << 20

// manifestLine is one line of a manifest. Other keys are the manifest's own
// affair. An absent filename is the path's last part.
type manifestLine struct {
	Path        string  `json:"path"`
	Filename    *string `json:"filename"`
	ContentType string  `json:"content_type"`
}

// manifest judges the files that a manifest names, line by line, so that its
// length does not matter.
func (s *sniffer) manifest(file string) error {
	in, err := os.Open(file) //nolint:gosec // the manifest that the user names
	if err != nil {
		return wrong("open the manifest: %w", err)
	}
	defer in.Close()
	s.format = outputJSON
	failed, number := 0, 0
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxManifestLine)
	for lines.Scan() {
		number++
		if len(lines.Bytes()) == 0 {
			continue
		}
		if err := s.manifestLine(filepath.Dir(file), lines.Bytes()); err != nil {
			fmt.Fprintf(s.app.Stderr, "gatehouse: %s:%d: %v\n", file, number, err)
			failed++
		}
	}
	if err := lines.Err(); err != nil {
		return wrong("read the manifest: line %d: %w", number+1, err)
	}
	if failed > 0 {
		return &ExitError{Code: ExitWrong}
	}
	return nil
}

func (s *sniffer) manifestLine(dir string, text []byte) error {
	var line manifestLine
	if err := json.Unmarshal(text, &line); err != nil {
		return fmt.Errorf("not a line of a manifest: %w", err)
	}
	if line.Path == "" {
		return errors.New("not a line of a manifest: no path")
	}
	f := suspect{path: line.Path, file: line.Path, filename: filepath.Base(line.Path), declared: line.ContentType}
	if !filepath.IsAbs(f.file) {
		f.file = filepath.Join(dir, f.file)
	}
	if line.Filename != nil {
		f.filename = *line.Filename
	}
	verdict, err := s.judge(f)
	if err != nil {
		return err
	}
	return s.print(verdict)
}

// writeJSONLine prints v on one line.
func writeJSONLine(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}
