package export

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"gatehouse/control/privacy/connector"
)

// Bounds of an archive.
const (
	maxCollections = 500
	maxColumns     = 500      // of a CSV; what is more goes into one column
	maxRecord      = 32 << 20 // bytes, as JSON
	buffer         = 64 << 10
)

// spool puts records aside, by collection, until all are there: a zip archive is
// written one file after the other, and a CSV begins with all its columns.
type spool struct {
	dir         string
	collections []*shelf // in the order of their first record
	byName      map[[2]string]*shelf
	paths       map[string]bool
}

// shelf is the records of one collection.
type shelf struct {
	system, name string
	path         string // in the archive, without extension
	records      int64
	columns      []string // sorted
	more         bool     // there are fields beyond these

	file *os.File
	key  []byte // of this file alone
	out  *bufio.Writer
	seen map[string]bool
}

func newSpool(dir string) *spool {
	return &spool{dir: dir, byName: map[[2]string]*shelf{}, paths: map[string]bool{}}
}

func (s *spool) add(r connector.Record) error {
	c := s.byName[[2]string{r.System, r.Collection}]
	if c == nil {
		if len(s.collections) == maxCollections {
			return fmt.Errorf("the answer has more than %d collections", maxCollections)
		}
		var err error
		if c, err = s.open(r.System, r.Collection); err != nil {
			return fmt.Errorf("put data aside: %w", err)
		}
	}
	return c.add(r)
}

// open makes a file that has no name any more, and a key that only this process
// has: nothing of it can be read once it has ended, however it ends.
func (s *spool) open(system, name string) (*shelf, error) {
	file, err := os.CreateTemp(s.dir, "gatehouse-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	c := &shelf{system: system, name: name, path: s.free("data/" + safe(system) + "/" + safe(name)), file: file, key: make([]byte, 32), seen: map[string]bool{}}
	_, _ = rand.Read(c.key) // never fails: it ends the process instead
	stream, err := c.stream()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	c.out = bufio.NewWriterSize(cipher.StreamWriter{S: stream, W: file}, buffer)
	s.collections, s.byName[[2]string{system, name}] = append(s.collections, c), c
	return c, nil
}

// stream is the key's only one: the file is written once.
func (c *shelf) stream() (cipher.Stream, error) {
	block, err := aes.NewCipher(c.key)
	if err != nil {
		return nil, err
	}
	return cipher.NewCTR(block, make([]byte, aes.BlockSize)), nil // #nosec G407 -- each key has one stream
}

// free finds a path that is not taken, also where capitals do not count.
func (s *spool) free(path string) string {
	for n, try := 2, path; ; n++ {
		if !s.paths[try] {
			s.paths[try] = true
			return try
		}
		try = path + "-" + strconv.Itoa(n)
	}
}

// safe makes a name that is one everywhere: no separators, no dots in front, no
// capitals that another file system would not tell apart.
func safe(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_', r == '-':
			b.WriteRune(r)
		default:
			b.WriteByte('-')
		}
	}
	text := strings.Trim(b.String(), "-")
	if text == "" {
		text = "x"
	}
	// What Windows takes for a device.
	if reserved[text] || len(text) == 4 && (strings.HasPrefix(text, "com") || strings.HasPrefix(text, "lpt")) {
		text += "-"
	}
	return text[:min(len(text), 80)]
}

var reserved = map[string]bool{"con": true, "prn": true, "aux": true, "nul": true}

// line is a record as it is put aside.
type line struct {
	Key    string         `json:"key,omitempty"`
	Fields map[string]any `json:"fields"`
}

func (c *shelf) add(r connector.Record) error {
	text, err := json.Marshal(line{r.Key, r.Fields})
	if err != nil {
		return fmt.Errorf("write a record of %s/%s: %w", c.system, c.name, err)
	}
	if len(text) > maxRecord {
		return fmt.Errorf("a record of %s/%s has more than %d MiB", c.system, c.name, maxRecord>>20)
	}
	for name := range r.Fields {
		if c.seen[name] {
			continue
		}
		if len(c.columns) == maxColumns {
			c.more = true
			continue
		}
		c.seen[name] = true
		at, _ := slices.BinarySearch(c.columns, name)
		c.columns = slices.Insert(c.columns, at, name)
	}
	c.records++
	if _, err = c.out.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("put data aside: %w", err)
	}
	return nil
}

// each reads the records back.
func (c *shelf) each(fn func(text []byte) error) error {
	if err := c.out.Flush(); err != nil {
		return fmt.Errorf("put data aside: %w", err)
	}
	stream, err := c.stream()
	if err != nil {
		return err
	}
	in := bufio.NewReaderSize(cipher.StreamReader{S: stream, R: io.NewSectionReader(c.file, 0, 1<<62)}, buffer)
	for range c.records {
		text, err := in.ReadBytes('\n')
		if err != nil {
			return fmt.Errorf("read back what was put aside: %w", err)
		}
		if err := fn(text[:len(text)-1]); err != nil {
			return err
		}
	}
	return nil
}

// Close forgets all of it.
func (s *spool) Close() error {
	var errs []error
	for _, c := range s.collections {
		clear(c.key)
		errs = append(errs, c.file.Close())
	}
	return errors.Join(errs...)
}
