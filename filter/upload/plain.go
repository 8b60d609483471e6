package upload

import (
	"bytes"
	"strings"
)

// undeclared is a body without a Content-Type: fine as long as it turns out to
// be empty, which over HTTP/2 is known only at its end.
type undeclared struct{}

func (undeclared) write(b []byte) *Refusal {
	if len(b) == 0 {
		return nil
	}
	return &Refusal{Rule: RuleUndeclared, Reason: "a body without a Content-Type", Problem: unsupported}
}

func (undeclared) end() *Refusal   { return nil }
func (undeclared) undecided() bool { return true }

// plain is a body that carries no files, as long as it is what it says.
type plain struct {
	what         string
	json, binary bool
	begun        bool
}

func (p *plain) write(b []byte) *Refusal {
	if p.binary {
		return p.message(b)
	}
	if bytes.IndexByte(b, 0) >= 0 {
		return p.mismatch("a NUL byte")
	}
	if !p.json || p.begun {
		return nil
	}
	b = bytes.TrimLeft(b, " \t\r\n\xef\xbb\xbf")
	if len(b) == 0 {
		return nil
	}
	p.begun = true
	if strings.IndexByte(`{["-0123456789tfn`, b[0]) < 0 {
		return p.mismatch("a beginning that is not JSON")
	}
	return nil
}

// message: a gRPC message begins with a flag that is 0 or 1.
func (p *plain) message(b []byte) *Refusal {
	if !p.begun && len(b) > 0 && b[0] > 1 {
		return p.mismatch("a beginning that is no message of gRPC")
	}
	p.begun = p.begun || len(b) > 0
	return nil
}

func (p *plain) mismatch(why string) *Refusal {
	return &Refusal{Rule: RuleBody, Reason: "a body declared " + p.what + " with " + why, Problem: unsupported}
}

func (p *plain) passes() bool        { return p.binary && p.begun }
func (p *plain) pass(int64) *Refusal { return nil }

func (p *plain) end() *Refusal   { return nil }
func (p *plain) undecided() bool { return p.json && !p.begun }

// noJSON is a body of a type that is not JSON and must not be readable as JSON.
type noJSON struct {
	carrier
	head []byte // of what may be an object or array
	done bool
}

func (n *noJSON) write(b []byte) *Refusal {
	if !n.done {
		if r := n.judge(b); r != nil {
			return r
		}
	}
	return n.carrier.write(b)
}

// judge needs one character behind white space, and for an object the next: RTF
// begins with {\\, and text with [ may be anything.
func (n *noJSON) judge(b []byte) *Refusal {
	for _, c := range b {
		switch {
		case strings.IndexByte(" \t\r\n\xef\xbb\xbf", c) >= 0:
		case len(n.head) == 0 && c != '{' && c != '[', len(n.head) > 0 && c == '\\':
			n.done = true
			return nil
		case len(n.head) > 0:
			return refuse("GH-JSN-001", "a body that is JSON, or begins like it, under another Content-Type")
		default:
			n.head = append(n.head, c)
		}
	}
	return nil
}

func (n *noJSON) end() *Refusal {
	if len(n.head) > 0 && !n.done {
		return refuse("GH-JSN-001", "a body that begins like JSON under another Content-Type")
	}
	return n.carrier.end()
}

func (n *noJSON) undecided() bool { return !n.done || n.carrier.undecided() }

func (n *noJSON) undecidedFrom() int64 {
	if p, ok := n.carrier.(placed); ok && n.done {
		return p.undecidedFrom()
	}
	return 0
}

func (n *noJSON) current() *file {
	if c, ok := n.carrier.(interface{ current() *file }); ok {
		return c.current()
	}
	return nil
}
