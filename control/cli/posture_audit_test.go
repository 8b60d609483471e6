package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/control/posture"
)

func TestPostureWithoutAPublicKeyHasNobodyToVerifyTheLog(t *testing.T) {
	t.Parallel()
	if v, err := newAuditVerifier(t.TempDir(), ""); v != nil || err != nil {
		t.Errorf("%v %v", v, err)
	}
	if _, err := newAuditVerifier(t.TempDir(), "/nowhere/key.pub"); err == nil {
		t.Error("a key that is named and not there is no error")
	}
}

func TestPostureTellsALogThatIsNotThereFromOneThatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if r := run(t, nil, "audit", "keygen", "--name", "gatehouse.test", "--out", key); r.code != ExitDone {
		t.Fatalf("%+v", r)
	}
	v, err := newAuditVerifier(dir, key+".pub")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(t.Context()); !errors.Is(err, posture.ErrNotChecked) && (err == nil || !strings.Contains(err.Error(), "checkpoint")) {
		t.Errorf("no log: %v", err)
	}
	log := filepath.Join(dir, "audit")
	if err := os.MkdirAll(log, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(log, "checkpoint"), []byte("gatehouse.test\n1\nAAAA\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(t.Context()); err == nil || errors.Is(err, posture.ErrNotChecked) {
		t.Errorf("a checkpoint that nobody signed: %v", err)
	}
}
