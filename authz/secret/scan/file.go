package scan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/zricethezav/gitleaks/v8/sources"
)

const (
	// pieceSize is how much of a file is looked at in one go, in bytes; overlap of
	// it is looked at again, so that what lies across the border is found.
	pieceSize = 256 << 10
	overlap   = 4 << 10
	// sniffed bytes of a file tell whether it is text.
	sniffed = 8 << 10
)

// ErrBinary says that a file is no text and was not looked at.
var ErrBinary = errors.New("no text")

// Hit is a secret in a file. It does not hold the secret.
type Hit struct {
	File string `json:"file"`
	Line int    `json:"line"` // from 1
	Rule string `json:"rule"`
}

// Reader looks at all that r gives, which may be without end, and calls found
// for each secret as soon as it is seen, in the order of the text as far as one
// piece goes. name is the file's path with slashes, relative to the folder of the
// rules: rules and allowlists may go by it. Memory is bounded whatever the size.
func (s *Scanner) Reader(ctx context.Context, name string, r io.Reader, found func(Hit) error) error {
	p := &pieces{scanner: s, name: name, found: found, told: map[Hit]bool{}}
	piece := make([]byte, 0, pieceSize)
	for first := true; ; first = false {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := fill(r, piece[len(piece):cap(piece)])
		piece = piece[:len(piece)+n]
		if first && bytes.IndexByte(piece[:min(len(piece), sniffed)], 0) >= 0 {
			return ErrBinary
		}
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if n > 0 {
			if err := p.look(ctx, piece); err != nil {
				return err
			}
		}
		if ended {
			return nil
		}
		piece = p.carry(piece)
	}
}

// fill reads until there is a whole line, so that a log is looked at as it is
// written, or no room.
func fill(r io.Reader, into []byte) (n int, err error) {
	for n < len(into) && err == nil {
		var read int
		read, err = r.Read(into[n:])
		n += read
		if n > 0 && into[n-1] == '\n' && n < len(into)/2 && read < len(into)/4 {
			break
		}
	}
	return n, err
}

// pieces looks at a file one piece after the other.
type pieces struct {
	scanner *Scanner
	name    string
	found   func(Hit) error
	line    int // of the piece's beginning, from 0
	told    map[Hit]bool
}

func (p *pieces) look(ctx context.Context, piece []byte) error {
	findings := p.scanner.detect(ctx, sources.Fragment{Raw: string(piece), FilePath: p.name, StartLine: p.line})
	for _, hit := range inOrder(findings, p.name) {
		if p.told[hit] {
			continue
		}
		p.told[hit] = true
		if err := p.found(hit); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// carry keeps the end of a piece as the beginning of the next, from the start of
// a line where there is one, and forgets the hits of what is dropped.
func (p *pieces) carry(piece []byte) []byte {
	keep := 0
	if len(piece) > overlap {
		keep = len(piece) - overlap
		if at := bytes.IndexByte(piece[keep:], '\n'); at >= 0 {
			keep += at + 1
		}
	}
	p.line += bytes.Count(piece[:keep], []byte{'\n'})
	for hit := range p.told {
		if hit.Line <= p.line {
			delete(p.told, hit)
		}
	}
	return append(piece[:0], piece[keep:]...)
}
