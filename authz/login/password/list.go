package password

import (
	"bufio"
	"context"
	"crypto/sha1" // #nosec G505 -- the format of the list, and no secret is kept by it
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	hashDigits   = 40
	prefixDigits = 5
	// maxLine bounds a line of a list: the hash, a colon and a count.
	maxLine = 128
	// maxRange bounds a file of one prefix. Have I Been Pwned's have 100 KB at most.
	maxRange = 4 << 20
)

// Open returns the list at path: a folder of Have I Been Pwned's range files,
// each called by the first five hex digits of a SHA-1 (21BD1.txt, or without
// .txt) with lines SUFFIX:COUNT; or one file of lines SHA1 or SHA1:COUNT, sorted
// by hash. It looks at the beginning of it, so that another file is no list that
// contains nothing.
func Open(path string) (List, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open the list of compromised passwords: %w", err)
	}
	if info.IsDir() {
		return folder(path), folder(path).look()
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("open the list of compromised passwords: %s is neither a file nor a folder", path)
	}
	return sorted(path), sorted(path).look()
}

func digest(password string) string {
	sum := sha1.Sum([]byte(password)) // #nosec G401 -- see the import
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// folder holds a file for each prefix. A prefix without a file is an error: the
// service has all of them, so that a missing one is a broken copy.
type folder string

func (f folder) look() error {
	file, err := f.open("00000")
	if err != nil {
		return fmt.Errorf("%s holds no list of compromised passwords: %w", string(f), err)
	}
	return file.Close()
}

func (f folder) open(prefix string) (*os.File, error) {
	var errs []error
	for _, name := range []string{prefix + ".txt", prefix} {
		file, err := os.Open(filepath.Join(string(f), name)) // #nosec G304 -- five hex digits under a folder of the operator's
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		errs = append(errs, err)
	}
	return nil, errs[0]
}

// Contains implements List.
func (f folder) Contains(ctx context.Context, password string) (found bool, err error) {
	hash := digest(password)
	file, err := f.open(hash[:prefixDigits])
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	lines := bufio.NewScanner(io.LimitReader(file, maxRange+1))
	lines.Buffer(make([]byte, maxLine), maxLine)
	read := 0
	for lines.Scan() {
		if read += len(lines.Bytes()) + 1; read > maxRange {
			return false, fmt.Errorf("%s is larger than %d bytes", file.Name(), maxRange)
		}
		suffix, _, _ := strings.Cut(strings.TrimSpace(lines.Text()), ":")
		if strings.EqualFold(suffix, hash[prefixDigits:]) {
			return true, ctx.Err()
		}
	}
	return false, errors.Join(lines.Err(), ctx.Err())
}

// sorted is one file, searched where it lies.
type sorted string

func (s sorted) look() (err error) {
	file, err := os.Open(string(s))
	if err != nil {
		return fmt.Errorf("open the list of compromised passwords: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, _, err := hashAt(file, 0); err != nil {
		return fmt.Errorf("%s is no list of compromised passwords: %w", string(s), err)
	}
	return nil
}

// Contains implements List: it halves the bytes that may hold the hash until a
// line is left.
func (s sorted) Contains(ctx context.Context, password string) (found bool, err error) {
	file, err := os.Open(string(s))
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return false, err
	}
	want := digest(password)
	// Every line that begins before low is smaller, every one from high on larger.
	low, high := int64(0), info.Size()
	for low < high {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		middle := low + (high-low)/2
		start, err := lineAfter(file, middle, low)
		if err != nil {
			return false, err
		}
		hash, end, err := hashAt(file, start)
		if errors.Is(err, io.EOF) || start >= high {
			high = middle // no line begins in the upper half
			continue
		}
		if err != nil {
			return false, fmt.Errorf("%s, at byte %d: %w", string(s), start, err)
		}
		switch strings.Compare(hash, want) {
		case 0:
			return true, nil
		case -1:
			low = end
		default:
			high = middle
		}
	}
	return false, nil
}

// lineAfter is where the first line begins at or after at; low begins one.
func lineAfter(file io.ReaderAt, at, low int64) (int64, error) {
	if at == low {
		return at, nil
	}
	buffer := make([]byte, maxLine)
	n, err := file.ReadAt(buffer, at-1)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	if i := strings.IndexByte(string(buffer[:n]), '\n'); i >= 0 {
		return at + int64(i), nil
	}
	if n < len(buffer) {
		return at - 1 + int64(n), nil // the last line: nothing begins after it
	}
	return 0, fmt.Errorf("a line at byte %d is longer than %d bytes", at, maxLine)
}

// hashAt reads the line that begins at start and says where the next one does.
func hashAt(file io.ReaderAt, start int64) (hash string, end int64, err error) {
	buffer := make([]byte, maxLine)
	n, err := file.ReadAt(buffer, start)
	if n == 0 || err != nil && !errors.Is(err, io.EOF) {
		return "", 0, errors.Join(io.EOF, err)
	}
	line, _, whole := strings.Cut(string(buffer[:n]), "\n")
	if !whole && n == len(buffer) {
		return "", 0, fmt.Errorf("a line is longer than %d bytes", maxLine)
	}
	hash, _, _ = strings.Cut(strings.TrimSpace(line), ":")
	if _, err := hex.DecodeString(hash); err != nil || len(hash) != hashDigits {
		return "", 0, errors.New("a line does not begin with a SHA-1 of 40 hex digits")
	}
	return strings.ToUpper(hash), start + int64(len(line)) + 1, nil
}
