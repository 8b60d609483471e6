package uploadcorpus

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Labelled are the files of a folder with a manifest.jsonl, whose lines have path,
// label (accept or reject), category, filename, content_type and reason.
func Labelled(folder string) ([]File, error) {
	manifest, err := os.ReadFile(filepath.Join(folder, "manifest.jsonl")) //nolint:gosec // named by the caller
	if err != nil {
		return nil, fmt.Errorf("read the labels: %w", err)
	}
	var out []File
	lines := bufio.NewScanner(bytes.NewReader(manifest))
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		var m struct {
			Path, Label, Category, Filename, Reason string
			ContentType                             string `json:"content_type"`
		}
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			return nil, fmt.Errorf("manifest.jsonl, line %d: %w", n, err)
		}
		if m.Label != "accept" && m.Label != "reject" {
			return nil, fmt.Errorf("manifest.jsonl, line %d: label %q is neither accept nor reject", n, m.Label)
		}
		content, err := os.ReadFile(filepath.Join(folder, m.Path)) //nolint:gosec // named by the manifest
		if err != nil {
			return nil, fmt.Errorf("manifest.jsonl, line %d: %w", n, err)
		}
		out = append(out, File{m.Category, m.Path + ": " + m.Reason, m.Filename, m.ContentType, content, m.Label == "reject"})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the labels: %w", err)
	}
	return out, nil
}
