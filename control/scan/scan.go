// Package scan stands between Envoy's filter and a virus scanner: it takes the
// files of an upload while they stream, over gRPC beside xDS, and has clamd
// (INSTREAM) or an ICAP server (RFC 3507) look at them.
//
// It promises bounded memory for each file, whatever its size; no more scans at
// once than the scanner was said to take; a limit to the time for which the
// scanner may be silent; and a verdict "clean" only where the scanner has said so
// of the whole file. Whatever else happens is told as a failure or a time-out,
// and what that means for the request is the policy's, in the filter. It keeps
// nothing of a file and logs nothing of its content or name.
package scan

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"gatehouse/filter/scan"
)

// Kinds of scanners.
const (
	Clamd = "clamd"
	ICAP  = "icap"
)

// Config says where the scanner is.
type Config struct {
	Kind string // Clamd or ICAP
	// Address is host:port, or unix:///path.
	Address string
	// Service is the ICAP service's name, the path of its URI; ICAP only.
	Service string
	// MaxScans is how many files are scanned at once; 0 means DefaultMaxScans.
	MaxScans int
}

// DefaultMaxScans is what a clamd takes that nobody has configured: its MaxThreads
// is 10. A scan occupies one of them for as long as the file is being sent.
const DefaultMaxScans = 10

// dialWithin bounds the wait for a connection.
const dialWithin = 2 * time.Second

// Scanner begins scans. It is safe for concurrent use.
type Scanner interface {
	// Begin opens the scan of one file of that type. Each step of it may take as
	// long as silence says.
	Begin(ctx context.Context, kind string, silence time.Duration) (File, error)
}

// File is a scan under way. It belongs to one goroutine.
type File interface {
	// Write hands on the next bytes. done says that the scanner wants no more, and
	// that Finish will say at once what it has found, or why it has not.
	Write(b []byte) (done bool)
	// Finish says that the file is complete, and waits for the verdict.
	Finish() scan.Finding
	// Close ends the scan, finished or not.
	Close()
}

// New makes the scanner of a configuration; it connects to nothing yet.
func New(c Config) (Scanner, error) {
	network, address := "tcp", c.Address
	if path, ok := strings.CutPrefix(c.Address, "unix://"); ok {
		network, address = "unix", path
	}
	at := dialer{network, address}
	switch c.Kind {
	case Clamd:
		return clamd{at}, nil
	case ICAP:
		return newICAP(at, c.Service), nil
	}
	return nil, fmt.Errorf("scanner kind %q is neither clamd nor icap", c.Kind)
}

type dialer struct{ network, address string }

func (d dialer) dial(ctx context.Context, silence time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, min(dialWithin, silence))
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, d.network, d.address)
	if err != nil {
		return nil, fmt.Errorf("connect to the scanner: %w", err)
	}
	return conn, nil
}

// Failure is what an error of Begin means.
func Failure(err error) scan.Finding { return failure(err) }

// failure is what an error means: that the scanner took too long, or that it
// could not be asked.
func failure(err error) scan.Finding {
	outcome := scan.Failed
	var timeout interface{ Timeout() bool }
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		outcome = scan.TimedOut
	}
	return scan.Finding{Outcome: outcome, Text: clip(err.Error())}
}

// clip makes one line of a text that came from outside.
func clip(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	return strings.TrimSpace(text[:min(len(text), scan.MaxText)])
}
