package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"gatehouse/control/store"
)

// resendEvery is how often Alertmanager hears of an alert that fires; without
// news for three times as long it takes the alert for over.
const resendEvery = time.Minute

// Alertmanager posts to the v2 API of a Prometheus Alertmanager. The labels,
// which are an alert's identity there, are alertname, severity, and the group.
type Alertmanager struct {
	name, url string
	client    *http.Client
	now       func() time.Time
}

// NewAlertmanager returns a sink for the Alertmanager at base, which is its
// external URL: http://127.0.0.1:9093.
func NewAlertmanager(name, base string, now func() time.Time) *Alertmanager {
	return &Alertmanager{name, strings.TrimSuffix(base, "/") + "/api/v2/alerts", client(), now}
}

// Name implements Sink.
func (a *Alertmanager) Name() string { return a.name }

// Every is how often it wants to hear of what fires.
func (a *Alertmanager) Every() time.Duration { return resendEvery }

type postableAlert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
}

// Send implements Sink.
func (a *Alertmanager) Send(ctx context.Context, messages []Message) error {
	_, err := a.tell(ctx, messages)
	return err
}

func (a *Alertmanager) tell(ctx context.Context, messages []Message) (answer string, err error) {
	if len(messages) == 0 {
		return "", nil
	}
	alerts := make([]postableAlert, len(messages))
	for i, m := range messages {
		labels := maps.Clone(m.Alert.Labels)
		if labels == nil {
			labels = map[string]string{}
		}
		labels["alertname"], labels["severity"], labels["source"] = m.Alert.Rule, m.Alert.Severity, "gatehouse"
		alerts[i] = postableAlert{labels, map[string]string{"summary": m.Alert.Summary, "id": m.Alert.ID}, m.Alert.Started, a.ends(m.Alert)}
	}
	body, err := json.Marshal(alerts)
	if err != nil {
		return "", fmt.Errorf("write alerts as JSON: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url, bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("make the request to sink %s: %w", a.name, err)
	}
	r.Header.Set("Content-Type", "application/json")
	return post(a.client, r)
}

// ends is a time to come for what fires, else the end. That it began may be told
// again after that it is over, and must not make it fire once more; and an end
// before the beginning, which clocks that differ make, would be refused.
func (a *Alertmanager) ends(of store.Alert) time.Time {
	ends := of.Ended
	if ends.IsZero() {
		ends = a.now().Add(3 * resendEvery)
	}
	if ends.Before(of.Started) {
		return of.Started
	}
	return ends
}
