package blocks

// Text is one to be found, of three bytes or more: its first and its last are looked
// for at their places together, then one between them.
type Text struct {
	text      string
	mid, last int
	sieve     *Sieve // where there are no vectors
}

// NewText makes the search for a text of at least three bytes.
func NewText(text string) *Text {
	return &Text{text: text, mid: len(text) / 2, last: len(text) - 1, sieve: NewSieve(text)}
}

// Index is strings.Index of what b holds.
func (t *Text) Index(b []byte) int {
	if vectors {
		return t.inBlocks(b)
	}
	return t.sieve.index(b, t.text)
}

func (t *Text) inBlocks(b []byte) int {
	at := 0
	for ; len(b)-at >= size+t.last; at += size {
		if !t.mayBegin((*[size]byte)(b[at:]), (*[size]byte)(b[at+t.last:])) {
			continue
		}
		if i := t.among(b[at:]); i >= 0 {
			return at + i
		}
	}
	if i := t.from(b[at:], len(b)-at); i >= 0 {
		return at + i
	}
	return -1
}

// among looks for a text that begins in the first block.
func (t *Text) among(b []byte) int {
	m := marks((*[size]byte)(b), t.text[0]) & marks((*[size]byte)(b[t.mid:]), t.text[t.mid]) & marks((*[size]byte)(b[t.last:]), t.text[t.last])
	for ; m != 0; m &= m - 1 {
		if i := first(m); String(b[i:i+len(t.text)]) == t.text {
			return i
		}
	}
	return -1
}

// mayBegin asks for two of the bytes: where both are common, among is asked more often.
func (t *Text) mayBegin(first, last *[size]byte) bool {
	a, c := t.text[0], t.text[t.last]
	var hit uint8
	for i := range first {
		hit |= bit(first[i] == a) & bit(last[i] == c)
	}
	return hit != 0
}

// from looks for a text that begins at one of the first n places.
func (t *Text) from(b []byte, n int) int {
	for at := 0; at < n; at++ {
		i := IndexByte(b[at:n], t.text[0])
		if i < 0 {
			return -1
		}
		if at += i; len(b)-at < len(t.text) {
			return -1
		}
		if String(b[at:at+len(t.text)]) == t.text {
			return at
		}
	}
	return -1
}
