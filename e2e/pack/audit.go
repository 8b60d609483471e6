package pack

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/event"
)

// AuditText is the audit log as it lies on the disk, all files one after the
// other: entries are in it as they are, perhaps more than once.
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

// Events are the entries to which the audit log's checkpoint commits, in their
// order.
func (p *Pack) Events(t TB) []event.Event {
	t.Helper()
	events, err := readLog(filepath.Join(p.controlState(), "audit"))
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// readLog reads a log in the tlog-tiles layout (C2SP); empty if there is none.
func readLog(dir string) ([]event.Event, error) {
	checkpoint, err := os.ReadFile(filepath.Join(dir, "checkpoint")) //nolint:gosec // the test's own folder
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	lines := strings.Split(string(checkpoint), "\n")
	if len(lines) < 2 {
		return nil, fmt.Errorf("checkpoint %q has no size", checkpoint)
	}
	size, err := strconv.Atoi(lines[1])
	if err != nil {
		return nil, fmt.Errorf("checkpoint %q: %w", checkpoint, err)
	}
	var events []event.Event
	for bundle := 0; bundle*256 < size; bundle++ {
		found, err := readBundle(dir, bundle, min(256, size-bundle*256))
		if err != nil {
			return nil, err
		}
		events = append(events, found...)
	}
	return events, nil
}

// readBundle reads n entries, each behind its length in two bytes.
func readBundle(dir string, bundle, n int) ([]event.Event, error) {
	path := filepath.Join(dir, "tile", "entries", fmt.Sprintf("%03d", bundle)) // below 256,000 events
	raw, err := os.ReadFile(path)                                              //nolint:gosec // the test's own folder
	if os.IsNotExist(err) {
		raw, err = os.ReadFile(fmt.Sprintf("%s.p/%d", path, n)) //nolint:gosec // the test's own folder
	}
	if err != nil {
		return nil, err
	}
	events := make([]event.Event, n)
	for i := range events {
		if len(raw) < 2 || len(raw)-2 < int(binary.BigEndian.Uint16(raw)) {
			return nil, fmt.Errorf("bundle %s ends in entry %d", path, i)
		}
		end := 2 + int(binary.BigEndian.Uint16(raw))
		if err := json.Unmarshal(raw[2:end], &events[i]); err != nil {
			return nil, fmt.Errorf("bundle %s, entry %d: %w", path, i, err)
		}
		raw = raw[end:]
	}
	return events, nil
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
