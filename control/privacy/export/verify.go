package export

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Bounds of what is read before its signature was checked, in bytes.
const (
	maxManifest  = 16 << 20
	maxSignature = 64 << 10
)

// Fault is what is wrong with an archive.
type Fault struct {
	Member string // empty: the archive itself
	What   string
}

// Error implements error.
func (f *Fault) Error() string {
	if f.Member == "" {
		return f.What
	}
	return fmt.Sprintf("%q: %s", f.Member, f.What)
}

func fault(member, format string, args ...any) error {
	return &Fault{Member: member, What: fmt.Sprintf(format, args...)}
}

// Verify checks that an archive is, file by file, what the holder of the key has
// signed. The error is a Fault if it is not. Nothing is unpacked.
func Verify(r io.ReaderAt, size int64, key note.Verifier) (m Manifest, err error) {
	archive, err := zip.NewReader(r, size)
	if err != nil {
		return m, fault("", "is no whole zip archive: %v", err)
	}
	files := map[string]*zip.File{}
	for _, f := range archive.File {
		if !harmlessName(f.Name) {
			return m, fault(f.Name, "its name could lead out of the folder that the archive is unpacked into")
		}
		if files[f.Name] != nil {
			return m, fault(f.Name, "is there twice")
		}
		files[f.Name] = f
	}
	if m, err = readManifest(files, key); err != nil {
		return m, err
	}
	listed := map[string]bool{manifestName: true, signatureName: true}
	for _, member := range m.Members {
		listed[member.Name] = true
		if err := member.check(files[member.Name]); err != nil {
			return m, err
		}
	}
	for _, f := range archive.File {
		if !listed[f.Name] {
			return m, fault(f.Name, "is not in the manifest")
		}
	}
	return m, nil
}

func readManifest(files map[string]*zip.File, key note.Verifier) (m Manifest, err error) {
	manifest, err := read(files, manifestName, maxManifest)
	if err != nil {
		return m, err
	}
	signature, err := read(files, signatureName, maxSignature)
	if err != nil {
		return m, err
	}
	text, err := note.Open(signature, note.VerifierList(key))
	var unsigned *note.UnverifiedNoteError
	var forged *note.InvalidSignatureError
	switch {
	case errors.As(err, &unsigned):
		return m, fault(signatureName, "is not signed by %s", key.Name())
	case errors.As(err, &forged):
		return m, fault(signatureName, "the signature of %s is not of this text", key.Name())
	case err != nil:
		return m, fault(signatureName, "is no signed note: %v", err)
	}
	// Before it is read any further.
	if !strings.HasPrefix(text.Text, format+"\n") || !strings.HasSuffix(text.Text, fmt.Sprintf("\nsha256:%x\n", sha256.Sum256(manifest))) {
		return m, fault(manifestName, "is not the one that was signed")
	}
	d := json.NewDecoder(bytes.NewReader(manifest))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, fault(manifestName, "cannot be read: %v", err)
	}
	if m.Format != format || signed(m, manifest) != text.Text {
		return m, fault(manifestName, "says something else than its signature")
	}
	return m, nil
}

func read(files map[string]*zip.File, name string, limit int64) ([]byte, error) {
	f := files[name]
	if f == nil {
		return nil, fault(name, "is missing: the archive broke off, or is none of ours")
	}
	in, err := f.Open()
	if err != nil {
		return nil, fault(name, "cannot be read: %v", err)
	}
	text, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err = errors.Join(err, in.Close()); err != nil {
		return nil, fault(name, "cannot be read: %v", err)
	}
	if int64(len(text)) > limit {
		return nil, fault(name, "is larger than %d bytes", limit)
	}
	return text, nil
}

// check reads no more of a file than the manifest says that it has.
func (m Member) check(f *zip.File) (err error) {
	if f == nil {
		return fault(m.Name, "is missing")
	}
	in, err := f.Open()
	if err != nil {
		return fault(m.Name, "cannot be read: %v", err)
	}
	defer func() { _ = in.Close() }() // was only read
	sum := sha256.New()
	n, err := io.Copy(sum, io.LimitReader(in, m.Size+1))
	switch {
	case err != nil:
		return fault(m.Name, "cannot be read: %v", err)
	case n != m.Size:
		return fault(m.Name, "has another size than the manifest says")
	case hex.EncodeToString(sum.Sum(nil)) != m.SHA256:
		return fault(m.Name, "is not what it was when the archive was signed")
	}
	return nil
}

// harmlessName takes only names as Write gives them.
func harmlessName(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part[0] == '.' || len(part) > 200 {
			return false
		}
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_./", r)
	})
}
