package upload

// memberNames tells names that stand twice in a document. Of two members of one name
// some readers take the first, some the last, and what a signature is about need not be
// what is shown or installed (Android's bug 8219321). Archives that are no document have
// them at times, and so do JARs, from Ant: all of their members have been judged.
type memberNames struct {
	slots []uint64 // hashes, 0 where there is none; a power of two of them
	count int
	// exact says that names may differ in case alone: everywhere but in OPC.
	exact bool
}

// maxZipNames is how many names are compared, in 64 KiB; what has more is uncertain.
const maxZipNames = 6 << 10

// compares tells the kinds whose members must have names of their own: the packages of
// Office (ISO/IEC 29500-2: no two names that are equivalent, which case and backslashes
// do not change) and OpenDocument, EPUB (OCF), and what Android installs.
func (n *memberNames) compares(kind string) bool {
	switch kind {
	case "docx", "xlsx", "pptx":
		return true
	case "odt", "ods", "odp", "odg", "epub", "apk":
		n.exact = true
		return true
	}
	return false
}

// add tells whether the name is new, and whether it could be compared.
func (n *memberNames) add(name string) (isNew, compared bool) {
	if n.count == maxZipNames {
		return true, false
	}
	if 4*(n.count+1) > 3*len(n.slots) {
		n.grow()
	}
	h := n.hash(name)
	slot := n.slot(h)
	if n.slots[slot] == h {
		return false, true
	}
	n.slots[slot] = h
	n.count++
	return true, true
}

// slot is where a hash is, or would be.
func (n *memberNames) slot(h uint64) int {
	mask := len(n.slots) - 1
	at := int(h>>32) & mask // #nosec G115 -- masked
	for n.slots[at] != 0 && n.slots[at] != h {
		at = (at + 1) & mask
	}
	return at
}

func (n *memberNames) grow() {
	old := n.slots
	n.slots = make([]uint64, max(64, 2*len(old)))
	for _, h := range old {
		if h != 0 {
			n.slots[n.slot(h)] = h
		}
	}
}

// hash is FNV-1a of the name as readers compare it. It has no key: a name that is there twice has one hash whatever it is,
// and who makes two names have the same has his own file refused.
func (n *memberNames) hash(name string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(name) {
		c := name[i]
		switch {
		case n.exact:
		case c == '\\':
			c = '/'
		case c >= 'A' && c <= 'Z':
			c |= 0x20
		}
		h = (h ^ uint64(c)) * 0x100000001b3
	}
	h ^= h >> 29
	return max(h*0x9e3779b97f4a7c15, 1)
}

// named refuses a document's second member of a name.
func (z *zip) named(e *zipEntry) *Refusal {
	if e.folder() || !z.names.compares(z.want) {
		return nil
	}
	isNew, compared := z.names.add(e.name)
	switch {
	case !isNew:
		return refuse("GH-ARC-009", "two members with the name "+quote(e.name))
	case !compared && z.env.policy.rejectUncertain:
		return refuse("GH-ARC-009", "more members than names can be compared of")
	case !compared:
		z.env.budget.uncertain = true
	}
	return nil
}
