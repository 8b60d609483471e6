package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/authz/event"
	"gatehouse/authz/secret"
)

const (
	// answerWithin bounds a call; a download only the wait for its beginning.
	answerWithin = 30 * time.Second
	// maxAnswer bounds what is read of an answer, in bytes.
	maxAnswer = 16 << 20
)

// apiFlags say which control is called, and as whom.
type apiFlags struct {
	control, tokenFile string
	allowHTTP          bool
}

func (f *apiFlags) add(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	flags.StringVar(&f.control, "control", "http://127.0.0.1:8081", "address of control (GATEHOUSE_CONTROL)")
	flags.StringVar(&f.tokenFile, "token-file", "", "file with a token of control's API (GATEHOUSE_TOKEN_FILE)")
	flags.BoolVar(&f.allowHTTP, "allow-http", false, "send the token without TLS to another machine")
}

// apiClient calls control's API.
type apiClient struct {
	base  *url.URL
	token secret.Value
	http  *http.Client
}

// client reads the token. It never comes from an argument or a plain variable.
func (f *apiFlags) client() (*apiClient, error) {
	base, err := url.Parse(strings.TrimSuffix(f.control, "/"))
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, misuse("--control is %q: write http://127.0.0.1:8081 or https://HOST", f.control)
	}
	if base.User != nil {
		return nil, misuse("--control holds user information, which the API does not take: pass --token-file")
	}
	if base.Scheme == "http" && !f.allowHTTP && !loopback(base.Hostname()) {
		return nil, misuse("--control %s is on another machine and without TLS: whoever is between would have the token; use https://, or --allow-http on a network of your own", base)
	}
	if f.tokenFile == "" {
		return nil, misuse("no token is named: pass --token-file FILE (`gatehouse up` names one as token_file in up.json)")
	}
	token, err := secret.File{Name: "GATEHOUSE_TOKEN", Path: f.tokenFile}.Read()
	if err != nil {
		return nil, wrong("%w", err)
	}
	transport := &http.Transport{ResponseHeaderTimeout: answerWithin, DialContext: (&net.Dialer{Timeout: answerWithin / 3}).DialContext}
	return &apiClient{base: base, token: token, http: &http.Client{
		Transport: transport,
		// A redirect would take the token elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// call is one call of the API.
type call struct {
	method, path string
	query        url.Values
	body         any    // nil sends none
	key          string // Idempotency-Key of a POST; empty draws one
}

// send returns the answer to a call that was carried out; what was not is an
// error with the API's own words.
func (c *apiClient) send(ctx context.Context, in call) (*http.Response, error) {
	var body io.Reader
	if in.body != nil {
		text, err := json.Marshal(in.body)
		if err != nil {
			return nil, fmt.Errorf("write the call: %w", err)
		}
		body = bytes.NewReader(text)
	}
	// Not JoinPath, which would resolve what an id brings along.
	at, err := url.Parse(c.base.String() + in.path)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", c.base, err)
	}
	at.RawQuery = in.query.Encode()
	r, err := http.NewRequestWithContext(ctx, in.method, at.String(), body)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", c.base, err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token.RevealString())
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if in.method == http.MethodPost {
		if in.key == "" {
			in.key = event.NewID()
		}
		r.Header.Set("Idempotency-Key", in.key)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("control cannot be reached at %s: %w: is it running, and is --control right?", c.base, withoutURL(err))
	}
	if answer.StatusCode >= http.StatusMultipleChoices {
		defer func() { _ = answer.Body.Close() }()
		return nil, refusal(answer)
	}
	return answer, nil
}

// json makes a call and reads the whole answer; nil if it has no body.
func (c *apiClient) json(ctx context.Context, in call) (_ json.RawMessage, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	answer, err := c.send(ctx, in)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read control's answer: %w", err)
	case len(text) > maxAnswer:
		return nil, fmt.Errorf("control's answer is larger than %d MiB: ask for less with --limit", maxAnswer>>20)
	case len(bytes.TrimSpace(text)) == 0:
		return nil, nil
	case !json.Valid(text):
		return nil, fmt.Errorf("control's answer is no JSON: is --control %s right?", c.base)
	}
	return text, nil
}

// refusal makes one error of a problem document (RFC 9457).
func refusal(answer *http.Response) error {
	var p struct {
		Title, Detail string
		RequestID     string `json:"request_id"`
		Errors        []struct{ Location, Message string }
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil || json.Unmarshal(text, &p) != nil || p.Title == "" {
		return fmt.Errorf("control answers %s: is --control right?", answer.Status)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s", answer.StatusCode, printable(p.Title))
	if p.Detail != "" {
		b.WriteString(": " + printable(p.Detail))
	}
	for _, e := range p.Errors {
		fmt.Fprintf(&b, "; %s: %s", printable(e.Location), printable(e.Message))
	}
	if p.RequestID != "" {
		b.WriteString(" (request " + printable(p.RequestID) + ")")
	}
	return errors.New(b.String())
}

// withoutURL drops the URL, which the message has already.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
