package alert

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"gatehouse/authz/secret"
)

// Webhook posts each message as JSON, signed as Standard Webhooks say
// (https://www.standardwebhooks.com): the header webhook-signature is "v1," and
// the base64 of an HMAC-SHA-256 over "ID.TIMESTAMP.BODY", of which webhook-id and
// webhook-timestamp (seconds since 1970) carry the first two. A receiver checks
// the signature before it parses, refuses timestamps of more than five minutes
// ago, and takes a webhook-id that it has seen for a repetition.
type Webhook struct {
	name, url string
	key       func() secret.Value
	client    *http.Client
	now       func() time.Time
}

// NewWebhook returns a sink that posts to url and signs with what key gives at
// the time, so that a replaced secret is used without a restart.
func NewWebhook(name, url string, key func() secret.Value, now func() time.Time) *Webhook {
	return &Webhook{name, url, key, client(), now}
}

// Name implements Sink.
func (w *Webhook) Name() string { return w.name }

// webhookBody is what is posted.
type webhookBody struct {
	Type      string      `json:"type"` // gatehouse.alert.raised or gatehouse.alert.resolved
	Timestamp time.Time   `json:"timestamp"`
	Data      webhookData `json:"data"`
}

type webhookData struct {
	ID       string            `json:"id"`
	Rule     string            `json:"rule"`
	Severity string            `json:"severity"`
	Summary  string            `json:"summary"`
	Group    map[string]string `json:"group,omitempty"`
	Events   int64             `json:"events"`
	Started  time.Time         `json:"started"`
	Last     time.Time         `json:"last"`
	Ended    time.Time         `json:"ended,omitzero"`
}

// Send implements Sink.
func (w *Webhook) Send(ctx context.Context, messages []Message) error {
	_, err := w.tell(ctx, messages)
	return err
}

func (w *Webhook) tell(ctx context.Context, messages []Message) (answer string, err error) {
	for _, m := range messages {
		if answer, err = w.one(ctx, m); err != nil {
			return "", err
		}
	}
	return answer, nil
}

func (w *Webhook) one(ctx context.Context, m Message) (answer string, err error) {
	kind, id := "gatehouse.alert.raised", m.Alert.ID+".raised"
	if m.Resolved {
		kind, id = "gatehouse.alert.resolved", m.Alert.ID+".resolved"
	}
	a := m.Alert
	body, err := json.Marshal(webhookBody{kind, w.now().UTC(), webhookData{
		ID: a.ID, Rule: a.Rule, Severity: a.Severity, Summary: a.Summary, Group: a.Labels, Events: a.Events,
		Started: a.Started, Last: a.Last, Ended: a.Ended,
	}})
	if err != nil {
		return "", fmt.Errorf("write an alert as JSON: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("make the request to sink %s: %w", w.name, err)
	}
	stamp := strconv.FormatInt(w.now().Unix(), 10)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("webhook-id", id)
	r.Header.Set("webhook-timestamp", stamp)
	r.Header.Set("webhook-signature", "v1,"+Sign(w.key(), id, stamp, body))
	return post(w.client, r)
}

// Sign is the signature of a webhook's body.
func Sign(key secret.Value, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, key.Reveal())
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
