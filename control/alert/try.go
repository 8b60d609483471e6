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
	counts, last := map[string]*windows{}, map[string]time.Time{}
	for _, r := range compiled {
		counts[r.Name] = newWindows()
	}
	for i := range events {
		fields := fieldsOf(&events[i])
		for r := range compiled {
			c := &compiled[r]
			if !c.matches(fields) {
				continue
			}
			labels, group, ok := c.group(&events[i])
			if !ok {
				continue
			}
			key := c.Name + "\x1f" + group
			above, _ := counts[c.Name].add(group, events[i].Time, c.MoreThan, c.Window)
			before, firing := last[key]
			firing = firing && events[i].Time.Before(before.Add(c.Quiet))
			if above && !firing {
				raised = append(raised, Raised{c.Name, events[i].Time, labels})
			}
			if above || firing {
				last[key] = events[i].Time
			}
		}
	}
	return raised, nil
}
