package verify

import (
	"encoding/base64"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"gatehouse/authz/event"
)

// proofHeader is the first line of a proof (C2SP tlog-proof).
const proofHeader = "c2sp.org/tlog-proof@v1"

// maxProof bounds a proof: the entry in base64, 63 hashes and a checkpoint.
const maxProof = maxEntry*4/3 + 64*64 + maxCheckpoint

// Proven is an event that a proof has shown to be in a log.
type Proven struct {
	Index int64       `json:"index"`
	Event event.Event `json:"event"`
	Head  Head        `json:"-"`
}

// Inclusion checks a proof in the format of C2SP tlog-proof whose extra data is
// the entry: that the checkpoint is signed by v, and that the entry is in its
// tree. Neither the log nor a network is needed.
func Inclusion(text []byte, v note.Verifier) (Proven, error) {
	bad := func(format string, args ...any) (Proven, error) {
		return Proven{}, fault(Proof, "", -1, format, args...)
	}
	if len(text) > maxProof {
		return bad("it is larger than %d bytes", maxProof)
	}
	body, checkpoint, ok := strings.Cut(string(text), "\n\n")
	lines := strings.Split(body, "\n")
	if !ok || len(lines) < 3 || lines[0] != proofHeader {
		return bad("it does not begin with %s, extra, index, and end in a checkpoint", proofHeader)
	}
	extra, hasExtra := strings.CutPrefix(lines[1], "extra ")
	number, hasIndex := strings.CutPrefix(lines[2], "index ")
	if !hasExtra || !hasIndex {
		return bad("its second line is not the entry (extra ...), or its third not the index")
	}
	entry, err := base64.StdEncoding.DecodeString(extra)
	if err != nil {
		return bad("the entry is not in base64: %v", err)
	}
	index, err := strconv.ParseInt(number, 10, 64)
	if err != nil || index < 0 || strconv.FormatInt(index, 10) != number {
		return bad("%.32q is no index", number)
	}
	hashes := make(tlog.RecordProof, 0, len(lines))
	for _, line := range lines[3:] {
		h, err := tlog.ParseHash(line)
		if err != nil {
			return bad("%.64q is no hash", line)
		}
		hashes = append(hashes, h)
	}
	head, err := OpenCheckpoint([]byte(checkpoint), "the proof's checkpoint", v)
	if err != nil {
		return Proven{}, err
	}
	if index >= head.Size {
		return bad("index %d is not among the %d entries of its checkpoint", index, head.Size)
	}
	if err := tlog.CheckRecord(hashes, head.Size, head.Root, index, tlog.RecordHash(entry)); err != nil {
		return bad("the entry is not the one at index %d of the checkpoint's tree", index)
	}
	e, err := parseEvent(entry)
	if err != nil {
		return Proven{}, err
	}
	return Proven{Index: index, Event: e, Head: head}, nil
}
