package event

import "gatehouse/authz/internal/clip"

// Bounds of one event, so that nobody can fill the queue, the stream or a leaf
// of the audit log (65,535 bytes) with a long path.
const (
	maxField  = 1024 // bytes of a field or of a Detail value
	maxKey    = 64   // bytes of a Detail key
	maxDetail = 16   // entries of Detail

	maxPersonal      = 8   // entries of Personal
	maxPersonalField = 512 // bytes of a value of Personal
)

// clipped returns e with all texts bounded. Detail and Personal are copied: the
// caller may go on using its own.
func clipped(e Event) Event {
	for _, field := range []*string{
		&e.ID, &e.Source, &e.Instance, &e.RequestID, &e.Method, &e.Host, &e.Path, &e.Route, &e.Policy,
		&e.PolicyVersion, &e.Subject, &e.Client, &e.Feature, &e.Rule, &e.Reason,
	} {
		*field = clip.Text(*field, maxField)
	}
	e.Detail = clippedMap(e.Detail, maxDetail, maxField)
	e.Personal = clippedPersonal(e.Personal)
	return e
}

func clippedPersonal(fields map[string]string) map[string]string {
	return clippedMap(fields, maxPersonal, maxPersonalField)
}

func clippedMap(fields map[string]string, entries, size int) map[string]string {
	if fields == nil {
		return nil
	}
	copied := make(map[string]string, min(len(fields), entries))
	for key, value := range fields {
		if len(copied) == entries {
			break
		}
		copied[clip.Text(key, maxKey)] = clip.Text(value, size)
	}
	return copied
}
