package scan

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/e2e/planted"
)

// grow lays out a folder of files.
func grow(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// scanned is what Tree finds, as "name:line:rule".
func scanned(t *testing.T, root string) (hits []string, err error) {
	t.Helper()
	err = Tree(t.Context(), root, func(h Hit) error {
		name, relErr := filepath.Rel(root, h.File)
		hits = append(hits, name+":"+string(rune('0'+h.Line))+":"+h.Rule)
		return relErr
	})
	return hits, err
}

func TestAFolderIsScannedWithoutWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	key := planted.New(1)[0].Text
	files := map[string]string{
		"a.txt": "x\n" + key + "\n", "sub/b.env": "K=" + key, "node_modules/c.txt": key, "ignored/d.txt": key,
		"image.bin": "\x00" + key, ".gitignore": "ignored/\nnode_modules/\n", "allowed.txt": key + " # gitleaks:" + "allow",
	}
	t.Run("in a work tree", func(t *testing.T) {
		t.Parallel()
		dir := grow(t, files)
		if out, err := exec.CommandContext(t.Context(), "git", "-C", dir, "init", "-q").CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		hits, err := scanned(t, dir)
		if want := "a.txt:2:aws-access-token sub/b.env:1:aws-access-token"; err != nil || strings.Join(hits, " ") != want {
			t.Errorf("%v %v", hits, err)
		}
	})
	t.Run("without git", func(t *testing.T) {
		t.Parallel()
		names, err := walk(grow(t, files))
		if want := ".gitignore a.txt allowed.txt ignored/d.txt image.bin sub/b.env"; err != nil || strings.Join(names, " ") != want {
			t.Errorf("%v %v", names, err)
		}
	})
	t.Run("a file alone", func(t *testing.T) {
		t.Parallel()
		var hits []Hit
		path := filepath.Join(grow(t, files), "a.txt")
		err := Tree(t.Context(), path, func(h Hit) error { hits = append(hits, h); return nil })
		if err != nil || len(hits) != 1 || hits[0] != (Hit{path, 2, "aws-access-token"}) {
			t.Errorf("%v %v", hits, err)
		}
	})
}

func TestAFoldersRulesHold(t *testing.T) {
	t.Parallel()
	key := planted.New(1)[0].Text
	dir := grow(t, map[string]string{"docs/a.md": key, "src/b.md": key, RulesFile: "[[allowlists]]\npaths = ['''^docs/''']"})
	hits, err := scanned(t, dir)
	if err != nil || strings.Join(hits, " ") != "src/b.md:1:aws-access-token" {
		t.Errorf("%v %v", hits, err)
	}
	dir = grow(t, map[string]string{RulesFile: "[[rules]]\nid = 'x'\nregex = '''('''"})
	if _, err := scanned(t, dir); err == nil || !strings.Contains(err.Error(), RulesFile) {
		t.Errorf("%v", err)
	}
	dir = grow(t, map[string]string{RulesFile: strings.Repeat("#", maxRulesFile+1)})
	if _, err := scanned(t, dir); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("%v", err)
	}
}

func TestWhatCannotBeScannedIsSaidAndTheRestIsDone(t *testing.T) {
	t.Parallel()
	if _, err := scanned(t, filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	dir := grow(t, map[string]string{"a": planted.New(1)[0].Text, "c": planted.New(1)[0].Text})
	if err := os.Symlink("/nowhere", filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	hits, err := scanned(t, dir)
	if err != nil || len(hits) != 2 {
		t.Errorf("%v %v", hits, err)
	}
	enough := errors.New("enough")
	if err := Tree(t.Context(), dir, func(Hit) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Tree(ctx, dir, func(Hit) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
