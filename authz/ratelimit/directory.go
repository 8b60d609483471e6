package ratelimit

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"gatehouse/authz/internal/every"
)

const (
	lookEvery   = time.Second
	maxFileSize = 16 << 20
	maxFolders  = 8
)

// Directory keeps the newest valid Config of a folder of YAML files.
type Directory struct {
	path    string
	parse   func([]File) (*Config, error)
	log     *slog.Logger
	current atomic.Pointer[Config]
	seen    [sha256.Size]byte // of the files last read, whether good or not; only Look touches it
}

// OpenDirectory reads all *.yaml and *.yml files below path and returns every
// mistake in them.
func OpenDirectory(path string, log *slog.Logger) (*Directory, error) {
	return openDirectory(path, log, Parse)
}

// OpenMergedDirectory is OpenDirectory for files of which several may be of one domain.
func OpenMergedDirectory(path string, log *slog.Logger) (*Directory, error) {
	return openDirectory(path, log, ParseMerged)
}

func openDirectory(path string, log *slog.Logger, parse func([]File) (*Config, error)) (*Directory, error) {
	d := &Directory{path: path, log: log, parse: parse}
	if _, err := d.Look(); err != nil {
		return nil, err
	}
	return d, nil
}

// Current is the Config in use.
func (d *Directory) Current() *Config { return d.current.Load() }

// Look reads the folder and swaps if its files are other than before and valid.
// It says whether it swapped. One goroutine at a time may call it.
//
// It compares contents instead of watching for events: the folder may be a
// ConfigMap, a network mount or a Git checkout, and each tells of changes in its
// own way, or not at all.
func (d *Directory) Look() (bool, error) {
	files, err := readFolder(d.path, 0)
	if err != nil {
		return false, fmt.Errorf("read the rate limit configuration: %w", err)
	}
	if len(files) == 0 {
		return false, ConfigErrors{{File: d.path, What: "holds no *.yaml file", Fix: "point --ratelimit-config at the folder of the configuration"}}
	}
	sum := digest(files)
	if sum == d.seen {
		return false, nil
	}
	config, err := d.parse(files)
	d.seen = sum
	if err != nil {
		return false, err
	}
	d.current.Store(config)
	return true, nil
}

// Run looks every second until ctx ends, and logs what a broken edit did wrong.
func (d *Directory) Run(ctx context.Context) {
	last := ""
	every.Turn(ctx, lookEvery, func(context.Context) {
		swapped, err := d.Look()
		switch {
		case swapped:
			last = ""
			d.log.Info("rate limit configuration loaded", "folder", d.path, "domains", d.Current().Domains())
		case err != nil && err.Error() != last:
			last = err.Error()
			d.log.Error("rate limit configuration rejected; the one in use stays", "error", err)
		}
	})
}

// readFolder follows links to files, as ConfigMaps are made of them, and skips
// what starts with a dot, as their hidden versions do.
func readFolder(path string, depth int) ([]File, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var files []File
	for _, entry := range entries {
		name := filepath.Join(path, entry.Name())
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		switch extension := filepath.Ext(name); {
		case info.IsDir() && depth < maxFolders:
			inner, err := readFolder(name, depth+1)
			if err != nil {
				return nil, err
			}
			files = append(files, inner...)
		case info.Mode().IsRegular() && slices.Contains([]string{".yaml", ".yml"}, extension):
			data, err := readBounded(name)
			if err != nil {
				return nil, err
			}
			files = append(files, File{Name: name, Data: data})
		}
	}
	return files, nil
}

func readBounded(name string) (data []byte, err error) {
	f, err := os.Open(name) // #nosec G304 -- the operator's folder
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // read only: nothing is lost
	data, err = io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err == nil && len(data) > maxFileSize {
		err = fmt.Errorf("%s is larger than %d bytes", name, maxFileSize)
	}
	return data, err
}

func digest(files []File) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, f := range files {
		_, _ = fmt.Fprintf(h, "%d %s %d ", len(f.Name), f.Name, len(f.Data)) // a hash never fails
		_, _ = h.Write(f.Data)
	}
	h.Sum(sum[:0])
	return sum
}
