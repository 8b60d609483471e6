// Package dsrtest is somebody else's processor for tests: it keeps data of people
// and takes requests in the OpenDSR format over TLS, signed as the standard says.
// It can be slow, fail, lie and forge.
package dsrtest

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Domain is that of the processor's certificate.
const Domain = "mailer.test"

// Token is the one that callers must have.
const Token = "ABCDEFGHIJKLMNOP-of-the-processor" // #nosec G101 -- of tests

// Behaviour is what a processor does besides its duty. The zero value is an
// honest one that is done when it is first asked.
type Behaviour struct {
	Route      string // "opencompliance_requests" if empty
	Prefix     string // of the headers; "X-OpenDSR-" if empty
	Polls      int    // questions that are answered with in_progress
	Fail       int    // calls that are answered with 503
	Lie        bool   // says that it has erased, and has not
	Forge      bool   // signs with another key
	Unsigned   bool
	OtherID    bool     // confirms another request
	OtherText  bool     // confirms another text
	Types      []string // access, portability and erasure if nil
	ResultsAt  string   // instead of its own address
	Cancels    bool
	Redirects  string
	Huge       bool
	HideCount  bool
	Gone       bool // has no results any more
	NoIdentity bool // says that it takes none
	Expected   time.Duration
}

// Request is one that was made.
type Request struct {
	ID, Type, Status string
	Values           []string // of identities
	Extensions       map[string]map[string]any
	Callbacks        []string
	polls            int
	results          []map[string]any
	count            int
}

// Processor is the whole of it.
type Processor struct {
	URL                         string
	CAFile, TokenFile, CertFile string
	server                      *httptest.Server
	key, other                  *rsa.PrivateKey
	chain                       []byte
	mu                          sync.Mutex
	is                          Behaviour
	data                        map[string][]map[string]any // by identity's value
	requests                    map[string]*Request
	order                       []string
	Authorizations              []string // of all calls
	restricted                  map[string]bool
}

// Start starts a processor that ends with the test.
func Start(t testing.TB) *Processor {
	t.Helper()
	p := &Processor{data: map[string][]map[string]any{}, requests: map[string]*Request{}, restricted: map[string]bool{}}
	ca := newAuthority(t)
	p.key, p.chain = ca.issue(t, []string{Domain}, nil)
	p.other, _ = ca.issue(t, []string{Domain}, nil)
	p.server = httptest.NewUnstartedServer(http.HandlerFunc(p.serve))
	p.server.TLS = &tls.Config{Certificates: []tls.Certificate{ca.server(t)}, MinVersion: tls.VersionTLS12}
	p.server.Config.ErrorLog = discard()
	p.server.StartTLS()
	t.Cleanup(p.server.Close)
	p.URL = p.server.URL
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	p.CAFile, p.TokenFile, p.CertFile = write("ca.pem", ca.pem), write("token", []byte(Token)), write("cert.pem", p.chain)
	return p
}

// Is changes what the processor does.
func (p *Processor) Is(change func(*Behaviour)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.is)
}

// Keep adds a record about whoever has the identity.
func (p *Processor) Keep(identity string, record map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.data[identity] = append(p.data[identity], record)
}

// Has is what the processor has of an identity, as JSON.
func (p *Processor) Has(identity string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return text(p.data[identity])
}

// Others is what it has of all other identities.
func (p *Processor) Others(identity string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	rest := map[string][]map[string]any{}
	for name, records := range p.data {
		if name != identity {
			rest[name] = records
		}
	}
	return text(rest)
}

// Restricted says whether the use of an identity's data is restricted.
func (p *Processor) Restricted(identity string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.restricted[identity]
}

// Requests are those that were made, in their order.
func (p *Processor) Requests() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Request, len(p.order))
	for i, id := range p.order {
		out[i] = *p.requests[id]
	}
	return out
}

func text(v any) string {
	out, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(out)
}

func (p *Processor) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Authorizations = append(p.Authorizations, r.Header.Get("Authorization"))
	route := p.is.Route
	if route == "" {
		route = "opencompliance_requests"
	}
	path, _ := strings.CutPrefix(r.URL.Path, "/v1")
	switch {
	case path == "/cert.pem":
		_, _ = w.Write(p.chain)
	case p.is.Fail > 0:
		p.is.Fail--
		http.Error(w, "try later", http.StatusServiceUnavailable)
	case p.is.Redirects != "":
		http.Redirect(w, r, p.is.Redirects, http.StatusFound)
	case p.is.Huge:
		_, _ = w.Write(bytes.Repeat([]byte(" "), 2<<20))
	case path == "/discovery":
		p.discovery(w)
	case strings.HasPrefix(path, "/results/"):
		p.results(w, strings.TrimPrefix(path, "/results/"))
	case r.Header.Get("Authorization") != "Bearer "+Token:
		http.Error(w, "no", http.StatusUnauthorized)
	case path == "/"+route && r.Method == http.MethodPost:
		p.take(w, r)
	case strings.HasPrefix(path, "/"+route+"/"):
		p.one(w, r, strings.TrimPrefix(path, "/"+route+"/"))
	default:
		http.NotFound(w, r)
	}
}

func (p *Processor) discovery(w http.ResponseWriter) {
	types := p.is.Types
	if types == nil {
		types = []string{"access", "portability", "erasure"}
	}
	identities := []map[string]string{{"identity_type": "email", "identity_format": "raw"}, {"identity_type": "email", "identity_format": "sha256"}}
	if p.is.NoIdentity {
		identities = nil
	}
	_ = json.NewEncoder(w).Encode(map[string]any{
		"api_version": "1.0", "supported_identities": identities, "supported_subject_request_types": types,
		"processor_certificate": p.server.URL + "/cert.pem",
	})
}

type incoming struct {
	ID         string                    `json:"subject_request_id"`
	Type       string                    `json:"subject_request_type"`
	Regulation string                    `json:"regulation"`
	Submitted  time.Time                 `json:"submitted_time"`
	Identities []map[string]string       `json:"subject_identities"`
	Callbacks  []string                  `json:"status_callback_urls"`
	Extensions map[string]map[string]any `json:"extensions"`
}

func (p *Processor) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var in incoming
	if err == nil {
		err = json.Unmarshal(body, &in)
	}
	if err != nil || len(in.ID) != 36 || in.ID[14] != '4' || in.Regulation != "gdpr" || in.Submitted.IsZero() || len(in.Identities) == 0 || p.requests[in.ID] != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	made := &Request{ID: in.ID, Type: in.Type, Status: "pending", Extensions: in.Extensions, Callbacks: in.Callbacks}
	for _, i := range in.Identities {
		made.Values = append(made.Values, i["identity_value"])
	}
	p.requests[in.ID] = made
	p.order = append(p.order, in.ID)
	answer := map[string]any{
		"controller_id": "controller", "expected_completion_time": time.Now().Add(p.is.Expected).UTC().Format(time.RFC3339),
		"received_time": time.Now().UTC().Format(time.RFC3339), "subject_request_id": in.ID,
		"encoded_request": base64.StdEncoding.EncodeToString(body),
	}
	if p.is.OtherID {
		answer["subject_request_id"] = "a7551968-d5d6-44b2-9831-815ac9017798"
	}
	if p.is.OtherText {
		answer["encoded_request"] = base64.StdEncoding.EncodeToString([]byte("{}"))
	}
	p.answer(w, http.StatusCreated, answer)
}

func (p *Processor) one(w http.ResponseWriter, r *http.Request, id string) {
	made := p.requests[id]
	if made == nil {
		http.NotFound(w, r)
		return
	}
	if r.Method == http.MethodDelete {
		made.Status = "cancelled"
		p.answer(w, http.StatusAccepted, map[string]any{"controller_id": "controller", "subject_request_id": id})
		return
	}
	p.work(made)
	p.answer(w, http.StatusOK, p.state(made))
}

func (p *Processor) state(made *Request) map[string]any {
	out := map[string]any{
		"controller_id": "controller", "subject_request_id": made.ID, "request_status": made.Status, "api_version": "1.0",
		"expected_completion_time": time.Now().Add(p.is.Expected).UTC().Format(time.RFC3339),
	}
	if made.Status == "completed" && !p.is.HideCount {
		out["results_count"] = made.count
	}
	if made.Status == "completed" && made.results != nil {
		out["results_url"] = p.server.URL + "/results/" + made.ID
		if p.is.ResultsAt != "" {
			out["results_url"] = p.is.ResultsAt
		}
	}
	return out
}

// work does what was asked, once it was asked after often enough.
func (p *Processor) work(made *Request) {
	switch {
	case made.Status == "completed" || made.Status == "cancelled":
		return
	case p.is.Cancels:
		made.Status = "cancelled"
		return
	case made.polls < p.is.Polls:
		made.polls++
		made.Status = "in_progress"
		return
	}
	made.Status = "completed"
	for name := range p.data {
		if !slices.ContainsFunc(made.Values, func(v string) bool { return same(v, name) }) {
			continue
		}
		switch made.Type {
		case "access", "portability":
			made.results = append(made.results, p.data[name]...)
			made.count = len(made.results)
		case "erasure":
			if made.count = len(p.data[name]); !p.is.Lie {
				delete(p.data, name)
			}
		case "rectification":
			p.rectify(made, name)
		case "restriction":
			p.restricted[name], _ = made.Extensions[Domain]["restricted"].(bool)
		}
	}
}

func same(sent, name string) bool {
	sum := sha256.Sum256([]byte(name))
	return sent == name || sent == fmt.Sprintf("%x", sum)
}

func (p *Processor) rectify(made *Request, name string) {
	changes, _ := made.Extensions[Domain]["changes"].([]any)
	for _, change := range changes {
		c, _ := change.(map[string]any)
		field, _ := c["field"].(string)
		for _, record := range p.data[name] {
			if _, ok := record[field]; ok {
				record[field] = c["value"]
			}
		}
	}
}

func (p *Processor) results(w http.ResponseWriter, id string) {
	made := p.requests[id]
	if made == nil || p.is.Gone {
		w.WriteHeader(http.StatusGone)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"subscribers": made.results})
}

func (p *Processor) answer(w http.ResponseWriter, code int, v any) {
	body := []byte(text(v))
	for name, values := range p.sign(body) {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(body)
}

// Callback is what the processor would send about a request to an address.
func (p *Processor) Callback(id, to string) (http.Header, []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := map[string]any{"subject_request_id": id, "status_callback_url": to, "request_status": "completed", "controller_id": "controller"}
	body := []byte(text(v))
	return p.sign(body), body
}

// Forget deletes what it has of an identity.
func (p *Processor) Forget(identity string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.data, identity)
}
