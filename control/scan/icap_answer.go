package scan

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http/httputil"
	"net/textproto"
	"strconv"
	"strings"

	"gatehouse/filter/scan"
)

// maxICAPHead bounds the heads of an answer, in bytes.
const maxICAPHead = 64 << 10

type icapHead struct {
	status int
	header textproto.MIMEHeader
}

// icapAnswer is the final answer. What is encapsulated in it is either what was
// sent, or something in its place.
type icapAnswer struct {
	head icapHead
	http int // status of the encapsulated response; 0 if it is a request or nothing
	size int64
	sum  [sha256.Size]byte
	err  error
}

func readICAPHead(r *bufio.Reader) (h icapHead, err error) {
	text := textproto.NewReader(r)
	line, err := text.ReadLine()
	if err != nil {
		return h, err
	}
	version, rest, _ := strings.Cut(line, " ")
	code, _, _ := strings.Cut(rest, " ")
	if h.status, err = strconv.Atoi(code); err != nil || !strings.HasPrefix(version, "ICAP/") {
		return h, errors.New("an answer that is not ICAP")
	}
	h.header, err = text.ReadMIMEHeader()
	if err != nil {
		return h, fmt.Errorf("the answer's head: %w", err)
	}
	return h, nil
}

// read waits for the answers on the connection: 100 Continue once, then the
// final one. More than was sent comes back from no honest scanner but with a page
// that says why, so that what is read is bounded.
func (f *icapFile) read() {
	from := &limited{r: f.conn}
	r := bufio.NewReader(from)
	continued := false
	for {
		from.left = maxICAPHead
		head, err := readICAPHead(r)
		if err == nil && head.status == 100 && !continued {
			continued = true
			close(f.goOn)
			continue
		}
		answer := icapAnswer{head: head, err: err}
		if err == nil && head.status == 200 {
			from.left = 1 << 50 // it is hashed, not kept
			answer.encapsulated(r)
		}
		f.answers <- answer
		return
	}
}

// limited ends after so many bytes.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errors.New("an answer whose head has no end")
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}

// encapsulated reads what stands in the answer's body (section 4.4.1).
func (a *icapAnswer) encapsulated(r *bufio.Reader) {
	parts := strings.ToLower(a.head.header.Get("Encapsulated"))
	text := textproto.NewReader(r)
	if strings.Contains(parts, "req-hdr") || strings.Contains(parts, "res-hdr") {
		line, err := text.ReadLine()
		if err == nil {
			_, err = text.ReadMIMEHeader()
		}
		if err != nil {
			a.err = fmt.Errorf("what the ICAP server encapsulates: %w", err)
			return
		}
		if strings.Contains(parts, "res-hdr") {
			_, rest, _ := strings.Cut(line, " ")
			code, _, _ := strings.Cut(rest, " ")
			a.http, _ = strconv.Atoi(code)
		}
	}
	if !strings.Contains(parts, "req-body") && !strings.Contains(parts, "res-body") {
		return
	}
	sum := sha256.New()
	a.size, a.err = io.Copy(sum, httputil.NewChunkedReader(r))
	sum.Sum(a.sum[:0])
}

// judge reads the verdict. Only 204, or our own bytes back in full, are clean:
// whatever a server puts in a file's place, it did not want that file to pass.
func (f *icapFile) judge(a *icapAnswer) scan.Finding {
	for _, name := range []string{"X-Infection-Found", "X-Virus-Id", "X-Virus-Name", "X-Violations-Found"} {
		if value := a.head.header.Get(name); value != "" {
			return scan.Finding{Outcome: scan.Malicious, Text: clip(threat(value))}
		}
	}
	switch {
	case a.head.status == 204:
		return scan.Finding{Outcome: scan.Clean}
	case a.head.status == 408, a.head.status == 504:
		return scan.Finding{Outcome: scan.TimedOut, Text: "the ICAP server says " + strconv.Itoa(a.head.status)}
	case a.head.status == 413:
		return scan.Finding{Outcome: scan.TooLarge, Text: "the ICAP server says 413"}
	case a.head.status != 200:
		return scan.Finding{Outcome: scan.Failed, Text: "the ICAP server says " + strconv.Itoa(a.head.status)}
	case a.size == f.size && string(a.sum[:]) == string(f.sum.Sum(nil)) && (a.http == 200 || a.http == 0):
		return scan.Finding{Outcome: scan.Clean}
	}
	return scan.Finding{Outcome: scan.Malicious, Text: "the ICAP server put something else in its place"}
}

// threat finds the name in "Type=0; Resolution=2; Threat=NAME;", as scanners
// write X-Infection-Found.
func threat(value string) string {
	for part := range strings.SplitSeq(value, ";") {
		if name, ok := strings.CutPrefix(strings.TrimSpace(part), "Threat="); ok {
			return name
		}
	}
	return value
}
