package control

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"gatehouse/authz/event"
	"gatehouse/authz/secret"
	"gatehouse/control/api"
	"gatehouse/control/audit"
	"gatehouse/control/audit/verify"
)

// spoiled is a log whose proofs somebody has changed on their way.
type spoiled struct {
	prover
	spoil func(*audit.Proof)
}

func (s spoiled) Proof(ctx context.Context, id string) (*audit.Proof, error) {
	p, err := s.prover.Proof(ctx, id)
	if err == nil {
		s.spoil(p)
	}
	return p, err
}

func publicHalf(t *testing.T, key secret.Value) note.Verifier {
	t.Helper()
	text, err := audit.Verifier(key)
	if err != nil {
		t.Fatal(err)
	}
	v, err := verify.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAVerificationSaysWhichOfTheTwoDoesNotHold(t *testing.T) {
	t.Parallel()
	key, _, err := audit.GenerateKey("test.example/audit")
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := audit.GenerateKey("test.example/audit")
	if err != nil {
		t.Fatal(err)
	}
	log, err := audit.Open(filepath.Join(t.TempDir(), "audit"), audit.Options{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	if _, err := log.Append(t.Context(), []event.Event{{ID: "e1", Type: event.RequestAllowed}, {ID: "e2", Type: event.RequestDenied}}); err != nil {
		t.Fatal(err)
	}
	second, err := log.Proof(t.Context(), "e2")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name                 string
		spoil                func(*audit.Proof)
		signature, inclusion bool
	}{
		{"untouched", func(*audit.Proof) {}, true, true},
		{"another entry", func(p *audit.Proof) { p.Entry = []byte(`{"id":"e1","type":"request_denied"}`) }, true, false},
		{"another position", func(p *audit.Proof) { p.Index++ }, true, false},
		{"another event, well proven", func(p *audit.Proof) { *p = *second }, true, false},
		{"another checkpoint", func(p *audit.Proof) { p.Checkpoint = append([]byte("x"), p.Checkpoint...) }, false, false},
	} {
		v := evidence{log: spoiled{log, c.spoil}, verifier: publicHalf(t, key), now: time.Now}
		got, err := v.Verify(t.Context(), "e1")
		if err != nil || got.Signature != c.signature || got.Inclusion != c.inclusion || (got.Reason == "") != c.inclusion || got.CheckedAt.IsZero() {
			t.Errorf("%s: %+v %v", c.name, got, err)
		}
	}
	v := evidence{log: log, verifier: publicHalf(t, other), now: time.Now}
	if got, err := v.Verify(t.Context(), "e1"); err != nil || got.Signature || got.Inclusion {
		t.Errorf("under another key: %+v %v", got, err)
	}
	if _, err := v.Verify(t.Context(), "none"); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("%v", err)
	}
}
