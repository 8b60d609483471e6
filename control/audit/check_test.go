package audit

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/authz/secret"
)

// edit changes a file of a log.
func edit(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, change(text), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func flip(at int) func([]byte) []byte {
	return func(text []byte) []byte {
		text[at] ^= 1
		return text
	}
}

func TestADamagedLogIsNotWrittenTo(t *testing.T) {
	t.Parallel()
	remove := func(path string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			if err := os.Remove(filepath.Join(dir, path)); err != nil {
				t.Fatal(err)
			}
		}
	}
	change := func(path string, how func([]byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			edit(t, filepath.Join(dir, path), how)
		}
	}
	for name, c := range map[string]struct {
		damage func(*testing.T, string)
		want   string
	}{
		"a tile has a flipped bit":          {change("tile/0/001.p/44", flip(40)), "tile of entry 257 (tile/0/001.p/44)"},
		"a tile above has a flipped bit":    {change("tile/1/000.p/1", flip(3)), "tile of entry 0 (tile/1/000.p/1)"},
		"a full tile has a flipped bit":     {change("tile/0/000", flip(0)), "tile of entry 0 (tile/0/000)"},
		"an entry has a flipped bit":        {change("tile/entries/001.p/44", flip(10)), "entry 256 (tile/entries/001.p/44)"},
		"a tile is missing":                 {remove("tile/0/001.p/44"), "tile of entry 256 (tile/0/001.p/44): it is missing"},
		"the checkpoint has a flipped bit":  {change("checkpoint", flip(30)), "checkpoint (checkpoint)"},
		"the checkpoint is missing":         {remove("checkpoint"), "checkpoint (checkpoint): it is missing, and the log has 300 entries"},
		"the state is missing":              {remove(".state/treeState"), ".state/treeState"},
		"the state is no state":             {change(".state/treeState", func([]byte) []byte { return []byte("{}") }), ".state/treeState"},
		"the state is behind the checkpont": {change(".state/treeState", func([]byte) []byte { return smallState(t) }), "rolled back"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			l := open(t, dir)
			add(t, l, numbered(300)...)
			closed(t, l)
			c.damage(t, dir)
			_, err := Open(dir, Options{Key: testKey(), Log: slog.New(slog.DiscardHandler)})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "not written to") || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// smallState is the state of a log of one entry.
func smallState(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	l := open(t, dir)
	add(t, l, numbered(1)...)
	closed(t, l)
	text, err := os.ReadFile(filepath.Join(dir, treeStatePath))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTheLinesOfAnEarlierVersionAreNotContinued(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "events.jsonl"), []byte("{\"id\":\"a\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, opened := Open(dir, Options{Key: testKey(), Log: slog.New(slog.DiscardHandler)})
	_, read := Last(t.Context(), dir, 1, nil)
	for _, err := range []error{opened, read} {
		if err == nil || !strings.Contains(err.Error(), "move its events*.jsonl") || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v", err)
		}
	}
}

func TestOnlyTheKeyOfTheLogContinuesIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	add(t, l, "a")
	closed(t, l)
	other, _, err := GenerateKey("audit.gatehouse.test") // the same name
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]secret.Value{"another key": other, "no key": {}, "what is none": secret.New([]byte("PRIVATE+KEY+x+0+AAAA"))} {
		_, err := Open(dir, Options{Key: key, Log: slog.New(slog.DiscardHandler)})
		if err == nil || strings.Contains(err.Error(), "AAAA") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	l = open(t, dir)
	expect(t, "with its own", add(t, l, "a", "b"), "b")
}

func TestAKeyHasAPublicHalfAndANameThatNotesAllow(t *testing.T) {
	t.Parallel()
	key, public, err := GenerateKey("audit.example.com/gatehouse")
	if err != nil {
		t.Fatal(err)
	}
	again, err := Verifier(key)
	if err != nil || again != public || !strings.HasPrefix(public, "audit.example.com/gatehouse+") {
		t.Errorf("%q and %q: %v", public, again, err)
	}
	for _, name := range []string{"", "a b", "a+b", "a\x00b", strings.Repeat("n", maxName+1)} {
		if _, _, err := GenerateKey(name); err == nil {
			t.Errorf("%q can name a log", name)
		}
	}
}

func TestALogThatWasKilledWhileItWasMadeIsMade(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	closed(t, open(t, dir))
	if err := os.Remove(filepath.Join(dir, checkpointName)); err != nil {
		t.Fatal(err)
	}
	l := open(t, dir)
	add(t, l, "a")
	closed(t, l)
	expect(t, "log", all(t, dir), "a")
}
