package verify

import (
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const checkpointPath = "checkpoint"

// Head is what a checkpoint says (C2SP tlog-checkpoint).
type Head struct {
	Origin string
	Size   int64
	Root   tlog.Hash
}

// OpenCheckpoint checks the signature of a checkpoint and reads it. file is its
// name for the Fault.
func OpenCheckpoint(text []byte, file string, v note.Verifier) (Head, error) {
	if len(text) > maxCheckpoint {
		return Head{}, fault(Checkpoint, file, -1, "it is larger than %d bytes", maxCheckpoint)
	}
	n, err := note.Open(text, note.VerifierList(v))
	var unsigned *note.UnverifiedNoteError
	var forged *note.InvalidSignatureError
	switch {
	case errors.As(err, &unsigned):
		return Head{}, fault(Checkpoint, file, -1, "it is not signed by %s", v.Name())
	case errors.As(err, &forged):
		return Head{}, fault(Checkpoint, file, -1, "the signature of %s is not of this text", v.Name())
	case err != nil:
		return Head{}, fault(Checkpoint, file, -1, "it is no signed note: %v", err)
	}
	head, ok := parseHead(n.Text)
	if !ok {
		return Head{}, fault(Checkpoint, file, -1, "its text is not an origin, a size and a root hash")
	}
	if head.Origin != v.Name() {
		return Head{}, fault(Checkpoint, file, -1, "it is of the log %q, and the key of %q", head.Origin, v.Name())
	}
	return head, nil
}

func parseHead(text string) (Head, bool) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 || lines[0] == "" {
		return Head{}, false
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return Head{}, false
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != hashSize {
		return Head{}, false
	}
	return Head{Origin: lines[0], Size: size, Root: tlog.Hash(root)}, true
}

// readHead reads and checks the checkpoint of a log.
func readHead(ctx context.Context, s Source, v note.Verifier) (Head, error) {
	text, err := s.Read(ctx, checkpointPath, maxCheckpoint)
	if errors.Is(err, fs.ErrNotExist) {
		return Head{}, fault(Checkpoint, checkpointPath, -1, "it is missing")
	}
	if err != nil {
		return Head{}, err
	}
	return OpenCheckpoint(text, checkpointPath, v)
}
