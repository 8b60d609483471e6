package alert

import (
	"context"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/secret"
	"gatehouse/control/store"
)

func sinkOf(t *testing.T, s MailSettings, password func() secret.Value) *Mail {
	t.Helper()
	m, err := NewMail("mail", s, password, now)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAMailArrivesOverEachKindOfTLS(t *testing.T) {
	t.Parallel()
	for encryption, kind := range map[string]mailKind{
		StartTLS: {}, ImplicitTLS: {implicit: true}, NoTLS: {noTLS: true}, "without a user": {noAuth: true},
	} {
		t.Run(encryption, func(t *testing.T) {
			t.Parallel()
			server := serveMail(t, kind)
			settings := server.settings(t, encryption)
			if kind.noAuth {
				settings.TLS, settings.Username = StartTLS, ""
			}
			if err := sinkOf(t, settings, server.known).Send(t.Context(), []Message{message(false), message(true)}); err != nil {
				t.Fatal(err)
			}
			mails, _ := server.taken()
			if len(mails) != 2 {
				t.Fatalf("%d mails", len(mails))
			}
			for i, want := range []string{"[FIRING] critical floods client=c:1", "[OVER] critical floods client=c:1"} {
				m := mails[i]
				if m.from != "gatehouse@example.com" || !slices.Equal(m.to, []string{"on-call@example.com", "other@example.com"}) {
					t.Errorf("from %s to %s", m.from, m.to)
				}
				if got := m.message.Header.Get("Subject"); got != want {
					t.Errorf("subject %q, want %q", got, want)
				}
			}
			first, second := mails[0].message.Header, mails[1].message.Header
			if first.Get("Message-ID") != "<a-1.raised@example.com>" || second.Get("In-Reply-To") != first.Get("Message-ID") || second.Get("Message-ID") == first.Get("Message-ID") {
				t.Errorf("%v %v", first, second)
			}
			body, err := io.ReadAll(quotedprintable.NewReader(mails[0].message.Body))
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"too many\r\n", "Client    c:1\r\n", "Events    7\r\n", "Started   2026-11-25T12:00:00Z\r\n"} {
				if !strings.Contains(string(body), want) {
					t.Errorf("%q is not in:\n%s", want, body)
				}
			}
		})
	}
}

func TestAMailIsNotSentToWhomItShouldNot(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		kind mailKind
		edit func(*MailSettings, *mailServer)
		want string
	}{
		{"a certificate of nobody known", mailKind{}, func(s *MailSettings, _ *mailServer) { s.CAFile = "" }, "unknown authority"},
		{"of another name", mailKind{}, func(s *MailSettings, _ *mailServer) { s.Host = "localhost" }, "not localhost"},
		{"the same with implicit TLS", mailKind{implicit: true}, func(s *MailSettings, _ *mailServer) { s.TLS, s.CAFile = ImplicitTLS, "" }, "unknown authority"},
		{"no STARTTLS where it is demanded", mailKind{noTLS: true}, func(*MailSettings, *mailServer) {}, "does not support STARTTLS"},
		{"TLS where there is none", mailKind{noTLS: true}, func(s *MailSettings, _ *mailServer) { s.TLS = ImplicitTLS }, "first record does not look like a TLS handshake"},
		{"a user that it does not know", mailKind{}, func(s *MailSettings, _ *mailServer) { s.Username = "other" }, "535"},
		{"nobody where it wants a user", mailKind{}, func(s *MailSettings, _ *mailServer) { s.Username = "" }, "502"},
		{"a user where it knows none", mailKind{noAuth: true}, func(*MailSettings, *mailServer) {}, "way to sign in"},
		{"one of the recipients is refused", mailKind{}, func(_ *MailSettings, m *mailServer) { m.refuse = "other@example.com" }, "550"},
		{"a server that is gone", mailKind{}, func(_ *MailSettings, m *mailServer) { _ = m.gone() }, "refused"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := serveMail(t, test.kind)
			settings := server.settings(t, StartTLS)
			test.edit(&settings, server)
			err := sinkOf(t, settings, server.known).Send(t.Context(), []Message{message(false)})
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "mail server ") {
				t.Fatalf("%v, want: %s", err, test.want)
			}
			if strings.Contains(err.Error(), server.password) || strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("%q", err)
			}
			if mails, _ := server.taken(); len(mails) != 0 {
				t.Errorf("%v", mails)
			}
		})
	}
}

func TestAPasswordThatIsReplacedIsUsedAtOnce(t *testing.T) {
	t.Parallel()
	server := serveMail(t, mailKind{})
	sink := sinkOf(t, server.settings(t, StartTLS), server.known)
	for _, password := range []string{"", "another"} {
		if password != "" {
			server.mu.Lock()
			server.password = password
			server.mu.Unlock()
		}
		if err := sink.Send(t.Context(), []Message{message(false)}); err != nil {
			t.Fatal(err)
		}
	}
	wrong := sinkOf(t, server.settings(t, StartTLS), func() secret.Value { return secret.New([]byte("wrong")) })
	if err := wrong.Send(t.Context(), []Message{message(false)}); err == nil || !strings.Contains(err.Error(), "535") {
		t.Errorf("%v", err)
	}
	if mails, tries := server.taken(); len(mails) != 2 || tries != 3 {
		t.Errorf("%d mails, %d tries", len(mails), tries)
	}
}

// silent accepts connections, and says nothing.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String() // the kernel accepts
}

func TestAServerThatIsSlowIsNotWaitedForLonger(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, encryption string }{
		{"it does not greet", StartTLS}, {"it does not shake hands", ImplicitTLS}, {"it does not say that it took the mail", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := serveMail(t, mailKind{})
			server.hold = make(chan struct{})
			defer close(server.hold)
			settings := server.settings(t, StartTLS)
			if test.encryption != "" {
				settings.Port, settings.TLS = portOf(t, silent(t)), test.encryption
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began := time.Now()
			err := sinkOf(t, settings, server.known).Send(ctx, []Message{message(false)})
			if err == nil || !strings.Contains(err.Error(), "did not answer in time") {
				t.Errorf("%v", err)
			}
			if took := time.Since(began); took > sendWithin-time.Second {
				t.Errorf("after %v", took)
			}
		})
	}
}

// hostile are what events can bring into a label.
var hostile = []string{
	"c:1\r\nBcc: eve@example.com", "x\n\nbody", "\x00\x1b[2J", "a\u2028b\u202ec", "\r\n.\r\nMAIL FROM:<e@example.com>\r\n",
	"=?utf-8?q?=0D=0ABcc:_eve@example.com?=", "日本語\r\n", strings.Repeat("long ", 400), "\xff\xfe", ".",
}

func headersOf(t *testing.T, labels map[string]string, summary string) *mail.Message {
	t.Helper()
	sink := sinkOf(t, MailSettings{Host: "127.0.0.1", Port: 25, TLS: NoTLS, From: "g@example.com", To: []string{"o@example.com"}}, nil)
	m := message(false)
	m.Alert.Labels, m.Alert.Summary = labels, summary
	var raw strings.Builder
	if _, err := sink.letter(m).WriteTo(&raw); err != nil {
		t.Fatal(err)
	}
	parsed, err := mail.ReadMessage(strings.NewReader(raw.String()))
	if err != nil {
		t.Fatalf("%v in\n%s", err, raw.String())
	}
	for line := range strings.SplitSeq(raw.String(), "\r\n") {
		if len(line) > 998 || strings.ContainsAny(line, "\r\n\x00") { // RFC 5322 section 2.1.1
			t.Errorf("line %q", line)
		}
	}
	return parsed
}

func expectHeaders(t *testing.T, m *mail.Message) {
	t.Helper()
	want := []string{"Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Subject", "To"}
	var got []string
	for name, values := range m.Header {
		got = append(got, name)
		if len(values) != 1 {
			t.Errorf("%s: %q", name, values)
		}
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("headers %q, want %q", got, want)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || len(subject) > maxSubject || strings.ContainsFunc(subject, isControl) {
		t.Errorf("subject %q %v", subject, err)
	}
}

func TestNoLabelAddsAHeaderARecipientOrALine(t *testing.T) {
	t.Parallel()
	plain, err := io.ReadAll(quotedprintable.NewReader(headersOf(t, map[string]string{"client": "c:1"}, "s").Body))
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range hostile {
		t.Run(fmt.Sprintf("%.20q", value), func(t *testing.T) {
			t.Parallel()
			m := headersOf(t, map[string]string{"client": value}, value)
			expectHeaders(t, m)
			body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
			if err != nil || strings.Count(string(body), "\n") != strings.Count(string(plain), "\n") {
				t.Errorf("%v\n%s", err, body)
			}
		})
	}
}

func FuzzNoLabelAddsAHeader(f *testing.F) {
	for _, value := range hostile {
		f.Add(value, "summary")
	}
	f.Fuzz(func(t *testing.T, value, summary string) {
		expectHeaders(t, headersOf(t, map[string]string{"host": value}, summary))
	})
}

func TestAHostileLabelReachesTheServerAsOneMail(t *testing.T) {
	t.Parallel()
	server := serveMail(t, mailKind{})
	sink := sinkOf(t, server.settings(t, StartTLS), server.known)
	for _, value := range hostile {
		m := message(false)
		m.Alert.Labels = map[string]string{"host": value}
		if err := sink.Send(t.Context(), []Message{m}); err != nil {
			t.Fatal(err)
		}
	}
	mails, _ := server.taken()
	if len(mails) != len(hostile) {
		t.Fatalf("%d mails of %d", len(mails), len(hostile))
	}
	for _, m := range mails {
		if m.from != "gatehouse@example.com" || len(m.to) != 2 || m.message.Header.Get("Bcc") != "" {
			t.Errorf("%s %s", m.from, m.to)
		}
	}
}

func TestWhatIsWrongWithMailSettingsIsSaid(t *testing.T) {
	t.Parallel()
	good := MailSettings{Host: "127.0.0.1", Port: 25, TLS: NoTLS, From: "g@example.com", To: []string{"o@example.com"}}
	for want, edit := range map[string]func(*MailSettings){
		"would not be encrypted": func(s *MailSettings) { s.Host = "mail.example.com" },
		"from: is no mail":       func(s *MailSettings) { s.From = "g" },
		"to: is no mail":         func(s *MailSettings) { s.To = []string{"o@example.com\r\nRCPT TO:<e@example.com>"} },
		"xn--":                   func(s *MailSettings) { s.From = "g@bücher.example" },
		"to: is no mail address": func(s *MailSettings) { s.To = []string{"o@" + strings.Repeat("a", 255)} },
		"no certificate":         func(s *MailSettings) { s.CAFile = "mail_test.go" },
		"ca_file: open none.pem": func(s *MailSettings) { s.CAFile = "none.pem" },
	} {
		s := good
		edit(&s)
		if _, err := NewMail("mail", s, nil, now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestAMailServerThatWasGoneIsToldLater(t *testing.T) {
	t.Parallel()
	server := serveMail(t, mailKind{})
	right := server.password
	server.password = "changed there and not here"
	sink := sinkOf(t, server.settings(t, StartTLS), func() secret.Value { return secret.New([]byte(right)) })
	s := open(t)
	b := newBench(t, s, rule(0))
	if err := b.engine.Configure([]Rule{rule(0)}, []Sink{sink}); err != nil {
		t.Fatal(err)
	}
	b.at(0, 1, failure("c:1"))
	b.settle()
	due, err := s.DueDeliveries(t.Context(), "mail", 10)
	if err != nil || len(due) != 1 || due[0].Attempts != 1 || !strings.Contains(due[0].LastError, "535") || due[0].LastError == right {
		t.Fatalf("%+v %v", due, err)
	}
	server.mu.Lock()
	server.password = right
	server.mu.Unlock()
	b.settle()
	if mails, _ := server.taken(); len(mails) != 1 || mails[0].message.Header.Get("Subject") != "[FIRING] warning r client=c:1" {
		t.Errorf("%v", mails)
	}
	if due, err = s.DueDeliveries(t.Context(), "mail", 10); err != nil || len(due) != 0 {
		t.Errorf("%v %v", due, err)
	}
}

var _ Store = (*store.Store)(nil)
