package opendsr

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"gatehouse/authz/secret"
	"gatehouse/control/internal/authorities"
)

// Bounds of what a processor may take and say.
const (
	dialWithin   = 10 * time.Second
	answerWithin = 30 * time.Second
	maxAnswer    = 1 << 20
)

// routes are the names under which requests are found: OpenDSR 1, OpenDSR 2 and
// OpenGDPR.
func routes() []string { return []string{"opencompliance_requests", "requests", "opengdpr_requests"} }

var (
	// errUnknown says that the processor knows no such request.
	errUnknown = errors.New("the processor does not know the request")
	versioned  = regexp.MustCompile(`/v[0-9]+$`)
)

// open makes the client.
func (c *Connector) open() error {
	roots, err := authorities.File(c.system.Processor.CAFile)
	if err != nil {
		return c.fail("%w", err)
	}
	c.roots = roots
	dialer := &net.Dialer{Timeout: dialWithin}
	c.api = &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, TLSHandshakeTimeout: dialWithin,
			ResponseHeaderTimeout: answerWithin, MaxResponseHeaderBytes: 64 << 10, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute,
			ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		},
		// Data would follow a redirect to wherever it leads.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	c.base = c.system.Processor.URL
	if !versioned.MatchString(c.base) {
		c.base += "/v1" // section 3.4
	}
	return nil
}

// reply is an answer that was read whole.
type reply struct {
	code   int
	header http.Header
	body   []byte
}

// call sends to the processor itself. Errors do not repeat what was sent.
func (c *Connector) call(ctx context.Context, method, path string, body []byte) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return reply{}, c.fail("%w", err)
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if err := c.authorize(req); err != nil {
		return reply{}, err
	}
	return c.send(req, maxAnswer)
}

// authorize adds the token, which is read anew: it may have been replaced.
func (c *Connector) authorize(req *http.Request) error {
	path := c.system.Processor.TokenFile
	if path == "" {
		return nil
	}
	token, err := secret.File{Name: "token_file of system " + c.system.Name, Path: path}.Read()
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token.RevealString())
	return nil
}

func (c *Connector) send(req *http.Request, limit int64) (reply, error) {
	resp, err := c.api.Do(req)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // without the URL, which may name a request
		}
		return reply{}, c.fail("the processor cannot be reached: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // was only read
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return reply{}, c.fail("the processor broke off its answer: %w", err)
	case int64(len(body)) > limit:
		return reply{}, c.fail("the processor's answer has more than %d bytes", limit)
	}
	return reply{resp.StatusCode, resp.Header, body}, nil
}

// discover asks what the processor can (section 6).
func (c *Connector) discover(ctx context.Context) (discovery, error) {
	k, err := c.knownNow(ctx, false)
	if err != nil {
		return discovery{}, err
	}
	return k.said, nil
}

// anywhere calls the routes until one is there; not a 404 or 405 is an answer.
func (c *Connector) anywhere(ctx context.Context, method, id string, body []byte) (reply, error) {
	c.mu.Lock()
	names := routes()
	if at := slices.Index(names, c.route); at > 0 {
		names[0], names[at] = names[at], names[0]
	}
	c.mu.Unlock()
	for _, name := range names {
		path := "/" + name
		if id != "" {
			path += "/" + id
		}
		got, err := c.call(ctx, method, path, body)
		if err != nil {
			return got, err
		}
		if got.code == http.StatusNotFound || got.code == http.StatusMethodNotAllowed {
			continue
		}
		if got.code < http.StatusMultipleChoices {
			c.mu.Lock()
			c.route = name
			c.mu.Unlock()
		}
		return got, nil
	}
	return reply{}, errUnknown
}

// status asks how far a request is; errUnknown if it was never made.
func (c *Connector) status(ctx context.Context, id string) (s status, err error) {
	got, err := c.anywhere(ctx, http.MethodGet, id, nil)
	if err != nil {
		return s, err
	}
	if got.code != http.StatusOK {
		return s, c.refused("tell the status of a request", got)
	}
	if err := c.read(ctx, got, &s); err != nil {
		return s, err
	}
	if s.ID != id {
		return s, c.fail("the processor has answered about another request than was asked for: ask its operator")
	}
	return s, nil
}

// post makes a request.
func (c *Connector) post(ctx context.Context, body []byte) (r receipt, err error) {
	got, err := c.anywhere(ctx, http.MethodPost, "", body)
	if errors.Is(err, errUnknown) {
		return r, c.fail("nothing takes requests at %s: check url", c.base)
	}
	if err != nil {
		return r, err
	}
	if got.code != http.StatusCreated {
		return r, c.refused("take the request", got)
	}
	if err := c.read(ctx, got, &r); err != nil {
		return r, err
	}
	if r.Request != base64.StdEncoding.EncodeToString(body) {
		return r, c.fail("the processor has confirmed another text than it was sent: ask its operator")
	}
	return r, nil
}

// remove cancels a request (section 9). One that is unknown needs no more.
func (c *Connector) remove(ctx context.Context, id string) error {
	got, err := c.anywhere(ctx, http.MethodDelete, id, nil)
	switch {
	case errors.Is(err, errUnknown):
		return nil
	case err != nil:
		return err
	case got.code != http.StatusAccepted && got.code != http.StatusOK:
		return c.refused("cancel the request", got)
	}
	return nil
}

// read verifies before it parses.
func (c *Connector) read(ctx context.Context, got reply, into any) error {
	if err := c.verified(ctx, got.header, got.body); err != nil {
		return err
	}
	if err := json.Unmarshal(got.body, into); err != nil {
		return c.fail("the processor's answer is not what the standard says: %w", err)
	}
	return nil
}

// refused says that the processor would not, in its code's words: its own text
// may repeat the request.
func (c *Connector) refused(what string, got reply) error {
	advice := "ask its operator"
	switch {
	case got.code == http.StatusUnauthorized || got.code == http.StatusForbidden:
		advice = "check token_file"
	case got.code == http.StatusTooManyRequests || got.code >= http.StatusInternalServerError:
		advice = "it is tried again"
	case got.code >= http.StatusMultipleChoices && got.code < http.StatusBadRequest:
		advice = "redirects are not followed: check url"
	}
	return c.fail("the processor would not %s: HTTP %d: %s", what, got.code, advice)
}

// origin is scheme and host of a URL.
func origin(u *url.URL) string { return strings.ToLower(u.Scheme + "://" + u.Host) }
