package verify

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	hashSize = tlog.HashSize
	height   = 8
	width    = 1 << height
	maxEntry = 1<<16 - 1
)

// place is a tile, or a bundle of entries, of a tree.
type place struct {
	level   int // -1 for entries
	index   int64
	partial int // hashes or entries; 0 in a full one
}

func (p place) count() int {
	if p.partial > 0 {
		return p.partial
	}
	return width
}

// first is the oldest entry under a place.
func (p place) first() int64 { return p.index << (height * (max(p.level, 0) + 1)) }

// child is the full tile that the hash at position i commits to.
func (p place) child(i int) place {
	return place{level: p.level - 1, index: p.index<<height + int64(i)}
}

// path is that of C2SP tlog-tiles: groups of three digits, "x" before all but
// the last.
func (p place) path() string {
	name := fmt.Sprintf("%03d", p.index%1000)
	for n := p.index / 1000; n > 0; n /= 1000 {
		name = fmt.Sprintf("x%03d/%s", n%1000, name)
	}
	level := "entries"
	if p.level >= 0 {
		level = fmt.Sprint(p.level)
	}
	if p.partial > 0 {
		return fmt.Sprintf("tile/%s/%s.p/%d", level, name, p.partial)
	}
	return fmt.Sprintf("tile/%s/%s", level, name)
}

// edge is the partial tile of a level at the right of a tree; none where the
// last tile is full.
func edge(size int64, level int) (place, bool) {
	n := size >> (height * level)
	p := place{level: level, index: n >> height, partial: int(n & (width - 1))}
	return p, p.partial > 0
}

// levels is the number of levels of tiles that a tree has.
func levels(size int64) int { return (bits.Len64(uint64(size)) + height - 1) / height } // #nosec G115 -- a size is not negative

// reader reads places of one tree.
type reader struct {
	source Source
	tiles  int64
}

// fetch reads a place. A partial one may have been removed since the full one
// is there; then the full one is read.
func (r *reader) fetch(ctx context.Context, p place, limit int64) ([]byte, error) {
	data, err := r.source.Read(ctx, p.path(), limit)
	if p.partial > 0 && errors.Is(err, fs.ErrNotExist) {
		return r.source.Read(ctx, place{level: p.level, index: p.index}.path(), limit)
	}
	return data, err
}

// hashes reads a tile.
func (r *reader) hashes(ctx context.Context, p place) ([]tlog.Hash, error) {
	data, err := r.fetch(ctx, p, maxTile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault(Tile, p.path(), p.first(), "it is missing")
	}
	if err != nil {
		return nil, err
	}
	r.tiles++
	want := p.count() * hashSize
	if len(data) != want && (p.partial == 0 || len(data) != maxTile) {
		return nil, fault(Tile, p.path(), p.first(), "it has %d bytes instead of %d", len(data), want)
	}
	hashes := make([]tlog.Hash, p.count())
	for i := range hashes {
		hashes[i] = tlog.Hash(data[i*hashSize:])
	}
	return hashes, nil
}

// entries reads a bundle: each entry behind its length in two bytes. What cannot
// be cut into entries is a Fault, beside those that can.
func (r *reader) entries(ctx context.Context, p place) ([][]byte, error) {
	data, err := r.fetch(ctx, p, maxBundle)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault(Bundle, p.path(), p.first(), "it is missing")
	}
	if err != nil {
		return nil, err
	}
	entries := make([][]byte, 0, p.count())
	for len(data) > 0 && len(entries) < width {
		at := p.first() + int64(len(entries))
		if len(data) < 2 {
			return entries, fault(Entry, p.path(), at, "the bundle ends in its length")
		}
		n := int(binary.BigEndian.Uint16(data))
		if data = data[2:]; len(data) < n {
			return entries, fault(Entry, p.path(), at, "the bundle ends %d bytes before it", n-len(data))
		}
		entries, data = append(entries, data[:n]), data[n:]
	}
	if len(data) > 0 {
		return entries, fault(Bundle, p.path(), p.first(), "%d bytes follow its last entry", len(data))
	}
	return entries, nil
}

// fold is the root of a perfect tree over hashes, whose number is a power of two.
func fold(hashes []tlog.Hash) tlog.Hash {
	for len(hashes) > 1 {
		next := make([]tlog.Hash, len(hashes)/2)
		for i := range next {
			next[i] = tlog.NodeHash(hashes[2*i], hashes[2*i+1])
		}
		hashes = next
	}
	return hashes[0]
}

// root computes a tree's root (RFC 6962 section 2.1) from the partial tiles at
// its right edge, indexed by level.
func root(size int64, edges map[int][]tlog.Hash) tlog.Hash {
	if size == 0 {
		return emptyRoot()
	}
	var sum tlog.Hash
	begun := false
	for level := range levels(size) {
		hashes := edges[level]
		for end := len(hashes); end > 0; {
			perfect := 1 << bits.TrailingZeros(uint(end)) // #nosec G115 -- at most 255
			left := fold(hashes[end-perfect : end])
			if begun {
				left = tlog.NodeHash(left, sum)
			}
			sum, begun = left, true
			end -= perfect
		}
	}
	return sum
}
