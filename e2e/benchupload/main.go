// Command benchupload judges the labelled corpus of e2e/uploadcorpus and prints,
// by category, what was judged wrong: by the upload inspector, and by detectors of
// types that are used as one, which let a file pass if the type they see is the
// one that is declared: libmagic (the file command, if there is one),
// gabriel-vasile/mimetype (version pinned in .ci/mimetype) and net/http. With a
// folder as its argument it judges that one's files (uploadcorpus.Labelled).
package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"gatehouse/e2e/uploadcorpus"
	"gatehouse/filter/upload"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		slog.Error("bench-upload", "error", err)
		os.Exit(1)
	}
}

// judge tells for each file whether it would be let through; nil if the judge is
// not on this machine.
type judge struct {
	name     string
	accepted []bool
}

func run(ctx context.Context) error {
	files, err := corpus(folderOf(os.Args[1:]))
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "benchupload")
	if err != nil {
		return fmt.Errorf("make a folder for the corpus: %w", err)
	}
	defer os.RemoveAll(folder)
	paths, err := write(folder, files)
	if err != nil {
		return err
	}
	ours, err := inspector(files)
	if err != nil {
		return err
	}
	judges := []judge{{"gatehouse", ours}, {"net/http", sniffed(files)}}
	for _, tool := range []struct {
		name string
		args []string
	}{
		{"libmagic", []string{"file", "--brief", "--mime-type", "--files-from", "-"}},
		{"mimetype", []string{"go", "run", "-C", ".ci/mimetype", "."}},
	} {
		types, err := ask(ctx, tool.args, paths)
		if err != nil {
			fmt.Printf("%s is left out: %v\n", tool.name, err)
			continue
		}
		judges = append(judges, judge{tool.name, agreeing(files, types)})
	}
	return table(files, judges)
}

func folderOf(args []string) string { return strings.Join(args, " ") }

// corpus is a folder's labelled files, or, if none is named, those that are made and
// found.
func corpus(folder string) ([]uploadcorpus.File, error) {
	if folder != "" {
		files, err := uploadcorpus.Labelled(folder)
		if err != nil {
			return nil, fmt.Errorf("read the corpus in %s: %w", folder, err)
		}
		return files, nil
	}
	packaged, err := uploadcorpus.Packages(filepath.Join(".tools", "uploadcorpus"))
	if err != nil {
		return nil, fmt.Errorf("read the corpus: %w", err)
	}
	return slices.Concat(uploadcorpus.Files(), uploadcorpus.Found(), packaged), nil
}

func write(folder string, files []uploadcorpus.File) ([]string, error) {
	paths := make([]string, len(files))
	for i, f := range files {
		paths[i] = filepath.Join(folder, strconv.Itoa(i))
		if err := os.WriteFile(paths[i], f.Content, 0o600); err != nil {
			return nil, fmt.Errorf("write the corpus: %w", err)
		}
	}
	return paths, nil
}

func inspector(files []uploadcorpus.File) ([]bool, error) {
	p, err := upload.Compile(upload.Config{Allow: upload.KnownGroups(), MaxFileSize: 1 << 30})
	if err != nil {
		return nil, fmt.Errorf("compile the policy: %w", err)
	}
	out := make([]bool, len(files))
	for i, f := range files {
		r, err := p.Sniff(bytes.NewReader(f.Content), f.Name, f.Declared)
		if err != nil {
			return nil, fmt.Errorf("judge %s: %w", f.What, err)
		}
		out[i] = r.Accepted
		if r.Accepted == f.Malicious {
			fmt.Printf("judged wrong: %s: accepted %v, detected %q, %s %s\n", f.What, r.Accepted, r.Detected, r.Rule, r.Reason)
		}
	}
	return out, nil
}

func sniffed(files []uploadcorpus.File) []bool {
	types := make([]string, len(files))
	for i, f := range files {
		types[i] = http.DetectContentType(f.Content)
	}
	return agreeing(files, types)
}

// ask gives the files' paths to a program and takes a type a line.
func ask(ctx context.Context, args, paths []string) ([]string, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin = strings.NewReader(strings.Join(paths, "\n") + "\n")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", args[0], err)
	}
	types := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(types) != len(paths) {
		return nil, fmt.Errorf("%s told %d types of %d files", args[0], len(types), len(paths))
	}
	return types, nil
}

// agreeing lets a file pass if the type that was seen is the declared one, or
// nothing was declared. Other names for a type count as the same.
func agreeing(files []uploadcorpus.File, types []string) []bool {
	out := make([]bool, len(files))
	for i, f := range files {
		declared, _, _ := mime.ParseMediaType(f.Declared)
		seen, _, _ := mime.ParseMediaType(types[i])
		out[i] = declared == "" || declared == "application/octet-stream" || upload.SameMedia(declared, seen)
	}
	return out
}

func table(files []uploadcorpus.File, judges []judge) error {
	var categories []string
	for _, f := range files {
		if !slices.Contains(categories, f.Category) {
			categories = append(categories, f.Category)
		}
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "judged wrong\tfiles\t")
	for _, j := range judges {
		fmt.Fprint(w, j.name, "\t")
	}
	fmt.Fprintln(w)
	for _, category := range append(categories, "") {
		row(w, files, judges, category)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	return nil
}

// row is one category, or all of them.
func row(w *tabwriter.Writer, files []uploadcorpus.File, judges []judge, category string) {
	count, wrong := 0, make([]int, len(judges))
	for i, f := range files {
		if category != "" && f.Category != category {
			continue
		}
		count++
		for k, j := range judges {
			if j.accepted[i] == f.Malicious {
				wrong[k]++
			}
		}
	}
	if category == "" {
		category = "all"
	}
	fmt.Fprint(w, category, "\t", count, "\t")
	for _, n := range wrong {
		fmt.Fprint(w, n, "\t")
	}
	fmt.Fprintln(w)
}
