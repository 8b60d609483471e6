package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	maxCheckpoint = 1 << 20
	maxTile       = width * hashSize
	maxBundle     = width * (2 + maxEntry)

	fetchFor = 30 * time.Second
)

// Source is where the files of a log are read from.
type Source interface {
	// Read returns a file of at most limit bytes; fs.ErrNotExist if there is none.
	Read(ctx context.Context, path string, limit int64) ([]byte, error)
}

// Dir is a log in a folder.
type Dir string

// Read implements Source.
func (d Dir) Read(ctx context.Context, path string, limit int64) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(string(d), filepath.FromSlash(path)))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // was only read
	return readUpTo(f, path, limit)
}

// readUpTo reads one byte more than is allowed, to tell what is too large.
func readUpTo(r io.Reader, path string, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return data, nil
}

// site is a log at a URL.
type site struct {
	base   *url.URL
	client *http.Client
}

// URL returns the log at an http or https URL. A client of nil is one of its own.
func URL(text string, client *http.Client) (Source, error) {
	base, err := url.Parse(text)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("%q is no address of a log: write https://HOST/PATH, with /checkpoint and /tile under it", text)
	}
	if client == nil {
		client = &http.Client{Timeout: fetchFor}
	}
	if !strings.HasSuffix(base.Path, "/") {
		base.Path += "/"
	}
	return &site{base: base, client: client}, nil
}

// Read implements Source.
func (s *site) Read(ctx context.Context, path string, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchFor)
	defer cancel()
	at := s.base.JoinPath(path) // #nosec G125 -- the paths are made here, of numbers
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err // names the URL
	}
	defer func() { _ = resp.Body.Close() }() // was only read
	switch resp.StatusCode {
	case http.StatusOK:
		return readUpTo(resp.Body, path, limit)
	case http.StatusNotFound, http.StatusGone:
		return nil, fmt.Errorf("%s: %s: %w", at.Redacted(), resp.Status, fs.ErrNotExist)
	}
	return nil, errors.New(at.Redacted() + " answers " + resp.Status)
}
