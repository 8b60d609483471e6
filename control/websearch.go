package control

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"gatehouse/authz/event"
	"gatehouse/control/api"
	"gatehouse/control/audit"
)

// lineSearch searches the log by reading it, the newest file first. Its cursor
// is the number of matching events that were given already.
type lineSearch struct{ dir string }

// Search implements api.Events.
func (l lineSearch) Search(ctx context.Context, q api.EventQuery) ([]event.Event, string, error) {
	given := 0
	if q.Cursor != "" {
		var err error
		if given, err = strconv.Atoi(q.Cursor); err != nil || given < 0 || given > maxGiven {
			return nil, "", api.NewProblem(http.StatusBadRequest, "", "cursor is none that a page has given")
		}
	}
	found, err := audit.Last(ctx, l.dir, given+q.Limit+1, func(e event.Event) bool { return matches(e, q) })
	if err != nil {
		return nil, "", err
	}
	slices.Reverse(found)
	found = found[min(given, len(found)):]
	if len(found) <= q.Limit {
		return found, "", nil
	}
	return found[:q.Limit], strconv.Itoa(given + q.Limit), nil
}

// maxGiven bounds how far back one can leaf: what is read is held in memory.
const maxGiven = 100_000

// Event implements api.Events.
func (l lineSearch) Event(ctx context.Context, id string) (event.Event, error) {
	found, err := audit.Last(ctx, l.dir, 1, func(e event.Event) bool { return e.ID == id })
	switch {
	case err != nil:
		return event.Event{}, err
	case len(found) == 0:
		return event.Event{}, api.ErrNotFound
	}
	return found[0], nil
}

func matches(e event.Event, q api.EventQuery) bool {
	for _, pair := range [][2]string{{q.Subject, e.Subject}, {q.Client, e.Client}, {q.RequestID, e.RequestID}} {
		if pair[0] != "" && pair[0] != pair[1] {
			return false
		}
	}
	if len(q.Types) > 0 && !slices.Contains(q.Types, string(e.Type)) ||
		!q.From.IsZero() && e.Time.Before(q.From) || !q.To.IsZero() && !e.Time.Before(q.To) {
		return false
	}
	return q.Text == "" || contains(e, strings.ToLower(q.Text))
}

func contains(e event.Event, text string) bool {
	texts := []string{string(e.Type), string(e.Outcome), string(e.Severity), e.Method, e.Host, e.Path, e.Route, e.Policy, e.Feature, e.Rule, e.Reason}
	for _, value := range e.Detail {
		texts = append(texts, value)
	}
	return slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(strings.ToLower(s), text) })
}
