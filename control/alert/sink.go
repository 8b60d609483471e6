package alert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"gatehouse/authz/event"
	"gatehouse/control/store"
)

// Message is one thing to tell: that an alert began, or that it is over.
type Message struct {
	Alert    store.Alert
	Resolved bool
}

// Sink tells somebody. Send may be called again with the same message.
type Sink interface {
	Name() string
	// Send returns nil only if the other side has taken all messages.
	Send(ctx context.Context, messages []Message) error
}

// answering is a sink that can say what the other side answered to the last of
// the messages.
type answering interface {
	tell(ctx context.Context, messages []Message) (answer string, err error)
}

// SendTest tells a sink of an alert that there is not, of rule "test", and
// returns what the other side answered.
func SendTest(ctx context.Context, sink Sink, now time.Time) (answer string, err error) {
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	test := []Message{{Alert: store.Alert{
		ID: event.NewID(), Rule: "test", Severity: string(Info), Summary: "a test: somebody tries whether alerts arrive here",
		Events: 1, Started: now.UTC(), Last: now.UTC(),
	}}}
	if s, ok := sink.(answering); ok {
		return s.tell(ctx, test)
	}
	return "", sink.Send(ctx, test)
}

// resender is a sink that wants to hear of alerts for as long as they fire.
type resender interface{ Every() time.Duration }

const (
	sendWithin = 10 * time.Second
	maxAnswer  = 4 << 10 // bytes of an answer that are read
)

// CheckURL says what is wrong with the address of a sink; "" if nothing is. What
// an alert says must not go in clear over a network, unless that is asked for.
func CheckURL(text string, allowHTTP bool) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return "is no http or https URL"
	case u.User != nil:
		return "has user information: put a secret into secret_file"
	case u.Scheme == "http" && !allowHTTP && !loopback(u.Hostname()):
		return "is not encrypted: use https, or say allow_http: true"
	}
	return ""
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// client follows no redirects: what was signed for one address is for no other.
func client() *http.Client {
	return &http.Client{
		Timeout:       sendWithin,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// post makes an error of every answer but 2xx, of which it returns the status.
func post(c *http.Client, r *http.Request) (status string, err error) {
	answer, err := c.Do(r)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the URL, which may hold what is not for logs
		}
		return "", err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	if _, err := io.Copy(io.Discard, io.LimitReader(answer.Body, maxAnswer)); err != nil {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return "", fmt.Errorf("it answered %s", answer.Status)
	}
	return answer.Status, nil
}
