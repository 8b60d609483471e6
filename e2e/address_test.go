package e2e

import (
	"errors"
	"io"
	"log/slog"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/mail"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"gatehouse/e2e/pack"
)

// letterbox is a mail server that takes everything.
type letterbox struct {
	addr string
	sent chan string // "to: text"
}

func newLetterbox(t *testing.T) *letterbox {
	t.Helper()
	box := &letterbox{sent: make(chan string, 100)}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &delivery{box: box}, nil }))
	server.Domain, server.ErrorLog = "mail.test", slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	box.addr = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		_, _ = l.Close(), server.Close()
		if err := <-served; err != nil && !errors.Is(err, smtp.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return box
}

type delivery struct {
	box *letterbox
	to  string
}

func (d *delivery) Mail(string, *smtp.MailOptions) error { return nil }
func (d *delivery) Reset()                               {}
func (d *delivery) Logout() error                        { return nil }
func (d *delivery) Rcpt(to string, _ *smtp.RcptOptions) error {
	d.to = to
	return nil
}
func (d *delivery) Data(r io.Reader) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	d.box.sent <- d.to + ": " + string(text)
	return err
}

// find waits for the mail to somebody that says something.
func (b *letterbox) find(t *testing.T, to, says string) string {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	for {
		select {
		case letter := <-b.sent:
			if strings.HasPrefix(letter, to+": ") && strings.Contains(letter, says) {
				return letter
			}
		case <-deadline.C:
			t.Fatalf("no mail to %s says %q", to, says)
		}
	}
}

const addressConfig = preamble + `
sign_in: {origins: ["http://localhost:${PORT}"]}
policies:
  open: {session: none}
routes:
  - {path_prefix: /, upstream: app, policy: open}
`

// person is a browser that runs no script. Its cookies are for a host that browsers
// trust without TLS, which Go's jar does not: they are kept by name.
type person struct {
	t       *testing.T
	client  *http.Client
	site    string
	cookies map[string]string
}

func (p *person) do(method, path, body string) pack.Response {
	p.t.Helper()
	edits := []pack.Edit{func(r *http.Request) {
		r.Host = strings.TrimPrefix(p.site, "http://")
		for name, value := range p.cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
	}}
	if method == http.MethodPost {
		edits = append(edits, pack.With("Content-Type", "application/x-www-form-urlencoded"), pack.With("Sec-Fetch-Site", "same-origin"))
	}
	got := pack.Do(p.t, p.client, pack.Request(p.t, method, p.site+path, strings.NewReader(body), edits...))
	for _, c := range (&http.Response{Header: got.Header}).Cookies() {
		if p.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(p.cookies, c.Name)
		}
	}
	return got
}

// post sends the form of a page.
func (p *person) post(page, path string, fields url.Values) pack.Response {
	p.t.Helper()
	got := p.do(http.MethodGet, page, "")
	token := formToken.FindSubmatch(got.Body)
	if token == nil {
		p.t.Fatalf("%s: %d %s", page, got.Status, got.Body)
	}
	fields.Set("csrf", string(token[1]))
	return p.do(http.MethodPost, path, fields.Encode())
}

// With a real mail server, the real store, and Envoy in between.
func TestAPersonChangesTheirMailAddressThroughEnvoy(t *testing.T) {
	t.Parallel()
	box := newLetterbox(t)
	p := pack.Start(t, pack.Options{Config: addressConfig, AuthzFlags: []string{"--mail-server", "smtp+plain://" + box.addr, "--mail-from", "no-reply@example.com"}})
	p.SetEmail(t, pack.UserName, "old@example.com")
	_, port, err := net.SplitHostPort(p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	c := pack.HTTP1()
	defer c.CloseIdleConnections()
	me := &person{t: t, client: c, site: "http://localhost:" + port, cookies: map[string]string{}}
	expectStatus(t, me.post("/auth/sign-in", "/auth/login", url.Values{"page": {"1"}, "username": {pack.UserName}, "password": {pack.Password}}), http.StatusSeeOther)
	expectStatus(t, me.post("/auth/account", "/auth/account/email", url.Values{"email": {"new@example.com"}}), http.StatusOK)
	box.find(t, "old@example.com", "Nothing is changed until")
	link := regexp.MustCompile(`http://localhost:[0-9]+(/auth/account/email/confirm\?token=([A-Za-z0-9_-]+))`).FindStringSubmatch(box.find(t, "new@example.com", "Open this within ten minutes"))
	if link == nil {
		t.Fatal("the mail has no link to this site")
	}
	if r := (&person{t: t, client: c, site: me.site, cookies: map[string]string{}}).do(http.MethodGet, link[1], ""); r.Status != http.StatusSeeOther || !strings.HasPrefix(r.Header.Get("Location"), "/auth/sign-in?next=/auth/account/email/confirm") {
		t.Errorf("a stranger with the link: %d %s", r.Status, r.Header.Get("Location"))
	}
	done := me.post(link[1], "/auth/account/email/confirm", url.Values{"token": {link[2]}})
	expectStatus(t, done, http.StatusOK)
	if !strings.Contains(string(done.Body), "goes to <strong>new@example.com</strong>") {
		t.Errorf("%s", done.Body)
	}
	box.find(t, "old@example.com", "was changed, on the page of your account")
	expectStatus(t, me.post("/auth/account", "/auth/account/email/confirm", url.Values{"token": {link[2]}}), http.StatusGone)
}
