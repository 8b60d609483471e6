package openid

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/oauth2"

	"gatehouse/authz/internal/redistest"
	"gatehouse/authz/login/openid/openidtest"
)

// outcome is what the handler told its surroundings.
type outcome struct {
	who   Identity
	token *oauth2.Token
	next  string
	err   error
}

// gate is a Gatehouse with one provider.
type gate struct {
	*Handler
	redis     *redis.Client
	server    *httptest.Server
	idp       *openidtest.Provider
	mu        sync.Mutex
	outcomes  []outcome
	signedOut []string
	outErr    error
	now       time.Duration // added to the real time
}

func (g *gate) clock() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Now().Add(g.now)
}

func (g *gate) pass(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now += d
}

func newGate(t *testing.T, change ...func(*Options)) *gate {
	t.Helper()
	g := &gate{redis: redistest.Start(t).Client()}
	g.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.Handler.ServeHTTP(w, r)
	}))
	t.Cleanup(g.server.Close)
	g.idp = openidtest.Start(t, g.server.URL+Prefix+"example/callback")
	o := Options{
		Providers: []Settings{{
			Name: "example", Title: "Example", Issuer: g.idp.Issuer, ClientID: g.idp.ClientID,
			ClientSecret: func() string { return openidtest.Secret },
			Scopes:       []string{"profile", "email", "offline_access"}, RoleClaim: "groups",
		}},
		Origins: []string{g.server.URL}, Redis: g.redis, Now: g.clock, Log: slog.New(slog.DiscardHandler),
		LocalPath: func(next string) bool { return strings.HasPrefix(next, "/") && !strings.HasPrefix(next, "//") },
		SignedIn: func(w http.ResponseWriter, _ *http.Request, who Identity, token *oauth2.Token, next string) {
			g.note(outcome{who: who, token: token, next: next})
			w.WriteHeader(http.StatusNoContent)
		},
		Refused: func(w http.ResponseWriter, _ *http.Request, err error) {
			g.note(outcome{err: err})
			w.WriteHeader(http.StatusUnauthorized)
		},
		SignedOut: func(_ context.Context, provider, subject, sid string) error {
			g.mu.Lock()
			defer g.mu.Unlock()
			if g.outErr == nil {
				g.signedOut = append(g.signedOut, provider+" "+subject+" "+sid)
			}
			return g.outErr
		},
	}
	for _, c := range change {
		c(&o)
	}
	handler, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	g.Handler = handler
	return g
}

func (g *gate) note(o outcome) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.outcomes = append(g.outcomes, o)
}

func (g *gate) last(t *testing.T) outcome {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.outcomes) == 0 {
		t.Fatal("nothing came of it")
	}
	return g.outcomes[len(g.outcomes)-1]
}

// browser follows redirects, keeps cookies, and stops before it comes back.
type browser struct {
	*http.Client
	back *url.URL // where the provider sent it
}

func (g *gate) browser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{}
	b.Client = &http.Client{
		Jar: jar, Transport: g.server.Client().Transport, Timeout: 10 * time.Second,
		CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			if strings.HasSuffix(r.URL.Path, "/callback") && strings.HasPrefix(r.URL.String(), g.server.URL) {
				b.back = r.URL
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
	return b
}

func (b *browser) get(t *testing.T, address string) *http.Response {
	t.Helper()
	response, err := b.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return response
}

// goOut goes to the provider and signs in there; b.back is where it sends the
// browser then.
func (g *gate) goOut(t *testing.T, b *browser, query string) {
	t.Helper()
	page := b.get(t, g.server.URL+Prefix+"example/start"+query)
	request := page.Request.URL.Query().Get("authRequestID")
	if request == "" {
		t.Fatalf("no page of the provider: %s %s", page.Status, page.Request.URL)
	}
	answer, err := b.PostForm(g.idp.Issuer+"login/username", url.Values{
		"id": {request}, "username": {"test-user@127.0.0.1"}, "password": {"verysecure"},
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if b.back == nil {
		t.Fatalf("the provider does not send the browser back: %s", answer.Status)
	}
}

// signIn is the whole way.
func (g *gate) signIn(t *testing.T, b *browser, query string) outcome {
	t.Helper()
	g.goOut(t, b, query)
	b.get(t, b.back.String())
	return g.last(t)
}

func expectFailure(t *testing.T, err error, rule string) {
	t.Helper()
	var f *Failure
	if !errors.As(err, &f) || f.Rule != rule {
		t.Errorf("got %v, want %s", err, rule)
	}
}
