package upload

import (
	"strconv"
	"strings"
)

// encoded is a body under a Content-Encoding, judged as the server will see it
// (RFC 9110 section 8.4). It goes on as it came.
type encoded struct {
	carrier
	coding   string
	max      int64
	inflated int64
	head     []byte
	z        *inflater
	gzip     *gzipCheck
	ended    bool
	tail     int64 // bytes after the data of deflate: its sum
	read     int64 // bytes of the body
	from     int64 // of them, before the write in which what is undecided began
}

func uncoded(coding string) bool {
	if coding == "" {
		return true
	}
	coding = strings.ToLower(strings.TrimSpace(coding))
	return coding == "" || coding == "identity"
}

// decoding wraps a carrier, or says that the coding is not known here.
func (p *Policy) decoding(coding string, inner carrier) (carrier, *Refusal) {
	if coding == "" {
		return inner, nil
	}
	coding = strings.ToLower(strings.TrimSpace(coding))
	e := &encoded{carrier: inner, coding: coding, max: p.maxRequest}
	switch coding {
	case "", "identity":
		return inner, nil
	case "gzip", "x-gzip":
		e.gzip = &gzipCheck{env: env{policy: p, budget: &budget{max: 1 << 62}}, sink: e.unpacked}
	case "deflate":
		e.z = newInflater(e.unpacked)
	default:
		return nil, &Refusal{Rule: RuleEncoding, Reason: "Content-Encoding " + quote(coding) + " is not inflated here", Problem: unsupported}
	}
	return e, nil
}

func (e *encoded) unpacked(b []byte) *Refusal {
	if e.inflated += int64(len(b)); e.inflated > e.max {
		return &Refusal{Rule: RuleRequestSize, Problem: tooLarge,
			Reason: "a body that inflates beyond " + strconv.FormatInt(e.max, 10) + " bytes"}
	}
	return e.carrier.write(b)
}

func (e *encoded) undecidedFrom() int64 { return e.from }

// within is where in what is unpacked that begins.
func (e *encoded) within() int64 {
	if p, ok := e.carrier.(placed); ok {
		return p.undecidedFrom()
	}
	return 0
}

func (e *encoded) write(b []byte) *Refusal {
	before := e.within()
	r := e.unpack(b)
	if e.within() != before {
		e.from = e.read
	}
	e.read += int64(len(b))
	return r
}

func (e *encoded) unpack(b []byte) *Refusal {
	if e.gzip != nil {
		return e.member(b)
	}
	if n := min(2-len(e.head), len(b)); n > 0 {
		e.head = append(e.head, b[:n]...)
		b = b[n:]
	}
	if len(e.head) < 2 {
		return nil
	}
	// Some servers take raw DEFLATE for deflate, others zlib's format alone.
	if e.head[0]&0x0f != 8 || (uint(e.head[0])<<8|uint(e.head[1]))%31 != 0 || e.head[1]&0x20 != 0 {
		return &Refusal{Rule: RuleEncoding, Reason: "deflate without zlib's header, which servers read in two ways", Problem: unsupported}
	}
	if e.ended {
		e.tail += int64(len(b))
		return e.afterSum()
	}
	rest, done, r, err := e.z.write(b)
	switch {
	case r != nil:
		return r
	case err != nil:
		return broken(err, "a body in deflate")
	}
	if done {
		e.ended, e.tail = true, int64(len(rest))
	}
	return e.afterSum()
}

// member: some servers read all members of a body in gzip, others the first.
func (e *encoded) member(b []byte) *Refusal {
	for len(b) > 0 {
		if e.gzip.z != nil && e.gzip.state == gzipHeader {
			return malformed("something follows the first member of a body in gzip")
		}
		var r *Refusal
		if e.gzip.state == gzipData {
			b, r = e.gzip.data(b)
		} else {
			b, r = e.gzip.framing(b)
		}
		if r != nil {
			return r
		}
	}
	return nil
}

func (e *encoded) afterSum() *Refusal {
	if e.tail > 4 {
		return malformed("something follows a body in deflate")
	}
	return nil
}

func (e *encoded) end() *Refusal {
	if e.gzip != nil && (e.gzip.z == nil || e.gzip.state != gzipHeader || len(e.gzip.head) > 0) || e.gzip == nil && e.tail != 4 {
		return truncated("a body in " + e.coding + " that is cut off")
	}
	return e.carrier.end()
}

func (e *encoded) current() *file {
	if c, ok := e.carrier.(interface{ current() *file }); ok {
		return c.current()
	}
	return nil
}
