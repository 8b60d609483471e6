package event

import (
	"strconv"

	"gatehouse/authz/internal/clip"
	"gatehouse/authz/secret"
)

// free are the texts of e that somebody outside may have written, with their
// names.
func free(e *Event) map[string]*string {
	return map[string]*string{
		"request_id": &e.RequestID, "method": &e.Method, "host": &e.Host, "path": &e.Path, "rule": &e.Rule, "reason": &e.Reason,
	}
}

// scrub hides in e what looks like a secret: a client that puts its token into a
// path, an upstream's error with a password in it. It is fit for the path of a
// request. e's Detail must be its own.
func scrub(e *Event) {
	for _, text := range [...]*string{&e.RequestID, &e.Method, &e.Host, &e.Path, &e.Rule, &e.Reason} {
		*text = secret.Scrub(*text)
	}
	for _, fields := range [...]map[string]string{e.Detail, e.Personal} {
		for key, value := range fields {
			if clean := secret.Scrub(value); clean != value {
				fields[key] = clean
			}
		}
	}
}

// Clean takes out of e what looks like a secret and what the rules of the guard
// find. It is for a reader who does not trust the writer; e is changed.
func Clean(g *secret.Guard, e *Event) {
	if g == nil {
		return
	}
	scrub(e)
	look(e, g.Clean)
}

// clean takes out of e what the rules of the guard find, beside the path of
// requests. With the queue more than half full there is no time for that: then
// text that may hold a secret is hidden unseen, so that no event is lost for it.
func (w *Writer) clean(e *Event) {
	if len(w.queue) > cap(w.queue)/2 {
		look(e, func(_, text string) string { return w.guard.Hurry(text) })
		return
	}
	look(e, w.guard.Clean)
}

func look(e *Event, clean func(place, text string) string) {
	place := "event " + string(e.Type) + " "
	for name, text := range free(e) {
		*text = clip.Text(clean(place+name, *text), maxField)
	}
	for _, fields := range [...]map[string]string{e.Detail, e.Personal} {
		for key, value := range fields {
			if cleaned := clean(place+key, value); cleaned != value {
				fields[key] = clip.Text(cleaned, maxField)
			}
		}
	}
}

// OfSecret is the event of a secret that was found where none belongs.
func OfSecret(d secret.Detection) Event {
	return Event{
		Type: SecretDetected, Severity: Critical, Outcome: Failure, Feature: "secrets", Rule: d.Rule,
		Reason: "a secret was found and taken out: replace it, since it was exposed on its way here",
		Detail: map[string]string{"place": d.Place, "count": strconv.Itoa(d.Count)},
	}
}
