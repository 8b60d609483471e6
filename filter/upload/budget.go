package upload

import (
	"errors"
	"strconv"
)

// budget bounds what is unpacked of one file, all of its levels together.
type budget struct {
	inflated int64 // bytes unpacked so far
	max      int64
	members  int
	// uncertain says that something of the file could not be seen into.
	uncertain bool
}

const (
	// maxDepth is how deep archives may stand inside one another: a level costs
	// 40 KiB of memory.
	maxDepth = 3
	// maxMembers bounds the members of all archives in a file.
	maxMembers = 100_000
	// A member that inflates beyond both of these is a bomb. DEFLATE reaches
	// 1032:1; logs reach 400:1, but not by the megabyte.
	bombSize  = 4 << 20
	bombRatio = 250
	// manySize is what members may inflate to, together, before their ratio counts.
	manySize = 16 << 20
	// DefaultMaxUnpacked bounds what a file may hold once unpacked.
	DefaultMaxUnpacked = 512 << 20
)

// env is what a checker may know of the file that it checks.
type env struct {
	policy *Policy
	budget *budget
	depth  int // archives around this file
	kind   string
	// picture says that the file is an image.
	picture bool
	// spare is where an inflater that only counts may be kept for the next file. What
	// is packed has none: there may be several at once.
	spare **inflater
}

func (e env) deeper() (env, *Refusal) {
	e.spare = nil
	if e.depth++; e.depth > maxDepth {
		return e, refuse("GH-ARC-005", "archives more than "+strconv.Itoa(maxDepth)+" deep")
	}
	return e, nil
}

// spend counts n unpacked bytes.
func (b *budget) spend(n int) *Refusal { return b.spend64(int64(n)) }

func (b *budget) spend64(n int64) *Refusal {
	if b.inflated += min(n, b.max+1); b.inflated > b.max {
		return refuse("GH-ARC-006", "an archive of more than "+strconv.FormatInt(b.max, 10)+" bytes, unpacked")
	}
	return nil
}

// broken says what is wrong with data that do not inflate.
func broken(err error, what string) *Refusal {
	if errors.Is(err, errBomb) {
		return refuse("GH-ARC-007", what+" that grows more than "+strconv.Itoa(bombRatio)+" times")
	}
	return truncated(what + " whose data are broken")
}

func (b *budget) member() *Refusal {
	if b.members++; b.members > maxMembers {
		return refuse("GH-ARC-006", "more than "+strconv.Itoa(maxMembers)+" members")
	}
	return nil
}
