package verify_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"gatehouse/authz/event"
	"gatehouse/control/audit/audittest"
	"gatehouse/control/audit/verify"
)

// size is that of the log under test: two levels of tiles, full and partial.
const size = 70_000

func events(from, to int) []event.Event {
	events := make([]event.Event, 0, to-from)
	for i := from; i < to; i++ {
		events = append(events, event.Event{ID: fmt.Sprintf("e%06d", i), Type: event.RequestAllowed, Time: time.UnixMilli(int64(1e12 + i)).UTC(), Outcome: event.Allow})
	}
	return events
}

// master is a log, and an older state of it. It is made once; tests copy it.
type master struct {
	root     string
	fill     sync.Once
	log, old string
	since    []byte // checkpoint of old
}

var shared master

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.root != "" {
		_ = os.RemoveAll(shared.root)
	}
	os.Exit(code)
}

func theMaster(t *testing.T) *master {
	t.Helper()
	m := &shared
	m.fill.Do(func() {
		var err error
		if m.root, err = os.MkdirTemp("", "verify-*"); err != nil { //nolint:usetesting // outlives the test that is first
			t.Fatal(err)
		}
		m.log, m.old = filepath.Join(m.root, "log"), filepath.Join(m.root, "old")
		grow(t, m.log, 0, 1000)
		if err := os.CopyFS(m.old, os.DirFS(m.log)); err != nil {
			t.Fatal(err)
		}
		if m.since, err = os.ReadFile(filepath.Join(m.log, "checkpoint")); err != nil {
			t.Fatal(err)
		}
		grow(t, m.log, 1000, size)
	})
	if m.since == nil {
		t.Fatal("the log could not be made")
	}
	return m
}

func grow(t *testing.T, dir string, from, to int) {
	t.Helper()
	l := audittest.Open(t, dir)
	if _, err := l.Append(t.Context(), events(from, to)); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// copied is a copy of the log that may be changed. Most files are links: change
// them by writing anew.
func copied(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "log")
	from := theMaster(t).log
	err := filepath.WalkDir(from, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, strings.TrimPrefix(path, from))
		if e.IsDir() {
			return os.MkdirAll(to, 0o700)
		}
		return os.Link(path, to)
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// rewrite replaces a file, and not the one that it is a link to.
func rewrite(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.Remove(path)
	}
	if err == nil {
		err = os.WriteFile(path, change(bytes.Clone(text)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func key(t *testing.T) note.Verifier {
	t.Helper()
	v, err := verify.ParseKey(audittest.Verifier(t))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func check(t *testing.T, dir string, since []byte) (verify.Report, error) {
	t.Helper()
	return verify.Log(t.Context(), verify.Options{Source: verify.Dir(dir), Verifier: key(t), Since: since})
}

func flip(at int) func([]byte) []byte {
	return func(text []byte) []byte {
		text[at] ^= 0x40
		return text
	}
}

// swapped puts another letter of base64 in a place.
func swapped(text []byte, at int) []byte {
	if text[at] == 'A' {
		text[at] = 'B'
	} else {
		text[at] = 'A'
	}
	return text
}

// entries changes a bundle entry by entry.
func entries(change func([][]byte) [][]byte) func([]byte) []byte {
	return func(raw []byte) []byte {
		var list [][]byte
		for len(raw) > 0 {
			n := binary.BigEndian.Uint16(raw)
			list, raw = append(list, raw[2:2+n]), raw[2+n:]
		}
		var out []byte
		for _, entry := range change(list) {
			out = binary.BigEndian.AppendUint16(out, uint16(len(entry)))
			out = append(out, entry...)
		}
		return out
	}
}

func TestAnUntouchedLogPasses(t *testing.T) {
	t.Parallel()
	m := theMaster(t)
	r, err := check(t, m.log, m.since)
	if err != nil {
		t.Fatal(err)
	}
	if r.Size != size || r.Events != size || *r.Since != 1000 || r.Origin != audittest.Name || !r.First.Equal(time.UnixMilli(1e12)) || !r.Last.Equal(time.UnixMilli(1e12+size-1)) {
		t.Errorf("%+v", r)
	}
	// 274 bundles, their tiles, two of the next level and one above.
	if r.Files != 274+274+2+1 {
		t.Errorf("%d files were read", r.Files)
	}
}

func TestALogPassesByItsAddress(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.StripPrefix("/logs/one", http.FileServer(http.Dir(theMaster(t).old))))
	defer server.Close()
	source, err := verify.URL(server.URL+"/logs/one", nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := verify.Log(t.Context(), verify.Options{Source: source, Verifier: key(t)})
	if err != nil || r.Events != 1000 {
		t.Errorf("%+v %v", r, err)
	}
	gone, err := verify.URL(server.URL+"/logs/one/tile", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify.Log(t.Context(), verify.Options{Source: gone, Verifier: key(t)}); err == nil || !strings.Contains(err.Error(), "checkpoint (checkpoint): it is missing") {
		t.Errorf("error %v", err)
	}
	for _, bad := range []string{"", "file:///etc", "http://", "::"} {
		if _, err := verify.URL(bad, nil); err == nil {
			t.Errorf("%q is an address", bad)
		}
	}
}

func TestAPartialTileThatWasTidiedAwayIsReadFromTheFullOne(t *testing.T) {
	t.Parallel()
	dir := copied(t)
	old, err := os.ReadFile(filepath.Join(theMaster(t).old, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	rewrite(t, filepath.Join(dir, "checkpoint"), func([]byte) []byte { return old }) // its tiles 003 are full by now
	for _, path := range []string{"tile/0/003.p", "tile/entries/003.p", "tile/1/000.p"} {
		if err := os.RemoveAll(filepath.Join(dir, path)); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := check(t, dir, nil); err != nil || r.Events != 1000 {
		t.Errorf("%+v %v", r, err)
	}
}

// The last bundle is 273, with 112 entries; the first of it is 69888.
func TestTamperingIsFoundAndItsPlaceNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file  string
		how   func([]byte) []byte // nil removes the file
		kind  verify.Kind
		at    string // file; "" is the same
		index int64
		says  string
	}{
		"a flipped byte in a full tile":          {"tile/0/005", flip(33), verify.Tile, "", 5*256 + 1, "not that of what is under it"},
		"a flipped byte in the last tile":        {"tile/0/273.p/112", flip(64), verify.Tile, "", 69890, "not that of what is under it"},
		"a flipped byte in a tile above":         {"tile/1/000", flip(32 * 7), verify.Tile, "", 7 * 256, "not that of what is under it"},
		"a flipped byte in a partial tile above": {"tile/1/001.p/17", flip(0), verify.Tile, "", 65536, "not that of what is under it"},
		"a flipped byte in the highest tile":     {"tile/2/000.p/1", flip(5), verify.Tile, "", 0, "not that of what is under it"},
		"a flipped byte in an entry":             {"tile/entries/004", flip(1000), verify.Entry, "", 1024 + 8, "it was changed"},
		"a flipped byte in the last bundle":      {"tile/entries/273.p/112", flip(10), verify.Entry, "", 69888, "it was changed"},
		"a flipped byte in a length":             {"tile/entries/004", flip(0), verify.Entry, "", 1024, ""},
		"a flipped byte in the checkpoint":       {"checkpoint", flip(len(audittest.Name) + 2), verify.Checkpoint, "", -1, ""},
		"a flipped byte in the signature":        {"checkpoint", func(b []byte) []byte { return swapped(b, len(b)-9) }, verify.Checkpoint, "", -1, "signature"},
		"a deleted entry": {"tile/entries/009", entries(func(e [][]byte) [][]byte { return slices.Delete(e, 100, 101) }),
			verify.Entry, "", 9*256 + 100, "it was removed"},
		"a deleted entry at the end of a bundle": {"tile/entries/009", entries(func(e [][]byte) [][]byte { return e[:255] }),
			verify.Entry, "", 9*256 + 255, "255 entries instead of 256"},
		"an added entry": {"tile/entries/010", entries(func(e [][]byte) [][]byte { return slices.Insert(e, 3, []byte("{}")) }),
			verify.Entry, "", 10*256 + 3, "it was added"},
		"an added entry at the end of a bundle": {"tile/entries/010", entries(func(e [][]byte) [][]byte { return append(e, []byte("{}")) }),
			verify.Bundle, "", 10 * 256, "follow its last entry"},
		"an added entry at the end of the log": {"tile/entries/273.p/112", entries(func(e [][]byte) [][]byte { return append(e, e[0]) }),
			verify.Entry, "", 70_000, "it was added"},
		"two entries in another order": {"tile/entries/011", entries(func(e [][]byte) [][]byte { e[7], e[8] = e[8], e[7]; return e }),
			verify.Entry, "", 11*256 + 7, "order was changed"},
		"entries far apart in another order": {"tile/entries/011", entries(func(e [][]byte) [][]byte { e[7], e[200] = e[200], e[7]; return e }),
			verify.Entry, "", 11*256 + 7, "order was changed"},
		"a truncated bundle": {"tile/entries/012", func(b []byte) []byte { return b[:len(b)-1] }, verify.Entry, "", 12*256 + 255, "ends 1 bytes before it"},
		"a truncated tile":   {"tile/0/012", func(b []byte) []byte { return b[:len(b)-32] }, verify.Tile, "", 12 * 256, "8160 bytes instead of 8192"},
		"an endless tile":    {"tile/0/012", func(b []byte) []byte { return append(b, b...) }, verify.Tile, "", 12 * 256, "instead of 8192"},
		"a missing bundle":   {"tile/entries/013", nil, verify.Bundle, "", 13 * 256, "it is missing"},
		"a missing tile":     {"tile/0/014", nil, verify.Tile, "", 14 * 256, "it is missing"},
		"a truncated log":    {"tile/entries/273.p/112", nil, verify.Bundle, "", 69888, "it is missing"},
		"a missing top":      {"tile/2/000.p/1", nil, verify.Tile, "", 0, "it is missing"},
		"no checkpoint":      {"checkpoint", nil, verify.Checkpoint, "", -1, "it is missing"},
		"an empty file":      {"checkpoint", func([]byte) []byte { return nil }, verify.Checkpoint, "", -1, "no signed note"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := copied(t)
			path := filepath.Join(dir, filepath.FromSlash(c.file))
			if c.how == nil {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			} else {
				rewrite(t, path, c.how)
			}
			expectFault(t, dir, nil, verify.Fault{Kind: c.kind, File: c.file, Index: c.index, Problem: c.says})
		})
	}
}

func expectFault(t *testing.T, dir string, since []byte, want verify.Fault) {
	t.Helper()
	_, err := check(t, dir, since)
	var f *verify.Fault
	if !errors.As(err, &f) {
		t.Fatalf("error %v, want a fault", err)
	}
	if f.Kind != want.Kind || f.File != want.File || f.Index != want.Index || !strings.Contains(f.Problem, want.Problem) {
		t.Errorf("%+v, want %+v", *f, want)
	}
}

// rewritten changes an entry and all that is above it, as somebody would who may
// write the folder but does not have the key.
func TestARewrittenLogIsNotTheOneThatWasSigned(t *testing.T) {
	t.Parallel()
	dir := copied(t)
	forged := filepath.Join(t.TempDir(), "forged")
	changed := events(0, size)
	changed[500].Outcome = event.Deny
	l := audittest.Open(t, forged)
	if _, err := l.Append(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	signed, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile(filepath.Join(forged, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	rewrite(t, filepath.Join(forged, "checkpoint"), func([]byte) []byte { return signed })
	expectFault(t, forged, nil, verify.Fault{Kind: verify.Checkpoint, File: "checkpoint", Index: -1, Problem: "its root is not that of the tiles"})

	// Whoever has the key as well is found by who has kept a checkpoint.
	rewrite(t, filepath.Join(forged, "checkpoint"), func([]byte) []byte { return own })
	if _, err := check(t, forged, nil); err != nil {
		t.Fatal(err)
	}
	expectFault(t, forged, theMaster(t).since, verify.Fault{Kind: verify.History, File: "checkpoint", Index: -1, Problem: "of the first 1000 entries"})
}

func TestALogThatWasRolledBackIsFoundWithAnOlderCheckpoint(t *testing.T) {
	t.Parallel()
	m := theMaster(t)
	now, err := os.ReadFile(filepath.Join(m.log, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := check(t, m.old, nil); err != nil {
		t.Fatal(err)
	}
	expectFault(t, m.old, now, verify.Fault{Kind: verify.History, File: "checkpoint", Index: 1000, Problem: "rolled back: it has 1000 entries, and had 70000"})
	if r, err := check(t, m.log, now); err != nil || *r.Since != size {
		t.Errorf("since itself: %+v %v", r, err)
	}
	expectFault(t, m.log, []byte("no checkpoint\n"), verify.Fault{Kind: verify.Checkpoint, File: "the older checkpoint", Index: -1})
}

func TestEachEntryHasToBeAnEvent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := audittest.Open(t, dir)
	odd := events(0, 3)
	odd[1].Type = ""
	if _, err := l.Append(t.Context(), odd); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	expectFault(t, dir, nil, verify.Fault{Kind: verify.Entry, File: "tile/entries/000.p/3", Index: 1, Problem: "lacks an id or a type"})
}

func TestAnEmptyLogPasses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := audittest.Open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	if r, err := check(t, dir, nil); err != nil || r.Size != 0 {
		t.Errorf("%+v %v", r, err)
	}
}

func TestOnlyTheLogsKeyPassesIt(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"no key": "", "a private key": "PRIVATE+KEY+x", "half of one": audittest.Name + "+00000000"} {
		if _, err := verify.ParseKey(text); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, other, err := note.GenerateKey(zeros{}, audittest.Name)
	if err != nil {
		t.Fatal(err)
	}
	v, err := verify.ParseKey(other)
	if err != nil {
		t.Fatal(err)
	}
	_, err = verify.Log(t.Context(), verify.Options{Source: verify.Dir(theMaster(t).old), Verifier: v})
	if err == nil || !strings.Contains(err.Error(), "not signed by "+audittest.Name) {
		t.Errorf("error %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
