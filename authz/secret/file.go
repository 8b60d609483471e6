package secret

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// MaxSize bounds a secret's file, in bytes.
const MaxSize = 64 << 10

// File is where a secret is kept.
type File struct {
	Name string // of the secret, for messages
	Path string
}

const (
	writableByOthers  fs.FileMode = 0o022
	readableByAnybody fs.FileMode = 0o004
)

// Read reads the secret as it is now, without the line break at its end. It
// refuses what is no regular file, is empty or above MaxSize, can be written by
// group or others, or can be read by everybody outside a mount that only this
// container sees.
func (f File) Read() (Value, error) {
	file, err := os.Open(f.Path)
	if err != nil {
		return Value{}, fmt.Errorf("secret %s: %w: check %s%s", f.Name, err, f.Name, FileSuffix)
	}
	defer func() { _ = file.Close() }() // opened for reading
	info, err := file.Stat()
	if err != nil {
		return Value{}, fmt.Errorf("secret %s: %w", f.Name, err)
	}
	if err := f.acceptable(info); err != nil {
		return Value{}, err
	}
	text, err := io.ReadAll(io.LimitReader(file, MaxSize+1))
	if err != nil {
		return Value{}, fmt.Errorf("secret %s: %w", f.Name, err)
	}
	if len(text) > MaxSize {
		return Value{}, f.refuse("is larger than %d bytes: point %s%s to the secret's own file", MaxSize, f.Name, FileSuffix)
	}
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	if len(bytes.TrimSpace(text)) == 0 {
		return Value{}, f.refuse("is empty: write the secret into it")
	}
	return New(text), nil
}

func (f File) acceptable(info fs.FileInfo) error {
	mode := info.Mode()
	switch {
	case !mode.IsRegular():
		return f.refuse("is no regular file: point %s%s to a file", f.Name, FileSuffix)
	case mode.Perm()&writableByOthers != 0:
		return f.refuse("can be written by others (mode %04o): chmod 0600 it", mode.Perm())
	case mode.Perm()&readableByAnybody != 0 && !f.mounted():
		return f.refuse("can be read by everybody (mode %04o): chmod 0600 it", mode.Perm())
	}
	return nil
}

// mounted says whether the file lies where a container engine puts secrets.
// Docker makes them 0444 under /run/secrets, Kubernetes 0644 in a volume of
// links through "..data": there the mount, not the mode, keeps others out.
func (f File) mounted() bool {
	path, err := filepath.Abs(f.Path)
	if err != nil {
		return false
	}
	for _, root := range []string{"/run/secrets/", "/var/run/secrets/"} {
		if strings.HasPrefix(path, root) {
			return true
		}
	}
	link, err := os.Readlink(filepath.Join(filepath.Dir(path), "..data"))
	return err == nil && strings.HasPrefix(link, "..")
}

func (f File) refuse(format string, args ...any) error {
	return fmt.Errorf("secret %s: file %s "+format, append([]any{f.Name, f.Path}, args...)...)
}
