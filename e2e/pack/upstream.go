package pack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// MarkHeader names a request of a test, so that the test finds it again among
// what the upstream has seen.
const MarkHeader = "X-Test-Mark"

// Seen is one request as the upstream received it.
type Seen struct {
	Method    string      `json:"method"`
	Path      string      `json:"path"` // as it stood in the request line
	Host      string      `json:"host"`
	Proto     string      `json:"proto"`
	Header    http.Header `json:"header"`
	Trailer   http.Header `json:"trailer,omitempty"`
	RequestID string      `json:"request_id"`
	BodyBytes int64       `json:"body_bytes"`
	SHA256    string      `json:"sha256"`
	// Complete says that the body ended as HTTP wants a body to end: an
	// application would have taken it for the whole.
	Complete bool `json:"complete"`
}

// Upstream is the protected application of a test. It speaks HTTP/1 and h2c,
// records each request and answers with what it has seen, as JSON.
type Upstream struct {
	// URL is where it listens, without a path.
	URL string

	server *http.Server
	answer http.Handler

	mu     sync.Mutex
	seen   []Seen
	active int
}

// StartUpstream serves on a port of the system's choice until the test ends.
// answer may be nil; otherwise it writes the response once the body was read.
func StartUpstream(t TB, answer http.Handler) *Upstream {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &Upstream{URL: "http://" + listener.Addr().String(), answer: answer}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	u.server = &http.Server{Handler: u, Protocols: protocols, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := u.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("upstream: %v", err)
		}
	}()
	t.Cleanup(func() { _ = u.server.Close() })
	return u
}

// ServeHTTP records the request and answers it.
func (u *Upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.enter(+1)
	defer u.enter(-1)
	sum := sha256.New()
	n, err := io.Copy(sum, r.Body)
	seen := Seen{
		Method: r.Method, Path: r.RequestURI, Host: r.Host, Proto: r.Proto,
		Header: r.Header.Clone(), Trailer: r.Trailer.Clone(), RequestID: r.Header.Get("X-Request-Id"),
		BodyBytes: n, SHA256: hex.EncodeToString(sum.Sum(nil)), Complete: err == nil,
	}
	u.mu.Lock()
	u.seen = append(u.seen, seen)
	u.mu.Unlock()
	if u.answer != nil {
		u.answer.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(seen) // a client that left is no error of the upstream
}

func (u *Upstream) enter(delta int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.active += delta
}

// Requests returns what it has seen with the given mark, once no request is
// under way any more.
func (u *Upstream) Requests(t TB, mark string) []Seen {
	t.Helper()
	Eventually(t, 10*time.Second, "upstream is at rest", func(context.Context) error {
		u.mu.Lock()
		defer u.mu.Unlock()
		if u.active > 0 {
			return fmt.Errorf("%d requests under way", u.active)
		}
		return nil
	})
	u.mu.Lock()
	defer u.mu.Unlock()
	var found []Seen
	for _, s := range u.seen {
		if s.Header.Get(MarkHeader) == mark {
			found = append(found, s)
		}
	}
	return found
}
