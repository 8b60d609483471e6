package login

import (
	"crypto/rand"
	"net/http"
	"strings"
	"testing"

	"gatehouse/authz/event"
	"gatehouse/authz/session"
)

func boundBy(kind session.Binding) func(*site) {
	return func(s *site) {
		s.sessions = session.NewWith(s.redis.Client(), s.now, rand.Reader, session.Settings{
			Rules: func() session.Rules { return session.Rules{Bind: kind} },
		})
	}
}

const (
	firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	safari  = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15"
)

// shows is a client as the proxy attests it.
func shows(certificate, agent string) edit {
	return func(r *http.Request) {
		r.Header.Set("User-Agent", agent)
		if certificate != "" {
			r.Header.Set("X-Forwarded-Client-Cert", "Hash="+strings.Repeat(certificate, 64))
		}
	}
}

func TestABoundSessionOpensItsPagesToItsOwnClientAlone(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		bind         session.Binding
		mine, theirs edit
	}{
		"to a browser":                          {session.BindFingerprint, shows("", firefox), shows("", safari)},
		"to a certificate, with another":        {session.BindCertificate, shows("a", firefox), shows("b", firefox)},
		"to a certificate, with none":           {session.BindCertificate, shows("a", firefox), shows("", firefox)},
		"to a certificate, of another's making": {session.BindCertificate, shows("a", firefox), func(r *http.Request) { r.Header.Set("X-Forwarded-Client-Cert", "Hash=a") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, boundBy(test.bind))
			p := s.person()
			p.mustBe(p.do(http.MethodPost, "/auth/login", asJSON, jsonBody("alice", password), test.mine), http.StatusOK, "sign in")
			for _, path := range []string{"/auth/account", "/auth/sessions"} {
				if got := p.do(http.MethodGet, path, "", "", test.mine); got.status != http.StatusOK {
					t.Errorf("%s of its own client: %d to %q", path, got.status, got.location)
				}
				if got := p.do(http.MethodGet, path, "", "", test.theirs); got.status == http.StatusOK {
					t.Errorf("%s of another client: %d", path, got.status)
				}
			}
			if got := p.do(http.MethodDelete, "/auth/sessions", "", "", test.theirs); got.status != http.StatusUnauthorized {
				t.Errorf("another client ends sessions: %d", got.status)
			}
			if got := p.do(http.MethodDelete, "/auth/sessions", "", "", test.mine); got.status != http.StatusOK {
				t.Errorf("its own client ends no others: %d %s", got.status, got.text)
			}
			form := p.do(http.MethodGet, "/auth/account", "", "", test.mine)
			csrf := csrfField.FindStringSubmatch(form.text)
			if csrf == nil {
				t.Fatal("no form")
			}
			if got := p.do(http.MethodPost, "/auth/account/recovery", asForm, "csrf="+csrf[1], test.theirs); !strings.HasPrefix(got.location, "/auth/sign-in") {
				t.Errorf("another client changes credentials: %d %q", got.status, got.location)
			}
		})
	}
}

func TestWithoutTheCertificateThatSessionsAreBoundToNobodySignsIn(t *testing.T) {
	t.Parallel()
	s := newSite(t, boundBy(session.BindCertificate))
	p := s.person()
	got := p.do(http.MethodPost, "/auth/login", asJSON, jsonBody("alice", password), shows("", firefox))
	if _, err := p.session(); err == nil || got.status != http.StatusForbidden {
		t.Errorf("%d %v", got.status, err)
	}
	if events := s.events.take(); len(events) != 1 || events[0].Reason != string(ReasonNoCertificate) || events[0].Outcome != event.Failure {
		t.Errorf("%+v", events)
	}
	if got := p.enter("alice", password); got.status != http.StatusForbidden || !strings.Contains(got.text, "the certificate of your device") {
		t.Errorf("%d %s", got.status, got.text)
	}
}
