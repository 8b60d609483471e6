package upload

import (
	"errors"
	"io"
	"strings"

	"gatehouse/filter/verdict"
)

// Result is the verdict on one local file.
type Result struct {
	Accepted bool
	Detected string // type id, "" if unknown
	Rule     string // empty if accepted
	Reason   string
	Problem  verdict.Problem
}

// Sniff judges a file as if it were uploaded in a form under that name and
// declared type. An error is one of reading.
func (p *Policy) Sniff(r io.Reader, name, contentType string) (Result, error) {
	media, _, _ := strings.Cut(contentType, ";")
	f, refusal := p.newFile(name, strings.ToLower(strings.TrimSpace(media)), true)
	if refusal != nil {
		return refused(refusal, ""), nil
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		if refusal := f.write(buf[:n]); n > 0 && refusal != nil {
			return refused(refusal, f.report().Detected), nil
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Result{}, err
		}
	}
	if refusal := f.end(); refusal != nil {
		return refused(refusal, f.report().Detected), nil
	}
	return Result{Accepted: true, Detected: f.report().Detected}, nil
}

func refused(r *Refusal, detected string) Result {
	return Result{Detected: detected, Rule: r.Rule, Reason: r.Reason, Problem: r.Problem}
}
