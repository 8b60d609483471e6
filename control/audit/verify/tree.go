package verify

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// emptyRoot is that of a tree without entries (RFC 6962 section 2.1).
func emptyRoot() tlog.Hash { return sha256.Sum256(nil) }

// Tree is the head of a tree whose root is trusted.
type Tree struct {
	Size int64
	Root tlog.Hash
}

// Walk checks the tiles and entries of a tree against its root, from the entry
// at index from on, and calls fn for each entry that has passed, the oldest
// first. What is not under the root as it should be is a *Fault. It returns the
// number of tiles and bundles that it has read.
func Walk(ctx context.Context, s Source, t Tree, from int64, fn func(index int64, entry []byte) error) (files int64, err error) {
	w := &walker{reader: reader{source: s}, tree: t, from: from, fn: fn}
	err = w.walk(ctx)
	return w.tiles, err
}

type walker struct {
	reader
	tree Tree
	from int64
	fn   func(index int64, entry []byte) error
}

// walk goes from the root down: what the signature vouches for is known before
// what is under it.
func (w *walker) walk(ctx context.Context) error {
	edges := map[int][]tlog.Hash{}
	for level := range levels(w.tree.Size) {
		p, ok := edge(w.tree.Size, level)
		if !ok {
			continue
		}
		hashes, err := w.hashes(ctx, p)
		if err != nil {
			return err
		}
		edges[level] = hashes
	}
	if root(w.tree.Size, edges) != w.tree.Root {
		return w.diagnose(ctx, edges)
	}
	for level := levels(w.tree.Size) - 1; level >= 0; level-- { // the oldest entries are under the highest
		if p, ok := edge(w.tree.Size, level); ok {
			if err := w.descend(ctx, p, edges[level]); err != nil {
				return err
			}
		}
	}
	return nil
}

// descend checks what is under a tile whose hashes have been checked.
func (w *walker) descend(ctx context.Context, p place, hashes []tlog.Hash) error {
	if p.level == 0 {
		return w.bundle(ctx, place{level: -1, index: p.index, partial: p.partial}, hashes)
	}
	for i, want := range hashes {
		child := p.child(i)
		if end := child.first() + int64(1)<<(height*p.level); end <= w.from {
			continue
		}
		under, err := w.hashes(ctx, child)
		if err != nil {
			return err
		}
		if fold(under) != want {
			return w.blame(ctx, child, under)
		}
		if err := w.descend(ctx, child, under); err != nil {
			return err
		}
	}
	return nil
}

// bundle checks entries against the hashes of their tile.
func (w *walker) bundle(ctx context.Context, p place, want []tlog.Hash) error {
	entries, broken := w.entries(ctx, p)
	var bad *Fault
	if broken != nil && !errors.As(broken, &bad) {
		return broken // not a fault of the log: it could not be read
	}
	w.tiles++
	for i := range min(len(entries), len(want)) {
		index := p.first() + int64(i)
		if tlog.RecordHash(entries[i]) != want[i] {
			return fault(Entry, p.path(), index, "%s", mismatch(entries, want, i))
		}
		if index < w.from {
			continue
		}
		if err := w.fn(index, entries[i]); err != nil {
			if errors.As(err, &bad) {
				bad.File, bad.Index = p.path(), index
				return bad
			}
			return err
		}
	}
	if bad != nil {
		return bad
	}
	if len(entries) < len(want) {
		return fault(Entry, p.path(), p.first()+int64(len(entries)), "it is missing: the bundle has %d entries instead of %d", len(entries), len(want))
	}
	if p.partial > 0 && len(entries) > len(want) && len(entries) < width {
		return fault(Entry, p.path(), p.first()+int64(len(want)), "it was added: the bundle has %d entries instead of %d", len(entries), len(want))
	}
	return nil
}

// mismatch says what has become of the entry at i, as far as its neighbours tell.
func mismatch(entries [][]byte, want []tlog.Hash, i int) string {
	is := func(entry, hash int) bool {
		return entry < len(entries) && hash < len(want) && tlog.RecordHash(entries[entry]) == want[hash]
	}
	switch {
	case is(i, i+1) && len(entries) < len(want):
		return "it was removed: the one behind it stands in its place"
	case is(i+1, i):
		if !slices.ContainsFunc(want, func(h tlog.Hash) bool { return h == tlog.RecordHash(entries[i]) }) {
			return "it was added: the one that belongs here follows it"
		}
	}
	for at := range want {
		if is(i, at) {
			return "the order was changed: the entry with another index in the same bundle stands here"
		}
	}
	return "it was changed: its hash is not the one in the tile"
}

// blame names what is wrong where a full tile is not what its parent commits to:
// the tile, unless all that is under it says otherwise.
func (w *walker) blame(ctx context.Context, p place, hashes []tlog.Hash) error {
	below, err := w.rebuilt(ctx, p)
	if err != nil {
		return err
	}
	for i, h := range below {
		if h != hashes[i] {
			return fault(Tile, p.path(), p.first()+int64(i)<<(height*p.level), "its hash %d is not that of what is under it", i)
		}
	}
	return fault(Tile, p.path(), p.first(), "it is not the tile that its parent commits to: it was rewritten, with all that is under it")
}

// rebuilt computes the hashes of a tile from what is under it.
func (w *walker) rebuilt(ctx context.Context, p place) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, p.count())
	if p.level > 0 {
		for i := range hashes {
			under, err := w.hashes(ctx, p.child(i))
			if err != nil {
				return nil, err
			}
			hashes[i] = fold(under)
		}
		return hashes, nil
	}
	bundle := place{level: -1, index: p.index, partial: p.partial}
	entries, err := w.entries(ctx, bundle)
	if err != nil && len(entries) < len(hashes) { // else it is behind what the tile is of
		return nil, err
	}
	if len(entries) < len(hashes) {
		return nil, fault(Entry, bundle.path(), bundle.first()+int64(len(entries)), "it is missing: the bundle has %d entries instead of %d", len(entries), len(hashes))
	}
	for i := range hashes {
		hashes[i] = tlog.RecordHash(entries[i])
	}
	return hashes, nil
}

// diagnose names what is wrong where the tiles at the right edge do not make the
// root: the first of them that is not what is under it.
func (w *walker) diagnose(ctx context.Context, edges map[int][]tlog.Hash) error {
	for level := levels(w.tree.Size) - 1; level >= 0; level-- {
		p, ok := edge(w.tree.Size, level)
		if !ok {
			continue
		}
		below, err := w.rebuilt(ctx, p)
		if err != nil {
			return err
		}
		for i, h := range below {
			if h != edges[level][i] {
				return fault(Tile, p.path(), p.first()+int64(i)<<(height*level), "its hash %d is not that of what is under it", i)
			}
		}
	}
	return fault(Checkpoint, checkpointPath, -1, "its root is not that of the tiles: the log was rewritten, or the checkpoint is of another one")
}
