package intake

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/event"
	"gatehouse/authz/secret"
)

// maxKept bounds what of a dead entry is kept, in bytes.
const maxKept = 64 << 10

// batch is what was read, sorted.
type batch struct {
	ids    []string
	events []event.Event
	dead   []deadLetter
	newest string // entry id
}

// deadLetter is an entry that is no event, as it is kept.
type deadLetter struct {
	Time   time.Time `json:"time"`
	Entry  string    `json:"entry"`
	Reason string    `json:"reason"`
	Value  string    `json:"value,omitempty"`
}

func (i *Intake) sort(entries []redis.XMessage) batch {
	b := batch{ids: make([]string, 0, len(entries)), events: make([]event.Event, 0, len(entries))}
	for _, entry := range entries {
		b.ids = append(b.ids, entry.ID)
		b.newest = entry.ID
		e, text, err := parse(entry)
		if err != nil {
			b.dead = append(b.dead, deadLetter{
				Time: i.o.Now().UTC(), Entry: entry.ID, Reason: i.clean(err.Error()), Value: i.clean(withoutTransit(text[:min(len(text), maxKept)])),
			})
			continue
		}
		event.Clean(i.o.Guard, &e)
		b.events = append(b.events, e)
	}
	return b
}

func (i *Intake) clean(text string) string {
	return i.o.Guard.Clean("dead letter", secret.Scrub(text))
}

var (
	errTrimmed  = errors.New("the entry was removed from the stream before it was read")
	errNoField  = errors.New("the entry has no field \"" + event.StreamField + "\"")
	errNotTyped = errors.New("the event has no type")
)

func parse(entry redis.XMessage) (event.Event, string, error) {
	if entry.Values == nil {
		return event.Event{}, "", errTrimmed
	}
	text, ok := entry.Values[event.StreamField].(string)
	if !ok {
		return event.Event{}, fmt.Sprint(entry.Values), errNoField
	}
	var e event.Event
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return event.Event{}, text, fmt.Errorf("not an event: %w", err)
	}
	if e.Type == "" {
		return event.Event{}, text, errNotTyped
	}
	if e.ID == "" {
		e.ID = event.DeriveID(event.StreamKey, entry.ID) // the same when it is read again
	}
	return e, text, nil
}

// bury keeps dead entries on the disk before they are acknowledged.
func (i *Intake) bury(dead []deadLetter) (err error) {
	if len(dead) == 0 {
		return nil
	}
	var lines []byte
	for _, d := range dead {
		line, err := json.Marshal(d)
		if err != nil {
			return fmt.Errorf("write a dead letter: %w", err)
		}
		lines = append(append(lines, line...), '\n')
		i.o.Logger.Error("an entry of the event stream is no event; it is kept as a dead letter",
			"entry", d.Entry, "reason", d.Reason, "file", i.o.DeadLetters)
	}
	if err := os.MkdirAll(filepath.Dir(i.o.DeadLetters), 0o700); err != nil {
		return fmt.Errorf("make the folder for dead letters: %w", err)
	}
	f, err := os.OpenFile(i.o.DeadLetters, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keep dead letters: %w", err)
	}
	_, err = f.Write(lines)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("keep dead letters: %w", err)
	}
	return nil
}
