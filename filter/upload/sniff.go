package upload

import (
	"errors"
	"io"
	"strings"

	"gatehouse/filter/verdict"
)

// Result is the verdict on one file.
type Result struct {
	Accepted bool
	Detected string // type id, "" if unknown
	Rule     string // empty if accepted
	ID       string // of the exact rule, GH-PDF-003
	Reason   string
	Problem  verdict.Problem
	Size     int64 // bytes that were read
	// Offset is where in the file the piece begins, of at most 64 KiB, that told; the
	// size if only its end did.
	Offset int64
}

// Alone is one file, outside of a request.
type Alone struct {
	Name        string // "": it has none, and is judged by its content and declaration
	ContentType string // with or without parameters; "" if undeclared
	Tap         Tap    // gets the file if the policy has it scanned; nil scans none
}

// Sniff judges a file as if it were uploaded in a form under that name and
// declared type. An error is one of reading.
func (p *Policy) Sniff(r io.Reader, name, contentType string) (Result, error) {
	return p.judge(r, Alone{Name: name, ContentType: contentType}, true)
}

// Judge judges a file that an application takes elsewhere, to its end or as far as
// it takes to refuse it. An error is one of reading.
func (p *Policy) Judge(r io.Reader, a Alone) (Result, error) { return p.judge(r, a, a.Name != "") }

func (p *Policy) judge(r io.Reader, a Alone, named bool) (Result, error) {
	media, _, _ := strings.Cut(a.ContentType, ";")
	f, refusal := p.newFile(a.Name, strings.ToLower(strings.TrimSpace(media)), named)
	if refusal != nil {
		return f.result(refusal), nil
	}
	f.tap = a.Tap
	defer f.kept.release()
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		if refusal := f.write(buf[:n]); n > 0 && refusal != nil {
			return f.result(refusal), nil
		}
		if errors.Is(err, io.EOF) {
			return f.result(f.end()), nil
		}
		if err != nil {
			return Result{}, err
		}
	}
}

func (f *file) result(r *Refusal) Result {
	out := Result{Accepted: r == nil, Detected: f.report().Detected, Size: f.size}
	if r != nil {
		out.Rule, out.ID, out.Reason, out.Problem, out.Offset = r.Rule, r.ID(), r.Reason, r.Problem, f.at
	}
	return out
}
