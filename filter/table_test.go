package main

import "testing"

// TestTheTableFindsEveryStreamByItsNumber holds the table against a map, also
// where numbers share a slot and where a slot becomes free while another stream
// of it is elsewhere.
func TestTheTableFindsEveryStreamByItsNumber(t *testing.T) {
	t.Parallel()
	var got table
	want := map[uint32]*stream{}
	put := func(id uint32) {
		s := &stream{}
		got.put(id, s)
		want[id] = s
	}
	take := func(id uint32) {
		if s := got.take(id); s != want[id] {
			t.Fatalf("taking %d gave another stream", id)
		}
		delete(want, id)
	}
	agree := func(when string) {
		t.Helper()
		for id := range uint32(5 * slots) {
			if got.get(id) != want[id] {
				t.Fatalf("%s: %d is another stream", when, id)
			}
		}
	}
	for id := uint32(2); id < 3*slots; id++ {
		put(id)
	}
	agree("three in most slots")
	for id := uint32(2); id < slots; id += 2 {
		take(id)
	}
	agree("half of the slots free, with others of them in the map")
	for id := uint32(3 * slots); id < 4*slots; id++ {
		put(id)
	}
	put(7) // twice: the last counts
	put(slots + 7)
	agree("four in some")
	for id := range uint32(5 * slots) {
		take(id)
	}
	agree("empty")
	if len(got.others) != 0 {
		t.Errorf("%d are left in the map", len(got.others))
	}
}
