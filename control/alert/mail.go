package alert

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"gatehouse/authz/secret"
	"gatehouse/control/internal/authorities"
)

// How a connection to a mail server is encrypted.
const (
	StartTLS    = "starttls" // RFC 3207, demanded: a server that does not offer it gets nothing
	ImplicitTLS = "implicit" // RFC 8314 section 3.3
	NoTLS       = "none"     // to a loopback address only
)

// MailSettings say where mail goes.
type MailSettings struct {
	Host     string   `json:"host"`
	Port     int      `json:"port"` // 1 to 65535
	TLS      string   `json:"tls"`  // StartTLS, ImplicitTLS or NoTLS
	Username string   `json:"username,omitempty"`
	From     string   `json:"from"` // an address, perhaps with a name: "Gatehouse <g@example.com>"
	To       []string `json:"to"`   // at least one, at most MaxRecipients
	// CAFile holds the authorities, in PEM, of a server whose certificate those
	// of the system do not vouch for.
	CAFile string `json:"ca_file,omitempty"`
}

// MaxRecipients of one sink.
const MaxRecipients = 20

// DefaultMailPort is the port of the kind of TLS: 587 (RFC 6409), 465 (RFC 8314),
// and 25.
func DefaultMailPort(encryption string) int {
	return map[string]int{StartTLS: 587, ImplicitTLS: 465, NoTLS: 25}[encryption]
}

// Loopback says whether host is this machine, so that nothing leaves it.
func Loopback(host string) bool { return loopback(host) }

// ParseMailAddress reads one address as RFC 5322 writes it, of at most 254 bytes,
// in ASCII, and without anything that would end a line.
func ParseMailAddress(text string) (*mail.Address, error) {
	a, err := mail.ParseAddress(text)
	if err != nil {
		return nil, fmt.Errorf("is no mail address: %s", strings.TrimPrefix(err.Error(), "mail: "))
	}
	switch {
	case strings.ContainsFunc(a.Address, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, errors.New("is no mail address: write name@example.com, and a domain of another script in its xn-- form")
	case len(a.Address) > 254 || strings.ContainsFunc(a.Name, isControl):
		return nil, errors.New("is no mail address: write name@example.com")
	}
	return a, nil
}

// Mail sends each message as one mail, over a connection of its own.
type Mail struct {
	name     string
	s        MailSettings
	from     *mail.Address
	to       []*mail.Address
	password func() secret.Value
	tls      *tls.Config
	now      func() time.Time
}

// NewMail returns a sink that sends mail. password is asked each time, so that
// a replaced one is used without a restart, and only if there is a user name.
func NewMail(name string, s MailSettings, password func() secret.Value, now func() time.Time) (*Mail, error) {
	m := &Mail{name: name, s: s, password: password, now: now, tls: &tls.Config{ServerName: s.Host, MinVersion: tls.VersionTLS12}}
	if s.TLS == NoTLS && !loopback(s.Host) {
		return nil, fmt.Errorf("sink %s: mail to %s would not be encrypted: set tls to %s or %s", name, s.Host, StartTLS, ImplicitTLS)
	}
	var err error
	if m.from, err = ParseMailAddress(s.From); err != nil {
		return nil, fmt.Errorf("sink %s: from: %w", name, err)
	}
	for _, text := range s.To {
		to, err := ParseMailAddress(text)
		if err != nil {
			return nil, fmt.Errorf("sink %s: to: %w", name, err)
		}
		m.to = append(m.to, to)
	}
	if m.tls.RootCAs, err = authorities.File(s.CAFile); err != nil {
		return nil, fmt.Errorf("sink %s: %w", name, err)
	}
	return m, nil
}

// Name implements Sink.
func (m *Mail) Name() string { return m.name }

// Send implements Sink. It ends with ctx, or after sendWithin, wherever the
// server leaves it waiting.
func (m *Mail) Send(ctx context.Context, messages []Message) error {
	_, err := m.tell(ctx, messages)
	return err
}

func (m *Mail) tell(ctx context.Context, messages []Message) (answer string, err error) {
	for _, one := range messages {
		if answer, err = m.one(ctx, one); err != nil {
			return "", err
		}
	}
	return answer, nil
}

func (m *Mail) one(ctx context.Context, message Message) (answer string, err error) {
	return m.deliver(ctx, m.letter(message))
}

func (m *Mail) deliver(ctx context.Context, letter *gomail.Msg) (answer string, err error) {
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	client, err := gomail.NewClient(m.s.Host, m.options(ctx)...)
	if err != nil {
		return "", fmt.Errorf("make a client of the mail server: %w", err)
	}
	if err := client.DialAndSendWithContext(ctx, letter); err != nil && !letter.IsDelivered() {
		return "", m.because(ctx, err)
	}
	return oneLine(letter.ServerResponse(), maxLastError), nil
}

func (m *Mail) options(ctx context.Context) []gomail.Option {
	policy := gomail.NoTLS
	if m.s.TLS == StartTLS {
		policy = gomail.TLSMandatory
	}
	options := []gomail.Option{
		gomail.WithPort(m.s.Port), gomail.WithTimeout(sendWithin), gomail.WithTLSPolicy(policy), gomail.WithTLSConfig(m.tls.Clone()),
		gomail.WithoutNoop(), gomail.WithDialContextFunc(func(dialing context.Context, network, address string) (net.Conn, error) {
			return m.dial(dialing, ctx, network, address)
		}),
	}
	if m.s.Username != "" {
		options = append(options, gomail.WithSMTPAuthCustom(&login{user: m.s.Username, password: m.password(), host: m.s.Host}))
	}
	return options
}

// dial connects within dialing, and closes the connection when whole ends: the
// library gives each step a time of its own, and a server that is slow at each
// would be waited for again and again.
func (m *Mail) dial(dialing, whole context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(dialing, network, address)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(whole, func() { _ = conn.Close() }) // what waits on it says why
	if m.s.TLS != ImplicitTLS {
		return conn, nil
	}
	secured := tls.Client(conn, m.tls.Clone())
	if err := secured.HandshakeContext(dialing); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return secured, nil
}

// because is one line, however many the server has answered.
func (m *Mail) because(ctx context.Context, err error) error {
	where := net.JoinHostPort(m.s.Host, strconv.Itoa(m.s.Port))
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("mail server %s: it did not answer in time", where)
	}
	return fmt.Errorf("mail server %s: %s", where, oneLine(err.Error(), maxLastError))
}

// login takes the best of the ways to sign in that the server offers.
type login struct {
	user, host string
	password   secret.Value
	smtp.Auth
}

// Start implements smtp.Auth.
func (l *login) Start(server *smtp.ServerInfo) (proto string, toServer []byte, err error) {
	open := !server.TLS // NewMail allows that to loopback only
	switch password := l.password.RevealString(); {
	case slices.Contains(server.Auth, "SCRAM-SHA-256"):
		l.Auth = smtp.ScramSHA256Auth(l.user, password)
	case slices.Contains(server.Auth, "PLAIN"):
		l.Auth = smtp.PlainAuth("", l.user, password, l.host, open)
	case slices.Contains(server.Auth, "LOGIN"):
		l.Auth = smtp.LoginAuth(l.user, password, l.host, open)
	default:
		return "", nil, fmt.Errorf("it offers no way to sign in that is known here (SCRAM-SHA-256, PLAIN, LOGIN): %q", server.Auth)
	}
	return l.Auth.Start(server)
}
