package scan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// RulesFile in the folder that is scanned adds rules and allowlists.
	RulesFile = ".gitleaks.toml"
	// maxRulesFile bounds it, in bytes.
	maxRulesFile = 1 << 20
	listWithin   = time.Minute
)

// Tree looks at a file, or at all files of a folder but those that git ignores,
// and calls found for each secret. Paths are told as the caller's own, root
// included. What cannot be read is in the error, after everything else was
// looked at. Links are not followed, binary files are passed over.
func Tree(ctx context.Context, root string, found func(Hit) error) error {
	info, err := os.Stat(root)
	if err != nil {
		return fmt.Errorf("scan: %w", err)
	}
	folder, names := filepath.Dir(root), []string{filepath.Base(root)}
	if info.IsDir() {
		folder = root
		if names, err = list(ctx, root); err != nil {
			return err
		}
	}
	scanner, err := forFolder(folder)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		err := scanner.file(ctx, folder, name, found)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var failed *stopped
		if errors.As(err, &failed) {
			return failed.err
		}
		if err != nil && !errors.Is(err, ErrBinary) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// stopped is an error of the caller's own.
type stopped struct{ err error }

func (s *stopped) Error() string { return s.err.Error() }

func (s *Scanner) file(ctx context.Context, folder, name string, found func(Hit) error) error {
	path := filepath.Join(folder, name)
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("scan: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("scan: %w", err)
	}
	defer func() { _ = file.Close() }() // opened for reading
	return s.Reader(ctx, filepath.ToSlash(name), file, func(h Hit) error {
		h.File = path
		if err := found(h); err != nil {
			return &stopped{err}
		}
		return nil
	})
}

// forFolder is a Scanner with the folder's own rules, if it has any.
func forFolder(folder string) (*Scanner, error) {
	file, err := os.Open(filepath.Join(folder, RulesFile))
	if errors.Is(err, fs.ErrNotExist) {
		s, err := Default()
		if err != nil {
			return nil, err
		}
		return s.ForFiles(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the rules: %w", err)
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxRulesFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the rules: %w", err)
	}
	if len(text) > maxRulesFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", file.Name(), maxRulesFile)
	}
	s, err := NewWith(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file.Name(), err)
	}
	return s.ForFiles(), nil
}

// list are the files of a folder, relative to it: those that git would commit,
// where the folder is in a work tree and git is there; else all but .git and
// node_modules.
func list(ctx context.Context, folder string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, listWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", "-C", folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if out, err := cmd.Output(); err == nil {
		var names []string
		for name := range bytes.SplitSeq(out, []byte{0}) {
			if _, err := os.Lstat(filepath.Join(folder, string(name))); len(name) > 0 && err == nil { // not deleted
				names = append(names, string(name))
			}
		}
		slices.Sort(names)
		return slices.Compact(names), nil
	}
	return walk(folder)
}

func walk(folder string) (names []string, err error) {
	err = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil && path == folder:
			return err
		case err != nil:
			names = append(names, strings.TrimPrefix(path, folder+string(filepath.Separator))) // reading it says why
			return fs.SkipDir
		case entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "node_modules"):
			return fs.SkipDir
		case entry.IsDir():
			return nil
		}
		name, err := filepath.Rel(folder, path)
		names = append(names, name)
		return err
	})
	return names, err
}
