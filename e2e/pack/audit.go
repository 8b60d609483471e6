package pack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/event"
)

// AuditText is the audit log as it lies on the disk, all files one after the
// other.
func (p *Pack) AuditText(t TB) []byte {
	t.Helper()
	text, err := readTree(filepath.Join(p.controlState(), "audit"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func readTree(dir string) ([]byte, error) {
	var text []byte
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path) //nolint:gosec // the test's own folder
		text = append(text, content...)
		return err
	})
	if os.IsNotExist(err) {
		return nil, nil
	}
	return text, err
}

// Events are the audit log's entries in their order. A last line that is still
// being written is left out.
func (p *Pack) Events(t TB) []event.Event {
	t.Helper()
	var events []event.Event
	text := p.AuditText(t)
	for {
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		if !whole {
			return events
		}
		text = rest
		var e event.Event
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("audit line %q: %v", line, err)
		}
		events = append(events, e)
	}
}

// AwaitEvent returns the first audit event that matches.
func (p *Pack) AwaitEvent(t TB, what string, match func(event.Event) bool) event.Event {
	t.Helper()
	var found event.Event
	Eventually(t, 15*time.Second, "audit event: "+what, func(context.Context) error {
		events := p.Events(t)
		for _, e := range events {
			if match(e) {
				found = e
				return nil
			}
		}
		return fmt.Errorf("not among %d events; the last: %s", len(events), lastOf(events))
	})
	return found
}

func lastOf(events []event.Event) string {
	if len(events) > 5 {
		events = events[len(events)-5:]
	}
	text, err := json.Marshal(events)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// RedisClient talks to the pack's Redis directly.
func (p *Pack) RedisClient(t TB) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: p.Ports.Addr(portRedis), Password: redisPassword})
	t.Cleanup(func() { _ = client.Close() })
	return client
}
