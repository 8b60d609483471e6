package event

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-([78])[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestNewIDsAreFreshAndSortByTime(t *testing.T) {
	t.Parallel()
	start := time.UnixMilli(0x0190_1234_5678)
	if id := newID(start); !strings.HasPrefix(id, "01901234-5678-7") {
		t.Errorf("id %s", id)
	}
	seen := map[string]bool{}
	last := ""
	for i := range 1000 {
		id := newID(start.Add(time.Duration(i) * time.Millisecond))
		if m := uuid.FindStringSubmatch(id); m == nil || m[1] != "7" {
			t.Fatalf("%s is no UUIDv7", id)
		}
		if id <= last || seen[id] {
			t.Fatalf("%s after %s", id, last)
		}
		seen[id], last = true, id
	}
	if first, second := NewID(), NewID(); first == second {
		t.Error("two ids are equal")
	}
}

func TestDerivedIDsBelongToTheirParts(t *testing.T) {
	t.Parallel()
	parts := [][]string{{}, {""}, {"", ""}, {"a"}, {"a", "b"}, {"ab"}, {"a", "", "b"}, {"b", "a"}, {"a\x00b"}}
	seen := map[string][]string{}
	for _, p := range parts {
		id := DeriveID(p...)
		if m := uuid.FindStringSubmatch(id); m == nil || m[1] != "8" {
			t.Errorf("%s is no UUIDv8", id)
		}
		if id != DeriveID(p...) {
			t.Errorf("%q has two ids", p)
		}
		if other, ok := seen[id]; ok {
			t.Errorf("%q and %q have the same id", p, other)
		}
		seen[id] = p
	}
	// Computed by Python's hashlib, not by this code: replicas of different
	// versions must agree.
	if got, want := DeriveID("a", "b"), "3c9d5910-45bc-8876-b9d0-399bbfb05c6a"; got != want {
		t.Errorf("the id of a, b changed to %s", got)
	}
}
