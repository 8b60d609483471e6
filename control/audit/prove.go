package audit

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/client"

	"gatehouse/authz/event"
	"gatehouse/control/store"
)

// ErrNoEvent says that a log has no event of an id.
var ErrNoEvent = errors.New("the audit log has no such event")

// Proof shows that an event is in a log: whoever has the public key can check
// it without the log (verify.Inclusion).
type Proof struct {
	Index uint64 // of the entry
	Entry []byte // the event's JSON, as it is in the log
	// Hashes are the inclusion proof of RFC 6962 section 2.1.1 in the tree of
	// Checkpoint, a signed note.
	Hashes     [][]byte
	Checkpoint []byte
}

// Text is the proof in the format of C2SP tlog-proof, with the entry as its extra
// data, which the proof itself authenticates.
func (p *Proof) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "c2sp.org/tlog-proof@v1\nextra %s\nindex %d\n", base64.StdEncoding.EncodeToString(p.Entry), p.Index)
	for _, h := range p.Hashes {
		b.WriteString(base64.StdEncoding.EncodeToString(h) + "\n")
	}
	b.WriteString("\n")
	b.Write(p.Checkpoint)
	return b.String()
}

// Proof proves that the event of an id is in the log. It waits for the first
// checkpoint that commits to it. ErrNoEvent if there is no such event.
func (l *Tlog) Proof(ctx context.Context, eventID string) (*Proof, error) {
	leaf, err := l.leaf(ctx, eventID)
	if err != nil {
		return nil, err
	}
	if err := awaitPublished(ctx, l.dir, leaf+1); err != nil {
		return nil, err
	}
	return ProveLeaf(ctx, l.dir, leaf)
}

func (l *Tlog) leaf(ctx context.Context, id string) (uint64, error) {
	l.mu.Lock()
	leaf, ok := l.seen.leaf(id)
	l.mu.Unlock()
	if ok {
		return leaf, nil
	}
	if l.o.Index == nil {
		return Find(ctx, l.dir, id)
	}
	leaf, err := l.o.Index.EventLeaf(ctx, id)
	if errors.Is(err, store.ErrNoEvent) {
		return 0, fmt.Errorf("%w: %s", ErrNoEvent, id)
	}
	return leaf, err
}

// Find reads the log in dir until it comes upon the event of an id. ErrNoEvent
// if there is none.
func Find(ctx context.Context, dir, id string) (leaf uint64, err error) {
	size, err := publishedSize(dir)
	if err != nil {
		return 0, err
	}
	found := errors.New("found")
	err = scan(ctx, dir, 0, size, func(at uint64, e event.Event) error {
		if e.ID == id {
			leaf = at
			return found
		}
		return nil
	})
	if errors.Is(err, found) {
		return leaf, nil
	}
	if err == nil {
		err = fmt.Errorf("%w: %s", ErrNoEvent, id)
	}
	return 0, err
}

// ProveLeaf proves the entry at an index of the log in dir.
func ProveLeaf(ctx context.Context, dir string, leaf uint64) (*Proof, error) {
	checkpoint, size, err := readCheckpoint(dir)
	if err != nil {
		return nil, err
	}
	entry, err := folder(dir).entry(ctx, leaf, size)
	if err != nil {
		return nil, err
	}
	builder, err := client.NewProofBuilder(ctx, size, func(_ context.Context, level, index uint64, partial uint8) ([]byte, error) {
		return folder(dir).read(func(p uint8) string { return layout.TilePath(level, index, p) }, partial)
	})
	if err != nil {
		return nil, fmt.Errorf("prove entry %d: %w", leaf, err)
	}
	hashes, err := builder.InclusionProof(ctx, leaf)
	if err != nil {
		return nil, fmt.Errorf("prove entry %d: %w", leaf, err)
	}
	return &Proof{Index: leaf, Entry: entry, Hashes: hashes, Checkpoint: checkpoint}, nil
}

// readCheckpoint reads the checkpoint once: text and size are of the same.
func readCheckpoint(dir string) (text []byte, size uint64, err error) {
	if _, err = publishedSize(dir); err != nil {
		return nil, 0, err
	}
	if text, err = os.ReadFile(filepath.Join(dir, checkpointName)); err != nil {
		return nil, 0, fmt.Errorf("read the audit log: %w", err)
	}
	size, err = sizeOf(text, dir)
	return text, size, err
}
