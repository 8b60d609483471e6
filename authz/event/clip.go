package event

import "unicode/utf8"

// Bounds of one event, so that nobody can fill the queue, the stream or a leaf
// of the audit log (65,535 bytes) with a long path.
const (
	maxField  = 1024 // bytes of a field or of a Detail value
	maxKey    = 64   // bytes of a Detail key
	maxDetail = 16   // entries of Detail
)

// clipped returns e with all texts bounded. Detail is copied: the caller may go
// on using its own.
func clipped(e Event) Event {
	for _, field := range []*string{
		&e.ID, &e.Source, &e.Instance, &e.RequestID, &e.Method, &e.Host, &e.Path, &e.Route, &e.Policy,
		&e.PolicyVersion, &e.Subject, &e.Client, &e.Feature, &e.Rule, &e.Reason,
	} {
		*field = clip(*field, maxField)
	}
	if e.Detail == nil {
		return e
	}
	detail := make(map[string]string, min(len(e.Detail), maxDetail))
	for key, value := range e.Detail {
		if len(detail) == maxDetail {
			break
		}
		detail[clip(key, maxKey)] = clip(value, maxField)
	}
	e.Detail = detail
	return e
}

// clip cuts s to at most n bytes, between characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
