package main

// slots of the table; a power of two.
const slots = 1024

// table finds a stream by the host's number. Numbers are given in ascending
// order and streams are short, so that the slot of a number is nearly always
// free; what finds its slot taken goes into a map.
type table struct {
	direct [slots]entry
	others map[uint32]*stream
}

type entry struct {
	id     uint32
	stream *stream
}

func (t *table) put(id uint32, s *stream) {
	e := &t.direct[id%slots]
	if e.stream == nil || e.id == id {
		e.id, e.stream = id, s
		if len(t.others) > 0 {
			delete(t.others, id)
		}
		return
	}
	t.putElsewhere(id, s)
}

//go:noinline
func (t *table) putElsewhere(id uint32, s *stream) {
	if t.others == nil {
		t.others = map[uint32]*stream{}
	}
	t.others[id] = s
}

// get returns nil for what is not there.
func (t *table) get(id uint32) *stream {
	if e := &t.direct[id%slots]; e.stream != nil && e.id == id {
		return e.stream
	}
	return t.getElsewhere(id)
}

//go:noinline
func (t *table) getElsewhere(id uint32) *stream { return t.others[id] }

// take is get, and forgets the stream.
func (t *table) take(id uint32) *stream {
	e := &t.direct[id%slots]
	if e.stream != nil && e.id == id {
		s := e.stream
		e.id, e.stream = 0, nil
		return s
	}
	return t.takeElsewhere(id)
}

//go:noinline
func (t *table) takeElsewhere(id uint32) *stream {
	s := t.others[id]
	delete(t.others, id)
	return s
}
