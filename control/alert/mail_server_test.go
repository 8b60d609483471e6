package alert

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"gatehouse/authz/secret"
)

// delivered is a mail that the server has taken.
type delivered struct {
	from    string
	to      []string
	message *mail.Message
	raw     string
}

// mailServer is a real SMTP server that signs in one user, and keeps what it takes.
type mailServer struct {
	addr, caFile string
	user         string
	server       *smtp.Server
	gone         func() error // nobody listens any more

	mu       sync.Mutex
	password string
	refuse   string // this recipient
	hold     chan struct{}
	mails    []delivered
	tries    int // to sign in
}

type mailKind struct {
	implicit, noTLS, noAuth bool
}

func serveMail(t *testing.T, kind mailKind) *mailServer {
	t.Helper()
	s := &mailServer{user: "gatehouse", password: rand.Text()}
	web := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate, which is for 127.0.0.1
	t.Cleanup(web.Close)
	s.caFile = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	if err := os.WriteFile(s.caFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	s.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		visit := &visit{s: s, trusted: kind.noAuth}
		if kind.noAuth {
			return visit, nil
		}
		return &signingIn{visit}, nil
	}))
	s.server.Domain, s.server.AllowInsecureAuth = "mail.test", kind.noTLS
	s.server.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	if !kind.noTLS {
		s.server.TLSConfig = &tls.Config{Certificates: web.TLS.Certificates, MinVersion: tls.VersionTLS12}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr, s.gone = l.Addr().String(), l.Close
	if kind.implicit {
		l = tls.NewListener(l, s.server.TLSConfig)
	}
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(l) }()
	t.Cleanup(func() {
		// A server that has not begun to serve does not know its listener.
		_, _ = s.gone(), s.server.Close()
		if err := <-served; err != nil && !errors.Is(err, smtp.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return s
}

func (s *mailServer) settings(t *testing.T, encryption string) MailSettings {
	t.Helper()
	return MailSettings{
		Host: "127.0.0.1", Port: portOf(t, s.addr), TLS: encryption, Username: s.user, CAFile: s.caFile,
		From: "Gatehouse <gatehouse@example.com>", To: []string{"on-call@example.com", "Other One <other@example.com>"},
	}
}

func portOf(t *testing.T, addr string) int {
	t.Helper()
	_, text, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// known is the right password, as it is now.
func (s *mailServer) known() secret.Value {
	s.mu.Lock()
	defer s.mu.Unlock()
	return secret.New([]byte(s.password))
}

func (s *mailServer) taken() ([]delivered, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mails, s.tries
}

// visit is one session of one client.
type visit struct {
	s       *mailServer
	trusted bool
	mail    delivered
}

// signingIn is a visit that is to sign in.
type signingIn struct{ *visit }

func (v *signingIn) AuthMechanisms() []string { return []string{sasl.Plain} }

func (v *signingIn) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		v.s.mu.Lock()
		defer v.s.mu.Unlock()
		v.s.tries++
		v.trusted = user == v.s.user && password == v.s.password
		if !v.trusted {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

func (v *visit) Reset()        { v.mail = delivered{} }
func (v *visit) Logout() error { return nil }

func (v *visit) Mail(from string, _ *smtp.MailOptions) error {
	if !v.trusted {
		return smtp.ErrAuthRequired
	}
	v.mail.from = from
	return nil
}

func (v *visit) Rcpt(to string, _ *smtp.RcptOptions) error {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	if to == v.s.refuse {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "nobody\nof that name"}
	}
	v.mail.to = append(v.mail.to, to)
	return nil
}

func (v *visit) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if v.s.hold != nil {
		<-v.s.hold
	}
	v.mail.raw = string(raw)
	if v.mail.message, err = mail.ReadMessage(bytes.NewReader(raw)); err != nil {
		return err
	}
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	v.s.mails = append(v.s.mails, v.mail)
	return nil
}
