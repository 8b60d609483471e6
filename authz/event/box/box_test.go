package box

import (
	"bytes"
	"errors"
	"maps"
	"strings"
	"testing"
)

func key(fill byte) []byte { return bytes.Repeat([]byte{fill}, KeySize) }

func TestABoxOpensUnderItsKeyForItsPurposeAndNotOtherwise(t *testing.T) {
	t.Parallel()
	fields := map[string]string{"name": "Wilhelmina", "ip": "203.0.113.7"}
	sealed, err := SealFields(key(1), fields, "event-1")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := OpenFields(key(1), sealed, "event-1"); err != nil || !maps.Equal(got, fields) {
		t.Fatalf("%v %v", got, err)
	}
	for name, try := range map[string]func() error{
		"another key":     func() error { _, err := OpenFields(key(2), sealed, "event-1"); return err },
		"another purpose": func() error { _, err := OpenFields(key(1), sealed, "event-2"); return err },
		"cut short":       func() error { _, err := OpenFields(key(1), sealed[:len(sealed)-1], "event-1"); return err },
		"only a salt":     func() error { _, err := OpenFields(key(1), sealed[:saltSize], "event-1"); return err },
		"nothing":         func() error { _, err := OpenFields(key(1), nil, "event-1"); return err },
	} {
		if err := try(); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEveryChangedBitIsNoticed(t *testing.T) {
	t.Parallel()
	sealed, err := Seal(key(1), []byte("x"), "p")
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(sealed) * 8 {
		changed := bytes.Clone(sealed)
		changed[i/8] ^= 1 << (i % 8)
		if _, err := Open(key(1), changed, "p"); !errors.Is(err, ErrClosed) {
			t.Errorf("bit %d: %v", i, err)
		}
	}
}

func TestEqualFieldsMakeDifferentBoxesOfTheSameLength(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	length := map[int]bool{}
	for n := range 40 { // of the name; all fit into the same 64 bytes
		sealed, err := SealFields(key(1), map[string]string{"name": strings.Repeat("a", n)}, "p")
		if err != nil {
			t.Fatal(err)
		}
		again, err := SealFields(key(1), map[string]string{"name": strings.Repeat("a", n)}, "p")
		if err != nil {
			t.Fatal(err)
		}
		if seen[string(sealed)] || bytes.Equal(sealed, again) {
			t.Error("two boxes are equal")
		}
		seen[string(sealed)], length[len(sealed)] = true, true
	}
	if len(length) != 1 {
		t.Errorf("lengths %v", length)
	}
}

func TestAKeyOfTheWrongSizeIsRefused(t *testing.T) {
	t.Parallel()
	for _, k := range [][]byte{nil, key(1)[1:], append(key(1), 1)} {
		if _, err := Seal(k, nil, ""); err == nil || !strings.Contains(err.Error(), "32") {
			t.Errorf("%d bytes: %v", len(k), err)
		}
		if _, err := Open(k, make([]byte, 64), ""); err == nil || errors.Is(err, ErrClosed) {
			t.Errorf("%d bytes: %v", len(k), err)
		}
	}
}

func TestWhatIsInsideMustBeFields(t *testing.T) {
	t.Parallel()
	sealed, err := Seal(key(1), []byte("[1]"), "p")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFields(key(1), sealed, "p"); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
}

func FuzzOpenNeverPanics(f *testing.F) {
	sealed, err := SealFields(key(1), map[string]string{"a": "b"}, "p")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		if fields, err := OpenFields(key(1), data, "p"); err == nil && !bytes.Equal(data, sealed) {
			t.Errorf("opened %x to %v", data, fields)
		}
	})
}

func BenchmarkSealFields(b *testing.B) {
	fields := map[string]string{"ip": "203.0.113.7", "user_agent": strings.Repeat("x", 100)}
	for b.Loop() {
		if _, err := SealFields(key(1), fields, "p"); err != nil {
			b.Fatal(err)
		}
	}
}
