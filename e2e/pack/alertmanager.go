package pack

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"time"
)

// Alertmanager is a real Prometheus Alertmanager on a port of its own.
type Alertmanager struct {
	*Process
	URL string
}

// ManagedAlert is an alert as Alertmanager shows it (gettableAlert of its API v2).
type ManagedAlert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
}

// alertmanagerConfig groups nothing and waits for nothing, so that what it is
// told is told on at once.
const alertmanagerConfig = `
route: {receiver: test, group_by: ["..."], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}
receivers: [{name: test%s}]
`

// StartAlertmanager runs one until the test ends. notify is where it posts what
// begins and what is over, with its webhook; "" for nowhere.
func StartAlertmanager(t TB, notify string) *Alertmanager {
	t.Helper()
	binary, dir, addr := AlertmanagerBinary(t), t.TempDir(), ReservePorts(t).Addr(0)
	receiver := ""
	if notify != "" {
		receiver = fmt.Sprintf(", webhook_configs: [{url: %q, send_resolved: true}]", notify)
	}
	config := filepath.Join(dir, "alertmanager.yml")
	writeFile(t, config, fmt.Sprintf(alertmanagerConfig, receiver))
	a := &Alertmanager{URL: "http://" + addr}
	a.Process = newProcess(t, dir, "alertmanager", []string{
		binary, "--config.file", config, "--storage.path", filepath.Join(dir, "data"),
		"--web.listen-address", addr, "--cluster.listen-address=",
	}, nil, func(ctx context.Context) error { _, err := a.get(ctx, "/-/ready"); return err })
	a.Start(t)
	return a
}

// Alerts are those that it takes to be firing.
func (a *Alertmanager) Alerts(ctx context.Context) ([]ManagedAlert, error) {
	body, err := a.get(ctx, "/api/v2/alerts")
	if err != nil {
		return nil, err
	}
	var found []ManagedAlert
	if err := json.Unmarshal(body, &found); err != nil {
		return nil, fmt.Errorf("read Alertmanager's alerts: %w", err)
	}
	return found, nil
}

// Of are the alerts of one rule.
func (a *Alertmanager) Of(ctx context.Context, rule string) ([]ManagedAlert, error) {
	all, err := a.Alerts(ctx)
	var found []ManagedAlert
	for _, one := range all {
		if one.Labels["alertname"] == rule {
			found = append(found, one)
		}
	}
	return found, err
}

func (a *Alertmanager) get(ctx context.Context, path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s: %s", path, answer.Status, body)
	}
	return body, nil
}
