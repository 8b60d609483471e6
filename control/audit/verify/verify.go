package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"gatehouse/authz/event"
)

// Options say what to check.
type Options struct {
	Source   Source
	Verifier note.Verifier
	// Since is an older checkpoint of the log; nil leaves that out.
	Since []byte
	// Each, unless nil, is called with each event that has passed.
	Each func(index int64, e event.Event) error
}

// Report is what was found of a log that is whole, or as far as it was.
type Report struct {
	Origin string `json:"origin,omitempty"`
	Size   int64  `json:"size"`
	Root   string `json:"root,omitempty"` // base64, as in the checkpoint
	Events int64  `json:"events"`         // that have passed
	Files  int64  `json:"files"`          // tiles and bundles read
	// First and Last are the times of the oldest and the newest event.
	First *time.Time `json:"first,omitempty"`
	Last  *time.Time `json:"last,omitempty"`
	// Since is the size of the older checkpoint.
	Since *int64 `json:"since,omitempty"`
}

// ParseKey reads a verifier's key: one line, NAME+HASH+KEY.
func ParseKey(text string) (note.Verifier, error) {
	v, err := note.NewVerifier(text)
	if err != nil {
		return nil, fmt.Errorf("the key is no public key of a log: it is one line, NAME+HASH+KEY, as `gatehouse audit keygen` writes it to FILE.pub: %w", err)
	}
	return v, nil
}

// Log checks a whole log. A *Fault says what is wrong with it, any other error
// why it could not be checked; the report says how far it went.
func Log(ctx context.Context, o Options) (Report, error) {
	head, err := readHead(ctx, o.Source, o.Verifier)
	if err != nil {
		return Report{}, err
	}
	r := Report{Origin: head.Origin, Size: head.Size, Root: head.Root.String()}
	var since *Head
	if o.Since != nil {
		old, err := OpenCheckpoint(o.Since, "the older checkpoint", o.Verifier)
		if err != nil {
			return r, err
		}
		if r.Since = &old.Size; old.Size > head.Size {
			return r, fault(History, checkpointPath, head.Size, "the log was rolled back: it has %d entries, and had %d", head.Size, old.Size)
		}
		since = &old
	}
	r.Files, err = Walk(ctx, o.Source, Tree{Size: head.Size, Root: head.Root}, 0, func(index int64, entry []byte) error {
		e, err := parseEvent(entry)
		if err != nil {
			return err
		}
		r.took(e)
		if o.Each == nil {
			return nil
		}
		return o.Each(index, e)
	})
	if err == nil && since != nil {
		err = Continues(ctx, o.Source, Tree{Size: head.Size, Root: head.Root}, Tree{Size: since.Size, Root: since.Root})
	}
	return r, err
}

func (r *Report) took(e event.Event) {
	if at := e.Time; r.First == nil {
		r.First, r.Last = &at, &at
	} else {
		r.Last = &at
	}
	r.Events++
}

func parseEvent(entry []byte) (event.Event, error) {
	var e event.Event
	if err := json.Unmarshal(entry, &e); err != nil {
		return e, fault(Entry, "", -1, "it is no event: %v", err)
	}
	if e.ID == "" || e.Type == "" {
		return e, fault(Entry, "", -1, "it is no event: it lacks an id or a type")
	}
	return e, nil
}

// Continues checks that tree now begins with all the entries of tree old, by
// computing the root that now had when it was of old's size (RFC 6962 section
// 2.1.2). Where it does not, the Fault names the older size.
func Continues(ctx context.Context, s Source, now, old Tree) error {
	if old.Size > now.Size {
		return fault(History, checkpointPath, now.Size, "the log was rolled back: it has %d entries, and had %d", now.Size, old.Size)
	}
	if old.Size == 0 {
		return nil
	}
	got, err := tlog.TreeHash(old.Size, hashReader(ctx, s, now))
	if err != nil {
		return fmt.Errorf("compute the root of the first %d entries: %w", old.Size, err)
	}
	if got != old.Root {
		return fault(History, checkpointPath, -1, "the log is not a continuation: of the first %d entries at least one is not what the older checkpoint committed to", old.Size)
	}
	return nil
}

// hashReader reads hashes that have been checked against the tree's root.
func hashReader(ctx context.Context, s Source, t Tree) tlog.HashReader {
	return tlog.TileHashReader(tlog.Tree{N: t.Size, Hash: t.Root}, &tileReader{ctx: ctx, reader: reader{source: s}})
}

// tileReader is a tlog.TileReader, which has no context of its own.
type tileReader struct {
	ctx context.Context //nolint:containedctx // of one call
	reader
}

func (r *tileReader) Height() int { return height }

func (r *tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, 0, len(tiles))
	for _, t := range tiles {
		p := place{level: t.L, index: t.N}
		if t.W < width {
			p.partial = t.W
		}
		hashes, err := r.hashes(r.ctx, p)
		if err != nil {
			return nil, err
		}
		tile := make([]byte, 0, len(hashes)*hashSize)
		for _, h := range hashes {
			tile = append(tile, h[:]...)
		}
		data = append(data, tile)
	}
	return data, nil
}

func (r *tileReader) SaveTiles([]tlog.Tile, [][]byte) {}
