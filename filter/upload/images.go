package upload

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"gatehouse/filter/upload/internal/blocks"
)

// DefaultMaxPixels is what an image may have unless the policy says otherwise:
// 100 million, 400 MB once decoded.
const DefaultMaxPixels = 100_000_000

// pixels refuses images that decoders cannot hold.
func (e env) pixels(width, height int64) *Refusal {
	if width > 0 && height > 0 && width > e.policy.maxPixels/height {
		return refuse("GH-SIZ-004", "an image of "+strconv.FormatInt(width, 10)+" by "+strconv.FormatInt(height, 10)+" pixels")
	}
	return nil
}

// magnitude is that of a signed number: heights below zero are upside down.
func magnitude(v uint32) int64 {
	n := int64(int32(v)) // #nosec G115 -- meant to wrap
	return max(n, -n)
}

// jpegCheck walks the segments (ITU-T T.81, annex B) to the end of the image, and
// looks at what follows: cameras append previews, further pictures and films.
type jpegCheck struct {
	image
	env    env
	state  jpegState
	head   []byte
	need   int
	skip   int
	marker byte
	behind []byte // the first bytes after the end
	framed bool
	others foreign
}

type jpegState uint8

const (
	jpegMarker jpegState = iota
	jpegFill             // a marker's second byte
	jpegLength
	jpegFrame
	jpegSkip
	jpegScan
	jpegScanMarker
	jpegEnded
	jpegLost
)

// jpegSlack is how much text may follow a JPEG, of the kind that makers leave there
// and scripts do not look like. Of other bytes there may be more: cameras write what
// is left in their buffers.
const jpegSlack = 1000

func newJPEG(e env) checker { return &jpegCheck{image: imageOf(e), env: e} }

func (j *jpegCheck) write(b []byte) *Refusal {
	if r := j.image.write(b); r != nil {
		return r
	}
	for len(b) > 0 {
		if j.state == jpegEnded {
			return j.trailing(b)
		}
		n, r := j.step(b)
		if r != nil {
			return r
		}
		b = b[n:]
	}
	return nil
}

func (j *jpegCheck) step(b []byte) (int, *Refusal) {
	switch j.state {
	case jpegScan:
		i := scanEnd(b)
		if i < 0 {
			return len(b), nil
		}
		j.state = jpegScanMarker
		return i + 1, nil
	case jpegScanMarker:
		switch c := b[0]; {
		case c == 0xff:
		case c == 0 || c >= 0xd0 && c <= 0xd7:
			j.state = jpegScan
		default:
			j.found(c)
		}
		return 1, nil
	case jpegMarker:
		if b[0] != 0xff {
			return 1, nil // decoders look for the next marker
		}
		j.state = jpegFill
		return 1, nil
	case jpegFill:
		if b[0] == 0xff {
			return 1, nil
		}
		j.found(b[0])
		return 1, nil
	case jpegSkip:
		n := min(j.skip, len(b))
		if j.skip -= n; j.skip == 0 {
			j.afterSegment()
		}
		return n, nil
	}
	n := min(j.need-len(j.head), len(b))
	j.head = append(j.head, b[:n]...)
	if len(j.head) < j.need {
		return n, nil
	}
	return n, j.segment()
}

// scanEnd finds the first 0xff that is not, by the next byte, of the scan itself:
// a stuffed one, or a restart (ITU-T T.81, B.1.1.5 and B.2.1). The last byte may
// be either.
func scanEnd(b []byte) int {
	if i := endsScan.Index(b); i >= 0 {
		return i
	}
	if n := len(b); n > 0 && b[n-1] == 0xff {
		return n - 1
	}
	return -1
}

// endsScan has the bytes that make a marker of a 0xff in the scan.
var endsScan = blocks.NewPair(0xff, func(c byte) bool { return c != 0 && (c < 0xd0 || c > 0xd7) })

func (j *jpegCheck) found(marker byte) {
	j.marker, j.head, j.need = marker, j.head[:0], 2
	switch {
	case marker == 0xd9:
		j.state = jpegEnded
	case marker == 0xd8 || marker >= 0xd0 && marker <= 0xd7 || marker == 1 || marker == 0:
		j.state = jpegMarker
	default:
		j.state = jpegLength
	}
}

func (j *jpegCheck) segment() *Refusal {
	length := int(binary.BigEndian.Uint16(j.head))
	if j.state == jpegFrame {
		j.framed = true
		j.skip = length - 7
		r := j.env.pixels(int64(binary.BigEndian.Uint16(j.head[5:])), int64(binary.BigEndian.Uint16(j.head[3:])))
		j.toSkip()
		return r
	}
	m := j.marker
	if m >= 0xc0 && m <= 0xcf && m != 0xc4 && m != 0xc8 && m != 0xcc && length >= 7 {
		j.state, j.need = jpegFrame, 7
		return nil
	}
	j.skip = max(0, length-2)
	j.toSkip()
	return nil
}

func (j *jpegCheck) toSkip() {
	if j.state = jpegSkip; j.skip <= 0 {
		j.afterSegment()
	}
}

func (j *jpegCheck) afterSegment() {
	j.state = jpegMarker
	if j.marker == 0xda {
		j.state = jpegScan
	}
}

// trailing looks at what follows the end. Another picture is judged like the
// first one (multi-picture format, CIPA DC-007).
func (j *jpegCheck) trailing(b []byte) *Refusal {
	if len(j.behind) < memberHead {
		j.behind = append(j.behind, b[:min(len(b), memberHead-len(j.behind))]...)
	}
	if is := j.others.write(b); is != "" {
		return unsafe(RulePolyglot, "a JPEG with a "+is+" behind its end")
	}
	return nil
}

func (j *jpegCheck) end(int64) *Refusal {
	if r := j.code.end(); r != nil {
		return r
	}
	if j.state != jpegEnded {
		return truncated("a JPEG without its end-of-image marker")
	}
	if !j.framed {
		return truncated("a JPEG without a picture")
	}
	behind := bytes.TrimSpace(bytes.Trim(j.behind, "\x00"))
	switch found := detect(behind); found {
	case "", "mp3", "aac", "jpeg", "mp4", "mov", "png":
	case "txt":
		if bytes.IndexByte(behind, '(') >= 0 || len(behind) > jpegSlack {
			return unsafe(RuleAppended, "a JPEG with a text behind its end")
		}
	default:
		return unsafe(RulePolyglot, "a JPEG with a "+found+" behind its end")
	}
	return nil
}
