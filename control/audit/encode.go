package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"

	"gatehouse/authz/event"
)

// MaxEntry is the size of an entry that tlog-tiles can hold, in bytes.
const MaxEntry = 1<<16 - 1

// shortened is the key of an event's Detail that says that it did not fit.
const shortened = "shortened"

// encode writes an event as an entry: JSON without a line end. One that is too
// large, which no event of event.Writer is unless it is full of control
// characters, is shortened rather than refused: it must not hold up the others.
func encode(e event.Event) ([]byte, error) {
	entry, err := marshal(e)
	for limit := 512; err == nil && len(entry) > MaxEntry && limit > 0; limit /= 2 {
		entry, err = marshal(cut(e, limit))
	}
	if err == nil && len(entry) > MaxEntry {
		err = fmt.Errorf("it has %d bytes, and an entry of the log at most %d", len(entry), MaxEntry)
	}
	if err != nil {
		return nil, fmt.Errorf("write event %.64q as an entry: %w", e.ID, err)
	}
	return entry, nil
}

func marshal(e event.Event) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(e); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// cut bounds every text but the id, which tells the event from others. What is
// sealed cannot be cut: it goes.
func cut(e event.Event, limit int) event.Event {
	for _, field := range []*string{
		&e.Source, &e.Instance, &e.RequestID, &e.Method, &e.Host, &e.Path, &e.Route, &e.Policy,
		&e.PolicyVersion, &e.Subject, &e.Client, &e.Feature, &e.Rule, &e.Reason,
	} {
		*field = (*field)[:min(len(*field), limit)]
	}
	if len(e.Sealed) > limit {
		e.Sealed = ""
	}
	detail := maps.Clone(e.Detail)
	maps.DeleteFunc(detail, func(key, value string) bool { return len(key)+len(value) > limit })
	for key := range detail {
		if len(detail) < limit/8 {
			break
		}
		delete(detail, key)
	}
	if detail == nil {
		detail = map[string]string{}
	}
	detail[shortened] = "true"
	e.Detail = detail
	return e
}
