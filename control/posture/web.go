package posture

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"time"
)

// UserAgent marks every request.
const UserAgent = "gatehouse-posture/1"

const (
	answerWithin = 5 * time.Second
	maxAnswer    = 4 << 20
)

// answered is a response that was read.
type answered struct {
	status int
	header http.Header
	body   []byte
}

// requestID is the one that a refusal names.
func (a answered) requestID() string {
	var document struct {
		RequestID string `json:"request_id"`
	}
	_ = json.Unmarshal(a.body, &document) // then there is none
	return document.RequestID
}

func (a answered) String() string { return fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)) }

// newClient trusts the pack's own CA besides the system's, and follows nothing.
func newClient(caFile string) (*http.Client, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if caFile != "" {
		ca, err := os.ReadFile(caFile) //nolint:gosec // the operator names it
		if err != nil {
			return nil, fmt.Errorf("the CA's file: %w", err)
		}
		if !roots.AppendCertsFromPEM(ca) {
			return nil, fmt.Errorf("the CA's file %s holds no certificate", caFile)
		}
	}
	return &http.Client{
		Timeout:       answerWithin,
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// request is what a check sends.
type request struct {
	method, base string
	route        Route
	header       map[string]string
	body         []byte
}

func (r request) url() string { return r.base + r.route.Path }

var errNoAddress = errors.New("no address is known")

func (p *probe) send(ctx context.Context, r request) (answered, error) {
	if r.base == "" {
		return answered{}, errNoAddress
	}
	if r.method == "" {
		r.method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(ctx, r.method, r.url(), bytes.NewReader(r.body))
	if err != nil {
		return answered{}, err
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	req.Header.Set("User-Agent", UserAgent)
	req.Host = r.route.Host
	resp, err := p.client.Do(req)
	if err != nil {
		return answered{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return answered{resp.StatusCode, resp.Header, body}, err
}

// ask sends r for a check: what cannot be asked is unknown there.
func (p *probe) ask(ctx context.Context, t *trial, r request) (answered, bool) {
	a, err := p.send(ctx, r)
	if err != nil {
		t.unknown("%s %s: %v", r.method, r.url(), err)
		return a, false
	}
	if a.status == http.StatusTooManyRequests {
		t.unknown("%s: limited just now (429): ask again later", r.url())
		return a, false
	}
	return a, true
}

// form is a multipart body with one file.
func form(name, contentType string, content []byte) (body []byte, header map[string]string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {fmt.Sprintf(`form-data; name="file"; filename=%q`, name)},
		"Content-Type":        {contentType},
	})
	if err == nil {
		_, err = part.Write(content)
	}
	if errors.Join(err, w.Close()) != nil {
		return nil, nil // a buffer takes everything
	}
	return b.Bytes(), map[string]string{"Content-Type": w.FormDataContentType()}
}
