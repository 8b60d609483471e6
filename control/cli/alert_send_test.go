package cli

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"gatehouse/e2e/pack"
)

const sendConfig = `
version: 1
envoy: {listen: 127.0.0.1:8080}
upstreams: {app: {url: http://127.0.0.1:9000}}
policies: {base: {headers: {preset: strict}}}
routes: [{path_prefix: /, upstream: app, policy: base}]
`

// inbox is an SMTP session that takes everything.
type inbox struct{ got chan string }

func (inbox) Reset()                               {}
func (inbox) Logout() error                        { return nil }
func (inbox) Mail(string, *smtp.MailOptions) error { return nil }
func (inbox) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (i inbox) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	i.got <- string(text)
	return err
}

func serveInbox(t *testing.T) (addr string, got chan string) {
	t.Helper()
	got = make(chan string, 1)
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return inbox{got}, nil }))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _, _ = l.Close(), s.Close() })
	return l.Addr().String(), got
}

func TestATestAlertGoesThroughEachKindOfSink(t *testing.T) {
	t.Parallel()
	hooked := make(chan http.Header, 1)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hooked <- r.Header
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(hook.Close)
	am := pack.StartAlertmanager(t, "")
	mailAddr, mailed := serveInbox(t)
	_, mailPort, err := net.SplitHostPort(mailAddr)
	if err != nil {
		t.Fatal(err)
	}
	config := sendConfig + fmt.Sprintf(`
alerts:
  sinks:
    - {name: hook, kind: webhook, url: %q, secret_file: key}
    - {name: am, kind: alertmanager, url: %q}
    - {name: mail, kind: smtp, host: 127.0.0.1, port: %s, tls: none, from: g@example.com, to: [o@example.com]}
    - {name: broken, kind: webhook, url: %q, secret_file: nowhere}
`, hook.URL, am.URL, mailPort, hook.URL)
	send := func(args ...string) result {
		return run(t, map[string]string{"g.yaml": config, "key": "a key for the test"}, append([]string{"alert", "send", "--config", "$DIR/g.yaml"}, args...)...)
	}
	for sink, want := range map[string]string{
		"hook": "hook (webhook) took the test alert", "am": "am (alertmanager) took the test alert", "mail": "mail (smtp) took the test alert",
	} {
		if r := send("--sink", sink); r.code != ExitDone || !strings.Contains(r.stdout, want) || !strings.Contains(r.stdout, " ms: 2") {
			t.Errorf("%s: %+v", sink, r)
		}
	}
	if header := <-hooked; !strings.HasPrefix(header.Get("webhook-signature"), "v1,") {
		t.Errorf("%v", header)
	}
	if text := <-mailed; !strings.Contains(text, "Subject: [FIRING] info test\r\n") {
		t.Errorf("%s", text)
	}
	if shown, err := am.Of(t.Context(), "test"); err != nil || len(shown) != 1 {
		t.Errorf("%v %v", shown, err)
	}
	for want, args := range map[string][]string{
		"there are hook, am, mail, broken": {"--sink", "nobody"},
		"secret alerts.sinks.broken":       {"--sink", "broken"},
	} {
		if r := send(args...); r.code != ExitWrong || !strings.Contains(r.stderr, want) {
			t.Errorf("%v: %+v", args, r)
		}
	}
	if r := send(); r.code != ExitUsage {
		t.Errorf("%+v", r)
	}
	hook.Close()
	if r := send("--sink", "hook"); r.code != ExitWrong || !strings.Contains(r.stderr, "did not take the test alert") {
		t.Errorf("%+v", r)
	}
	if r := run(t, map[string]string{"g.yaml": sendConfig}, "alert", "send", "--sink", "x", "--config", "$DIR/g.yaml"); !strings.Contains(r.stderr, "has no sinks") {
		t.Errorf("%+v", r)
	}
}
