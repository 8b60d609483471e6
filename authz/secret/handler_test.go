package secret

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"
)

const (
	token  = "ghs_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_abcde1a2b3c"
	jwt    = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1LTEifQ.c2lnbmF0dXJl"
	phc    = "$argon2" + "id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5"
	pemKey = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIabcdef\n-----END EC PRIVATE KEY-----"
)

// logged returns what both of slog's handlers write behind Redact.
func logged(t *testing.T, log func(*slog.Logger)) string {
	t.Helper()
	var text, document bytes.Buffer
	log(slog.New(Redact(slog.NewTextHandler(&text, nil))))
	log(slog.New(Redact(slog.NewJSONHandler(&document, nil))))
	if !json.Valid(document.Bytes()) {
		t.Fatalf("no JSON: %s", document.String())
	}
	return text.String() + document.String()
}

type user struct {
	Name  string
	Token string
}

func TestNoSecretGetsThroughTheHandler(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, test := range []struct {
		name   string
		secret string
		log    func(*slog.Logger)
	}{
		{"a Value", plain, func(l *slog.Logger) { l.Info("x", "v", New([]byte(plain))) }},
		{"a key that says so", plain, func(l *slog.Logger) { l.Info("x", "password", plain) }},
		{"a key in a group", plain, func(l *slog.Logger) { l.Info("x", slog.Group("redis", "password", plain)) }},
		{"a key of With", plain, func(l *slog.Logger) { l.With("api_key", plain).Info("x") }},
		{"a key below WithGroup", plain, func(l *slog.Logger) { l.WithGroup("g").With("Session-Token", plain).Info("x", "clientSecret", plain) }},
		{"a group that is a credential", plain, func(l *slog.Logger) { l.Info("x", slog.Group("credentials", "a", plain)) }},
		{"bytes under such a key", plain, func(l *slog.Logger) { l.Info("x", "token", []byte(plain)) }},
		{"a token in the message", token, func(l *slog.Logger) { l.Info("no session for " + token) }},
		{"a token in a value", token, func(l *slog.Logger) { l.Info("x", "path", "/a?t="+token) }},
		{"a token in an error", token, func(l *slog.Logger) { l.Info("x", "error", fmt.Errorf("look up: %w", errors.New(token))) }},
		{"a token in bytes", token, func(l *slog.Logger) { l.Info("x", "body", []byte(token)) }},
		{"a token in a struct", token, func(l *slog.Logger) { l.Info("x", "user", user{"alice", token}) }},
		{"a token in a map", token, func(l *slog.Logger) { l.Info("x", "m", map[string]any{"a": []string{token}}) }},
		{"a cut token", token[:30], func(l *slog.Logger) { l.Info("x", "t", token[:30]) }},
		{"a cookie in a header map", token, func(l *slog.Logger) {
			l.Info("x", "headers", http.Header{"Cookie": {"a=b; __Host-gatehouse=" + token}})
		}},
		{"a bearer in a header map", plain, func(l *slog.Logger) {
			l.Info("x", "headers", http.Header{"Authorization": {"Bearer " + plain}})
		}},
		{"basic credentials", "dXNlcjpwYXNz", func(l *slog.Logger) { l.Info("got Basic dXNlcjpwYXNz") }},
		{"a URL's password", plain, func(l *slog.Logger) { l.Info("connect", "url", "redis://:"+plain+"@redis:6379/0") }},
		{"a password hash", phc[30:], func(l *slog.Logger) { l.Info("x", "user", struct{ Hash string }{phc}) }},
		{"a JWT", jwt[20:], func(l *slog.Logger) { l.Info("x", "assertion", jwt) }},
		{"a private key", "MHcCAQEEI", func(l *slog.Logger) { l.Info("x", "file", pemKey) }},
		{"a password in text", plain, func(l *slog.Logger) { l.Info("connect host=db password=" + plain + " user=x") }},
		{"a JSON document in text", plain, func(l *slog.Logger) { l.Info("x", "body", `{"username":"a","password":"`+plain+`"}`) }},
		{"a LogValuer that gives one", token, func(l *slog.Logger) { l.LogAttrs(ctx, slog.LevelInfo, "x", slog.Any("v", valuer{})) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			out := logged(t, test.log)
			if strings.Contains(out, test.secret) || showsSecret(out) {
				t.Errorf("shown: %s", out)
			}
			if !strings.Contains(out, Redacted) {
				t.Errorf("nothing says that something was there: %s", out)
			}
		})
	}
}

type valuer struct{}

func (valuer) LogValue() slog.Value { return slog.StringValue("t " + token) }

func TestWhatIsNoSecretStaysReadable(t *testing.T) {
	t.Parallel()
	out := logged(t, func(l *slog.Logger) {
		l.With("component", "authz").WithGroup("g").Info("a sign-in failed", "reason", "wrong_password", "tokens", 3, "token_ttl", time.Minute,
			"subject", "u:abcdefghijklmnopqrstuv", "url", "https://app.example.com/a?b=c", "keyboard", "qwerty", "list", []string{"a", "b"})
	})
	for _, want := range []string{"authz", "a sign-in failed", "wrong_password", "tokens", "3", "u:abcdefghijklmnopqrstuv", "https://app.example.com/a?b=c", "qwerty", "[a b]"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in %s", want, out)
		}
	}
	if strings.Contains(out, Redacted) {
		t.Errorf("something was hidden: %s", out)
	}
}

func TestTheHandlerKeepsTheLevelOfTheNext(t *testing.T) {
	t.Parallel()
	h := Redact(slog.NewTextHandler(&bytes.Buffer{}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if h.Enabled(context.Background(), slog.LevelInfo) || !h.Enabled(context.Background(), slog.LevelError) {
		t.Error("the level is not the next handler's")
	}
}

func TestKeysThatNameSecrets(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]bool{
		"password": true, "Password": true, "db_password": true, "X-Api-Key": true, "apiKey": true, "sessionToken": true, "tokens": true,
		"Set-Cookie": true, "cookies": true, "Authorization": true, "Proxy-Authorization": true, "client.secret": true, "credentials": true,
		"token_ttl": false, "key": false, "user": false, "passwordless": false, "monkey": false, "tokenizer": false, "secretary": false,
	} {
		if got := secretKey(key); got != want {
			t.Errorf("%s: %v, want %v", key, got, want)
		}
	}
}

func FuzzScrub(f *testing.F) {
	for _, seed := range []string{token, jwt, phc, pemKey, "Bearer abcdefgh", "redis://u:p@h", "password=x", Redacted} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		once := Scrub("a " + token + " " + text)
		if strings.Contains(once, token) {
			t.Errorf("the token is still in %q", once)
		}
	})
}

func TestMoreFormsThatSecretsHave(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, hidden string }{
		"a cookie header":              {"Cookie: a=first; sid=" + plain, plain},
		"a cookie header in a map":     {"map[Cookie:[sid=" + plain + "; b=c]]", plain},
		"a set-cookie header":          {`"set-cookie": "sid=` + plain + `; Path=/"`, plain},
		"a name with a prefix":         {"aws_secret_access_key=" + plain, plain},
		"a header with a prefix":       {"X-Api-Key: " + plain, plain},
		"JSON in JSON":                 {`{\"client_secret\":\"` + plain + `\"}`, plain},
		"an encoded query":             {"/cb%3Faccess_token%3D" + plain, plain},
		"a note's signing key":         {"PRIVATE+KEY+log+0a1b2c3d+" + plain, plain},
		"a word that is no prose":      {"password: letmein", "letmein"},
		"a password after an error":    {"secret REDIS_PASSWORD: file x; password=" + plain, plain},
		"the Kelvin sign":              {"api\u212aey=x api_\u212aey=" + plain, plain},
		"upper case":                   {"PASSWORD=" + plain, plain},
		"a key in a JSON document":     {`"private_key":"-----BEGIN PRIVATE ` + `KEY-----\n` + plain + `\n-----END PRIVATE ` + `KEY-----\n"`, plain},
		"an encrypted key":             {"-----BEGIN RSA PRIVATE " + "KEY-----\nDEK-Info: AES-256-CBC,00\n\n" + plain + "\n-----END RSA PRIVATE " + "KEY-----", plain},
		"a key that was cut":           {"-----BEGIN PRIVATE " + "KEY-----\n" + plain, plain},
		"a scheme after a name":        {"token: Bearer " + plain, plain},
		"a proxy's credentials":        {"Proxy-Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"},
		"two of them, one after prose": {"token: not there, token: " + plain, plain},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Scrub(test.text); strings.Contains(got, test.hidden) || !strings.Contains(got, Redacted) {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestProseAboutSecretsStaysReadable(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"secret REDIS_PASSWORD: file /run/secrets/x is empty: write the secret into it",
		"secret REDIS_PASSWORD: open /x: no such file or directory: check REDIS_PASSWORD_FILE",
		"gatehouse.yaml:3:5: redis.password: a secret does not belong into this file",
		"set REDIS_PASSWORD_FILE to the file's path", "the keyboard has a key", "https://app.example.com/a?b=c", "3 tokens, 2 cookies",
	} {
		if got := Scrub(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func FuzzNoFormWithoutAHint(f *testing.F) {
	for _, seed := range []string{token, jwt, phc, pemKey, "Bearer abcdefgh", "redis://u:p@h", "password=x", "\u017fecret=x", "BA\u017fIC abcdef", "to\u212aen=x", "PRIVATE+KEY+a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if forms.MatchString(text) && !mayHold(text) {
			t.Errorf("%q would be let through", text)
		}
	})
}
