// Command depcheck judges what Gatehouse depends on, as far as that can be done
// without asking anybody: modules are what go.sum says, none is replaced by
// another, every licence is one that we accept, and every wheel has its hashes.
//
// It does not know vulnerabilities. Their database is elsewhere: with GOVULNDB
// set, `make dependency-check` runs govulncheck on it besides.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const within = 5 * time.Minute

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: depcheck FOLDER (of the repository)")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if err := check(ctx, os.Args[1], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// check makes every check and reports all that is wrong.
func check(ctx context.Context, root string, out io.Writer) error {
	var errs []error
	for _, step := range []struct {
		name string
		run  func(context.Context, string) (string, error)
	}{
		{"go.mod", directives},
		{"go.sum", verified},
		{"licences", licences},
		{"wheels", wheels},
	} {
		said, err := step.run(ctx, root)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", step.name, err))
			continue
		}
		fmt.Fprintf(out, "%s: %s\n", step.name, said)
	}
	return errors.Join(errs...)
}

// modFile is what is read of `go mod edit -json`.
type modFile struct {
	Require []struct{ Path, Version string }
	Replace []struct {
		Old, New struct{ Path, Version string }
	}
	Exclude []struct{ Path, Version string }
}

// directives wants every module to be the one that its name says.
func directives(ctx context.Context, root string) (string, error) {
	text, err := run(ctx, root, "go", "mod", "edit", "-json")
	if err != nil {
		return "", err
	}
	var m modFile
	if err := json.Unmarshal(text, &m); err != nil {
		return "", err
	}
	var errs []error
	for _, r := range m.Replace {
		errs = append(errs, fmt.Errorf("%s is replaced by %s: depend on what is used", r.Old.Path, r.New.Path))
	}
	for _, e := range m.Exclude {
		errs = append(errs, fmt.Errorf("%s %s is excluded: require a version that works", e.Path, e.Version))
	}
	return fmt.Sprintf("%d modules, none replaced or excluded", len(m.Require)), errors.Join(errs...)
}

// verified wants go.sum to be complete, and what is on this disk to be what it
// says.
func verified(ctx context.Context, root string) (string, error) {
	if _, err := run(ctx, root, "go", "list", "-mod=readonly", "-deps", "-test", "./..."); err != nil {
		return "", fmt.Errorf("it is not complete: %w", err)
	}
	said, err := run(ctx, root, "go", "mod", "verify")
	return "complete; " + strings.TrimSpace(string(said)), err
}

// wheels wants every Python wheel in one version, with hashes.
func wheels(_ context.Context, root string) (string, error) {
	files, err := filepath.Glob(filepath.Join(root, ".ci", "requirements-*.txt"))
	if err != nil {
		return "", err
	}
	count := 0
	var errs []error
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		for _, requirement := range requirements(string(text)) {
			count++
			name := strings.Fields(requirement)[0]
			if !strings.Contains(name, "==") {
				errs = append(errs, fmt.Errorf("%s: %s is not pinned: write ==VERSION", filepath.Base(file), name))
			}
			if !strings.Contains(requirement, "--hash=sha256:") {
				errs = append(errs, fmt.Errorf("%s: %s has no hash: pip hash says it", filepath.Base(file), name))
			}
		}
	}
	return fmt.Sprintf("%d, each pinned by version and hash", count), errors.Join(errs...)
}

// requirements are the logical lines of a requirements file.
func requirements(text string) []string {
	var all []string
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		if line, _, _ = strings.Cut(line, "#"); strings.TrimSpace(line) != "" {
			all = append(all, strings.TrimSpace(line))
		}
	}
	return all
}

func run(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("%s %s: %w: %s%s", name, strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()), bytes.TrimSpace(out[:min(len(out), 500)]))
	}
	return out, nil
}
