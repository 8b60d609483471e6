package abi

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestAMapComesBackAsItWasPacked(t *testing.T) {
	t.Parallel()
	for _, lines := range [][][2]string{
		{}, {{"a", "1"}}, {{":status", "200"}, {"set-cookie", "a=1"}, {"set-cookie", ""}, {"x", "with\x00nul"}},
	} {
		got, ok := Unpack(nil, string(Pack(nil, lines)))
		if !ok || !slices.Equal(got, lines) {
			t.Errorf("got %q (%v), want %q", got, ok, lines)
		}
	}
}

func TestWhatIsNoPackedMapIsNotTaken(t *testing.T) {
	t.Parallel()
	whole := string(Pack(nil, [][2]string{{"name", "value"}, {"b", "2"}}))
	for n := 1; n < len(whole); n++ {
		if got, ok := Unpack(nil, whole[:n]); ok {
			t.Errorf("the first %d bytes were taken: %q", n, got)
		}
	}
	for _, s := range []string{"\xff\xff\xff\xff", "\x01\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff", "\x00\x00\x01\x00"} {
		if _, ok := Unpack(nil, s); ok {
			t.Errorf("%q was taken", s)
		}
	}
	m := Map{}
	if !m.Load("") || m.Load("\x01") || len(m.Lines()) != 0 {
		t.Error("an empty map is one, a broken one is not and leaves nothing")
	}
}

func TestEditingAMap(t *testing.T) {
	t.Parallel()
	start := [][2]string{{":status", "200"}, {"vary", "A"}, {"x", "1"}, {"vary", "B"}, {"y", "2"}}
	tests := []struct {
		name    string
		edit    func(m *Map)
		want    [][2]string
		changed bool
	}{
		{"nothing", func(*Map) {}, start, false},
		{"removing what is not there", func(m *Map) { m.Remove("z") }, start, false},
		{"setting what it is", func(m *Map) { m.Set("x", "1") }, start, false},
		{"setting another value", func(m *Map) { m.Set("x", "3") },
			[][2]string{{":status", "200"}, {"vary", "A"}, {"x", "3"}, {"vary", "B"}, {"y", "2"}}, true},
		{"setting one of two lines", func(m *Map) { m.Set("vary", "A") }, [][2]string{{":status", "200"}, {"x", "1"}, {"y", "2"}, {"vary", "A"}}, true},
		{"setting a new one", func(m *Map) { m.Set("z", "3") }, append(slices.Clone(start), [2]string{"z", "3"}), true},
		{"adding a further line", func(m *Map) { m.Add("x", "1") }, append(slices.Clone(start), [2]string{"x", "1"}), true},
		{"removing both lines", func(m *Map) { m.Remove("vary") }, [][2]string{{":status", "200"}, {"x", "1"}, {"y", "2"}}, true},
		{"removing the last", func(m *Map) { m.Remove("y") }, start[:4], true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var m Map
			if !m.Load(string(Pack(nil, start))) {
				t.Fatal("not loaded")
			}
			tt.edit(&m)
			if !slices.Equal(m.Lines(), tt.want) || (m.Edits() > 0) != tt.changed {
				t.Errorf("got %q (%d edits)", m.Lines(), m.Edits())
			}
		})
	}
}

// FuzzRemoveAll holds removing a list to removing its names one by one.
func FuzzRemoveAll(f *testing.F) {
	f.Add([]byte{0, 1, 2}, []byte{0, 2})
	f.Add([]byte{0, 0, 5, 6, 0}, []byte{0, 9})
	f.Fuzz(func(t *testing.T, lines, names []byte) {
		name := func(b byte) string { return strings.Repeat(string('a'+rune(b%7)), 1+int(b/7)%3) }
		var start [][2]string
		for _, b := range lines {
			start = append(start, [2]string{name(b), "v"})
		}
		var list []string
		for _, b := range names {
			list = append(list, name(b))
		}
		var one, all Map
		one.Load(string(Pack(nil, start)))
		all.Load(string(Pack(nil, start)))
		one.Add("a", "ours")
		all.Add("a", "ours")
		for _, n := range list {
			if n != "b" {
				one.Remove(n)
			}
		}
		prepared := NewNames(list...)
		all.RemoveAll(&prepared, "b")
		if !slices.Equal(one.Lines(), all.Lines()) || one.Edits() != all.Edits() {
			t.Fatalf("%q without %q: %q (%d edits), one by one %q (%d)", start, list, all.Lines(), all.Edits(), one.Lines(), one.Edits())
		}
	})
}

// table is a host's map; it counts the calls.
type table struct {
	lines [][2]string
	calls int
}

func (h *table) Remove(name string) error {
	h.calls++
	h.lines = slices.DeleteFunc(h.lines, func(l [2]string) bool { return l[0] == name })
	return nil
}

func (h *table) Replace(name, value string) error {
	h.calls++
	i := slices.IndexFunc(h.lines, func(l [2]string) bool { return l[0] == name })
	h.lines = slices.DeleteFunc(h.lines, func(l [2]string) bool { return l[0] == name })
	h.lines = slices.Insert(h.lines, max(i, 0), [2]string{name, value})
	return nil
}

func (h *table) Add(name, value string) error {
	h.calls++
	h.lines = append(h.lines, [2]string{name, value})
	return nil
}

func (h *table) ReplaceAll(lines [][2]string) error {
	h.lines = slices.Clone(lines)
	return nil
}

// FuzzTell edits a map and a plain list in the same way: the host must end with
// what the list has, in as many calls as the map has said.
func FuzzTell(f *testing.F) {
	f.Add([]byte{0, 1, 9, 17, 25, 33})
	f.Add([]byte{8, 0, 16, 8, 0})
	f.Fuzz(func(t *testing.T, edits []byte) {
		start := [][2]string{{"a", "0"}, {"b", "0"}, {"a", "1"}, {"c", "0"}}
		host, plain := &table{lines: slices.Clone(start)}, &table{lines: slices.Clone(start)}
		var m Map
		m.Load(string(Pack(nil, start)))
		for _, e := range edits {
			name, value := string('a'+rune(e%5)), string('0'+rune(e/40))
			switch e / 8 % 3 {
			case 0:
				m.Remove(name)
				_ = plain.Remove(name)
			case 1:
				m.Add(name, value)
				_ = plain.Add(name, value)
			default:
				m.Set(name, value)
				_ = plain.Replace(name, value)
			}
		}
		if err := m.Tell(host); err != nil || host.calls != 0 && host.calls != m.Edits() {
			t.Fatalf("%d calls, %d edits: %v", host.calls, m.Edits(), err)
		}
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			of := func(h *table) (values []string) {
				for _, l := range h.lines {
					if l[0] == name {
						values = append(values, l[1])
					}
				}
				return values
			}
			if !slices.Equal(of(host), of(plain)) || !slices.Equal(m.Values(name), of(plain)) {
				t.Fatalf("%s: host %q, map %q, want %q", name, of(host), m.Values(name), of(plain))
			}
		}
	})
}

func TestTellStopsAtAnError(t *testing.T) {
	t.Parallel()
	var m Map
	m.Load(string(Pack(nil, [][2]string{{"a", "0"}, {"b", "0"}})))
	m.Remove("a")
	m.Set("b", "1")
	m.Add("c", "2")
	for n := range 3 {
		if err := m.Tell(&failing{after: n}); err == nil {
			t.Errorf("the error of call %d got lost", n)
		}
	}
}

type failing struct{ after int }

func (f *failing) call() error {
	if f.after--; f.after < 0 {
		return errors.New("no")
	}
	return nil
}

func (f *failing) Remove(string) error          { return f.call() }
func (f *failing) Replace(string, string) error { return f.call() }
func (f *failing) Add(string, string) error     { return f.call() }
func (f *failing) ReplaceAll([][2]string) error { return f.call() }

func TestSeveralLinesOfOneHeaderAreToldAtOnce(t *testing.T) {
	t.Parallel()
	var m Map
	m.Load(string(Pack(nil, [][2]string{{"a", "0"}})))
	m.SetLines("set-cookie", []string{"b=1", "c=2"})
	host := &table{}
	if err := m.Tell(host); err != nil || host.calls != 0 || !slices.Equal(host.lines, m.Lines()) || len(host.lines) != 3 {
		t.Errorf("%q after %d calls: %v", host.lines, host.calls, err)
	}
}

func TestValuesAreAllLinesInOrder(t *testing.T) {
	t.Parallel()
	var m Map
	m.Add("a", "1")
	m.Add("b", "2")
	m.Add("a", "3")
	if got := m.Values("a"); !slices.Equal(got, []string{"1", "3"}) {
		t.Errorf("got %q", got)
	}
	if got := m.Values("c"); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}

func TestTheStatusIsThreeDigitsOrNone(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"200": 200, "101": 101, "": 0, "20": 0, "2000": 0, "2x0": 0} {
		var m Map
		m.Add(":status", text)
		if got := m.Status(); got != want {
			t.Errorf("%q: %d", text, got)
		}
	}
	var none Map
	if none.Status() != 0 {
		t.Error("a map without a status has one")
	}
}

func TestSeveralLinesReplaceSeveral(t *testing.T) {
	t.Parallel()
	var m Map
	m.Load(string(Pack(nil, [][2]string{{"set-cookie", "a"}, {"x", "1"}, {"set-cookie", "b"}})))
	m.SetLines("set-cookie", []string{"c", "d", "e"})
	if want := [][2]string{{"x", "1"}, {"set-cookie", "c"}, {"set-cookie", "d"}, {"set-cookie", "e"}}; !slices.Equal(m.Lines(), want) {
		t.Errorf("got %q", m.Lines())
	}
	if first, ok := m.Value("set-cookie"); !ok || first != "c" {
		t.Errorf("the first is %q", first)
	}
	if _, ok := m.Value("y"); ok {
		t.Error("there is no y")
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(string(Pack(nil, [][2]string{{"name", "value"}})))
	f.Add("\x01\x00\x00\x00")
	f.Fuzz(func(t *testing.T, s string) {
		lines, ok := Unpack(nil, s)
		if !ok && len(lines) > 0 {
			t.Fatal("lines of what is no map")
		}
		if again, ok := Unpack(nil, string(Pack(nil, lines))); !ok || !slices.Equal(again, lines) {
			t.Fatalf("%q became %q", lines, again)
		}
	})
}
