package up

import (
	"os"
	"testing"
	"time"
)

func TestAnEditedPolicyFileIsKept(t *testing.T) {
	s := newState(t)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	place := func(content string) string {
		path, kept, err := placeDemoPolicy(s, []byte(content), now)
		if err != nil {
			t.Fatal(err)
		}
		if data, err := os.ReadFile(path); err != nil || string(data) != content {
			t.Fatalf("%s holds %q (%v)", path, data, err)
		}
		return kept
	}
	if kept := place("one"); kept != "" {
		t.Errorf("nothing was there, yet kept is %s", kept)
	}
	if kept := place("two"); kept != "" {
		t.Errorf("nobody edited it, yet kept is %s", kept)
	}
	if err := os.WriteFile(s.path("gatehouse.yaml"), []byte("edited"), 0o600); err != nil {
		t.Fatal(err)
	}
	kept := place("three")
	if data, err := os.ReadFile(kept); err != nil || string(data) != "edited" {
		t.Errorf("%s holds %q (%v)", kept, data, err)
	}
}
