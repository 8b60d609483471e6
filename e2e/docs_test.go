package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	controlpolicy "gatehouse/control/policy"
	"gatehouse/e2e/pack"
	filterpolicy "gatehouse/filter/policy"
)

// fence is a fenced code block of Markdown whose info string is two words; the
// second says what the block is, so that a reader's eye and this test agree.
var fence = regexp.MustCompile("(?ms)^```(yaml gatehouse|json plugin)\n(.*?)^```$")

// TestTheDocumentsExamplesAreAccepted reads each example as the program would
// that it is meant for.
func TestTheDocumentsExamplesAreAccepted(t *testing.T) {
	t.Parallel()
	found := map[string]int{}
	for _, file := range documents(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range fence.FindAllStringSubmatchIndex(string(text), -1) {
			kind, example := string(text[match[2]:match[3]]), text[match[4]:match[5]]
			line := 1 + strings.Count(string(text[:match[0]]), "\n")
			found[kind]++
			if err := accept(kind, example); err != nil {
				t.Errorf("%s:%d: the example is refused: %v\n%s", filepath.Base(file), line, err, example)
			}
		}
	}
	for _, kind := range []string{"yaml gatehouse", "json plugin"} {
		if found[kind] == 0 {
			t.Errorf("no document has a ```%s block", kind)
		}
	}
}

func accept(kind string, example []byte) error {
	if kind == "json plugin" {
		_, err := filterpolicy.Parse(example)
		return err
	}
	_, err := controlpolicy.Load("gatehouse.yaml", example)
	return err
}

func documents(t *testing.T) []string {
	t.Helper()
	root := pack.Root(t)
	files := []string{filepath.Join(root, "README.md")}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.HasSuffix(path, ".md") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
