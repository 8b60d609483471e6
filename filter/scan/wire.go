package scan

import "strconv"

// Service and Method are the gRPC method that carries a request's files, a
// stream in both directions. Each message is a google.protobuf.BytesValue, so
// that neither side needs more of protobuf than one field.
const (
	Service = "gatehouse.scan.v1.Scanner"
	Method  = "Scan"
)

// Outcome is what became of scanning one file.
type Outcome byte

// The outcomes. Clean and Malicious are the scanner's word; the others say that
// there is none.
const (
	None      Outcome = 0
	Clean     Outcome = 'c'
	Malicious Outcome = 'm'
	TooLarge  Outcome = 'l' // the scanner does not take files of that size
	TimedOut  Outcome = 't'
	Failed    Outcome = 'f'
)

// Op says what a message is.
type Op byte

// What goes to the scanner, and what comes back. Messages are in the order of
// the request's files: Begin, Data any number of times, then End or Forget.
const (
	Begin   Op = 'F' // File, Millis, Kind
	Data    Op = 'D' // Bytes
	End     Op = 'E' // the file is complete, its verdict is waited for
	Forget  Op = 'C' // no verdict on this file is wanted any more
	Taken   Op = 'A' // Total: bytes of all files that the scanner has taken
	Verdict Op = 'V' // File, Outcome, Text
)

// Message is one message of the stream, in either direction.
type Message struct {
	Op      Op
	File    uint32 // counts the files of the stream from 1
	Millis  uint32 // how long the scanner may be silent
	Kind    string // the file's type
	Bytes   []byte
	Total   uint64
	Outcome Outcome
	Text    string // a signature's name, or what is wrong
}

// MaxText bounds Text and Kind, in bytes.
const MaxText = 256

// AppendTo appends the message as a BytesValue.
func (m *Message) AppendTo(dst []byte) []byte {
	size := 1
	switch m.Op {
	case Begin:
		size += 8 + len(clip(m.Kind))
	case Data:
		size += len(m.Bytes)
	case Taken:
		size += 8
	case Verdict:
		size += 5 + len(clip(m.Text))
	case End, Forget:
	}
	dst = append(dst, 0x0a)               // field 1, length-delimited
	dst = appendVarint(dst, uint64(size)) // #nosec G115 -- a length
	return m.appendContent(dst)
}

// Content is the value of the BytesValue.
func (m *Message) Content() []byte { return m.appendContent(nil) }

func (m *Message) appendContent(dst []byte) []byte {
	dst = append(dst, byte(m.Op))
	switch m.Op {
	case Begin:
		dst = append(append32(append32(dst, m.File), m.Millis), clip(m.Kind)...)
	case Data:
		dst = append(dst, m.Bytes...)
	case Taken:
		dst = append32(append32(dst, uint32(m.Total>>32)), uint32(m.Total)) // #nosec G115 -- its halves
	case Verdict:
		dst = append(append(append32(dst, m.File), byte(m.Outcome)), clip(m.Text)...)
	case End, Forget:
	}
	return dst
}

func clip(s string) string { return s[:min(len(s), MaxText)] }

// Read reads what AppendTo wrote. Bytes are a part of b. False means that b is
// no message, which ends the stream.
func Read(b []byte) (m Message, ok bool) {
	if len(b) < 2 || b[0] != 0x0a {
		return m, false
	}
	size, rest := readVarint(b[1:])
	if rest == nil || size == 0 || size != uint64(len(rest)) {
		return m, false
	}
	return Parse(rest)
}

// Parse reads the content of a BytesValue.
func Parse(b []byte) (m Message, ok bool) {
	if len(b) == 0 {
		return m, false
	}
	m.Op, b = Op(b[0]), b[1:]
	switch m.Op {
	case Begin:
		if len(b) < 8 || len(b) > 8+MaxText {
			return m, false
		}
		m.File, m.Millis, m.Kind = read32(b), read32(b[4:]), string(b[8:])
	case Data:
		m.Bytes = b
	case End, Forget:
		return m, len(b) == 0
	case Taken:
		if len(b) != 8 {
			return m, false
		}
		m.Total = uint64(read32(b))<<32 | uint64(read32(b[4:]))
	case Verdict:
		if len(b) < 5 || len(b) > 5+MaxText {
			return m, false
		}
		m.File, m.Outcome, m.Text = read32(b), Outcome(b[4]), string(b[5:])
		return m, m.Outcome.known()
	default:
		return m, false
	}
	return m, true
}

func (o Outcome) known() bool {
	switch o {
	case Clean, Malicious, TooLarge, TimedOut, Failed:
		return true
	case None:
	}
	return false
}

// String is for logs and tests.
func (o Outcome) String() string {
	switch o {
	case None:
		return "none"
	case Clean:
		return "clean"
	case Malicious:
		return "malicious"
	case TooLarge:
		return "too large"
	case TimedOut:
		return "timed out"
	case Failed:
		return "failed"
	}
	return "outcome " + strconv.Itoa(int(o))
}

func append32(dst []byte, n uint32) []byte {
	return append(dst, byte(n>>24), byte(n>>16), byte(n>>8), byte(n)) // #nosec G115 -- the number's bytes
}

func read32(b []byte) uint32 {
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

func appendVarint(dst []byte, n uint64) []byte {
	for ; n >= 0x80; n >>= 7 {
		dst = append(dst, byte(n)|0x80) // #nosec G115 -- the low bits
	}
	return append(dst, byte(n))
}

func readVarint(b []byte) (n uint64, rest []byte) {
	for i := 0; i < len(b) && i < 5; i++ {
		n |= uint64(b[i]&0x7f) << (7 * i)
		if b[i] < 0x80 {
			return n, b[i+1:]
		}
	}
	return 0, nil
}

// Target names a cluster the way the host wants it: an
// envoy.config.core.v3.GrpcService with envoy_grpc.cluster_name.
func Target(cluster string) []byte {
	name := append(appendVarint([]byte{0x0a}, uint64(len(cluster))), cluster...)
	return append(appendVarint([]byte{0x0a}, uint64(len(name))), name...)
}
