package login

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/event"
	"gatehouse/authz/internal/redistest"
	"gatehouse/authz/login/code"
	"gatehouse/authz/login/openid/openidtest"
	"gatehouse/authz/login/throttle"
	"gatehouse/authz/login/totp"
	"gatehouse/authz/session"
)

// letters is a Mailer that keeps what it was given.
type letters struct {
	sent   chan string
	refuse atomic.Bool
	// refuses are the addresses to which nothing can be sent, and hangs is a server
	// that never answers.
	refuses sync.Map
	hangs   atomic.Bool
}

func (l *letters) Mail(ctx context.Context, to, subject, text string) error {
	if _, refused := l.refuses.Load(to); refused || l.refuse.Load() {
		return errors.New("the mail server is away")
	}
	if l.hangs.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	select {
	case l.sent <- to + "\n" + subject + "\n" + text:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// letter waits for the one with that text, and lets the others go.
func (s *site) letter(text string) string {
	s.t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	for {
		select {
		case letter := <-s.mail.sent:
			if strings.Contains(letter, text) {
				return letter
			}
		case <-deadline.C:
			s.t.Fatalf("no letter says %q", text)
		}
	}
}

// site is all of sign-in behind TLS, with alice, who has a password.
type site struct {
	t        *testing.T
	url      string
	ledger   *ledger
	events   *recorder
	redis    *redistest.Server
	client   *redis.Client // that sign-in asks
	sessions *session.Manager
	mail     *letters
	settings atomic.Pointer[Settings]
	ahead    atomic.Int64 // by how much the clock of sign-in is ahead
	log      *bytes.Buffer
	counted  *counted
	server   *httptest.Server
	// abroad are the providers.
	abroad atomic.Pointer[Federation]
	secret atomic.Value // string, or an error
	whole  *Site
}

func (s *site) now() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }

func newSite(t *testing.T, change ...func(*site)) *site {
	t.Helper()
	s := bareSite(t)
	for _, c := range change {
		c(s)
	}
	s.server = httptest.NewTLSServer(s.handler())
	t.Cleanup(s.server.Close)
	s.url = s.server.URL
	s.settings.Store(&Settings{Site: "Shop", Origins: []string{s.url, "https://app.example.com"}, Words: []string{"shop"}})
	return s
}

func bareSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, events: &recorder{}, redis: redistest.Start(t), mail: &letters{sent: make(chan string, 100)}, log: &bytes.Buffer{}, counted: &counted{}}
	phc, err := NewHasher(cheap, 1024).Hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	s.ledger = &ledger{now: s.now, users: map[string]User{
		"alice": {ID: "u-1", Name: "Alice", PasswordHash: phc, Email: "alice@example.com"},
		"carol": {ID: "u-3", Name: "carol", PasswordHash: phc, Disabled: true, Email: "carol@example.com"},
	}}
	s.settings.Store(&Settings{Site: "Shop"})
	s.client = s.redis.Client()
	s.sessions = session.New(s.redis.Client(), s.now, rand.Reader)
	return s
}

func (s *site) handler() http.Handler {
	s.t.Helper()
	pseudonyms, err := event.NewPseudonymizer([]byte(code.NewToken()))
	if err != nil {
		s.t.Fatal(err)
	}
	handler, err := New(Options{
		Authenticator: NewAuthenticator(s.ledger, newHasher(cheap, 1024, s.counted.derive)), Sessions: s.sessions, Events: s.events, Pseudonyms: pseudonyms,
		Lifetimes: func() (time.Duration, time.Duration) { return time.Hour, 10 * time.Hour },
		ClientIP:  func(r *http.Request) string { return "192.0.2.7" },
		Log:       slog.New(slog.DiscardHandler),
		Accounts:  s.ledger, Redis: s.client, Key: []byte(code.NewToken()), Settings: func() Settings { return *s.settings.Load() },
		Federation: s.abroad.Load, ProviderSecret: func(string) (string, error) {
			if err, ok := s.secret.Load().(error); ok {
				return "", err
			}
			return openidtest.Secret, nil
		},
		Mailer: s.mail, Now: s.now, Free: throttle.Free{Account: 8, Address: 1000, Pair: 6, Device: 6},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.whole = handler
	return handler
}

// person is a browser of somebody's.
type person struct {
	*site
	client *http.Client
}

func (s *site) person() *person {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &person{s, &http.Client{
		Transport: s.server.Client().Transport, Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// answered is a response that was read.
type answered struct {
	status         int
	text, location string
	header         http.Header
}

func (p *person) do(method, path, contentType, body string, edits ...edit) answered {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if method != http.MethodGet {
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for _, e := range edits {
		e(r)
	}
	resp, err := p.client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answered{resp.StatusCode, string(text), resp.Header.Get("Location"), resp.Header}
}

func (p *person) get(path string) answered { p.t.Helper(); return p.do(http.MethodGet, path, "", "") }

var csrfField = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// token is the CSRF token of a page.
func (p *person) token(path string) string {
	p.t.Helper()
	page := p.get(path)
	found := csrfField.FindStringSubmatch(page.text)
	if found == nil {
		p.t.Fatalf("%s has no form: %d %s", path, page.status, page.text)
	}
	return found[1]
}

// post sends a form with the token of the page that it is on.
func (p *person) post(page, path string, fields ...string) answered {
	p.t.Helper()
	values := url.Values{"csrf": {p.token(page)}}
	for i := 0; i < len(fields); i += 2 {
		values.Set(fields[i], fields[i+1])
	}
	return p.do(http.MethodPost, path, asForm, values.Encode())
}

func (p *person) enter(name, text string, fields ...string) answered {
	p.t.Helper()
	return p.post("/auth/sign-in", "/auth/login", append([]string{"username", name, "password", text, "page", "1"}, fields...)...)
}

func (p *person) mustBe(a answered, status int, what string) answered {
	p.t.Helper()
	if a.status != status {
		p.t.Fatalf("%s: status %d, want %d: %s", what, a.status, status, a.text)
	}
	return a
}

func (p *person) signIn() *person {
	p.t.Helper()
	p.mustBe(p.enter("alice", password), http.StatusSeeOther, "sign in")
	return p
}

var secretText = regexp.MustCompile(`Key: <code>([A-Z2-7]+)</code>`)
var hiddenID = regexp.MustCompile(`name="id" value="([^"]+)"`)
var listItem = regexp.MustCompile(`<li><code>([^<]+)</code></li>`)

// enrol sets an app up and returns its secret and the recovery codes.
func (p *person) enrol() (secret []byte, codes []string) {
	p.t.Helper()
	begun := p.mustBe(p.post("/auth/account", "/auth/account/totp/begin"), http.StatusOK, "begin")
	id := hiddenID.FindStringSubmatch(begun.text)
	for _, c := range p.ledger.kept {
		if c.ID == id[1] && strings.Contains(c.Data, secretText.FindStringSubmatch(begun.text)[1]) {
			p.t.Error("the secret is kept in clear")
		}
	}
	secret = fromBase32(p.t, secretText.FindStringSubmatch(begun.text)[1])
	done := p.mustBe(p.post("/auth/account", "/auth/account/totp/confirm", "id", id[1], "code", p.code(secret)), http.StatusOK, "confirm")
	for _, m := range listItem.FindAllStringSubmatch(done.text, -1) {
		codes = append(codes, m[1])
	}
	if len(codes) != code.Recoveries {
		p.t.Fatalf("%d recovery codes: %s", len(codes), done.text)
	}
	return secret, codes
}

func (s *site) code(secret []byte) string { return totp.Code(secret, totp.StepAt(s.now())) }

// later moves the clock so that the next code is another one.
func (s *site) later(by time.Duration) { s.ahead.Add(int64(by)) }
