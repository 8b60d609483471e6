package audit

// window remembers the last so many ids.
type window struct {
	known map[string]struct{}
	ring  []string
	next  int
}

func newWindow(size int) *window {
	return &window{known: make(map[string]struct{}, size), ring: make([]string, 0, size)}
}

func (w *window) has(id string) bool {
	_, ok := w.known[id]
	return ok
}

func (w *window) add(id string) {
	if w.has(id) {
		return
	}
	w.known[id] = struct{}{}
	if len(w.ring) < cap(w.ring) {
		w.ring = append(w.ring, id)
		return
	}
	delete(w.known, w.ring[w.next])
	w.ring[w.next] = id
	w.next = (w.next + 1) % len(w.ring)
}
