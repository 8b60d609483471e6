package audit

import (
	"errors"
	"strings"
	"testing"

	"gatehouse/control/audit/verify"
)

func TestAProofHoldsForItsEventAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	ids := numbered(600)
	add(t, l, ids...)
	v, err := verifier(testKey())
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{0, 255, 256, 599} {
		p, err := l.Proof(t.Context(), ids[at]) // waits for the checkpoint
		if err != nil {
			t.Fatal(err)
		}
		proven, err := verify.Inclusion([]byte(p.Text()), v)
		if err != nil || proven.Event.ID != ids[at] || proven.Index != int64(at) || proven.Head.Size != 600 {
			t.Errorf("%+v: %v", proven, err)
		}
		p.Entry[20] ^= 1
		if _, err := verify.Inclusion([]byte(p.Text()), v); err == nil || !strings.Contains(err.Error(), "proof") {
			t.Errorf("a changed entry is proven: %v", err)
		}
	}
	if _, err := l.Proof(t.Context(), "nobody"); !errors.Is(err, ErrNoEvent) {
		t.Errorf("error %v", err)
	}
	if leaf, err := Find(t.Context(), dir, ids[300]); err != nil || leaf != 300 {
		t.Errorf("%d %v", leaf, err)
	}
	if _, err := ProveLeaf(t.Context(), dir, 600); err == nil {
		t.Error("an entry behind the last is proven")
	}
}

func TestTheProofOfTheOnlyEventHasNoHashes(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	add(t, l, "a")
	p, err := l.Proof(t.Context(), "a")
	if err != nil || len(p.Hashes) != 0 {
		t.Fatalf("%+v %v", p, err)
	}
	v, err := verifier(testKey())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify.Inclusion([]byte(p.Text()), v); err != nil {
		t.Error(err)
	}
}
