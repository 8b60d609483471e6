package alert

import (
	"time"

	"gatehouse/authz/event"
)

// Raised is an alert that a trial of rules has raised.
type Raised struct {
	Rule  string            `json:"rule"`
	At    time.Time         `json:"at"`
	Group map[string]string `json:"group,omitempty"`
}

// Try lets rules look at events, in their order, and returns what they would
// raise. As in the engine, a group has one alert until it has been quiet.
func Try(rules []Rule, events []event.Event) ([]Raised, error) {
	compiled, err := compile(rules)
	if err != nil {
		return nil, err
	}
	var raised []Raised
	last, index := map[alertKey]time.Time{}, newIndex(compiled)
	for i := range events {
		for _, c := range index.of(events[i].Type) {
			if !c.matches(&fields{&events[i]}) {
				continue
			}
			group, ok := c.group(&events[i])
			if !ok {
				continue
			}
			key := alertKey{c.Name, group}
			above, _ := c.counts.add(group, events[i].Time, c.MoreThan, c.Window)
			before, firing := last[key]
			firing = firing && events[i].Time.Before(before.Add(c.Quiet))
			if above && !firing {
				raised = append(raised, Raised{c.Name, events[i].Time, c.labels(&events[i])})
			}
			if above || firing {
				last[key] = events[i].Time
			}
		}
	}
	return raised, nil
}
