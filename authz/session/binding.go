package session

import (
	"crypto/sha256"
	"strings"
)

// Binding is what a session is bound to: whoever brings its token must be that
// client as well.
type Binding string

const (
	BindNone        Binding = ""
	BindCertificate Binding = "certificate" // the client's TLS certificate (the idea of RFC 8705 section 3)
	BindFingerprint Binding = "fingerprint" // family of browser and system: it stops a token pasted elsewhere, no thief who knows of it
)

// Client is what is known of who brings a token. Both are as the proxy states
// them, never as the client does.
type Client struct {
	Certificate string // the certificate or its hash, always in the same form; empty: none was shown
	Fingerprint string // as Fingerprint makes it
}

// binding is how a record states it: the kind, and 96 bits of a SHA-256.
type binding string

const bindingLength = 13

func bind(kind Binding, client Client) binding {
	switch {
	case kind == BindCertificate && client.Certificate != "":
		return digest('c', client.Certificate)
	case kind == BindFingerprint && client.Fingerprint != "":
		return digest('f', client.Fingerprint)
	default:
		return ""
	}
}

func digest(kind byte, text string) binding {
	sum := sha256.Sum256([]byte(string(kind) + text))
	return binding(kind) + binding(sum[:bindingLength-1])
}

func (b binding) kind() Binding {
	switch {
	case b == "":
		return BindNone
	case b[0] == 'c':
		return BindCertificate
	default:
		return BindFingerprint
	}
}

// admits says whether a client is the one that the session is bound to.
func (b binding) admits(client Client) bool {
	return b == "" || b == bind(b.kind(), client)
}

// Fingerprint makes a coarse one of a User-Agent: the family of the browser and
// of the system, without versions, so that an update ends no session.
func Fingerprint(userAgent string) string { return Agent(userAgent) }

// Agent is a User-Agent in words a person recognises: "Firefox on Linux". What
// is not known is called "other".
func Agent(userAgent string) string {
	return family(userAgent, browsers) + " on " + family(userAgent, systems)
}

type mark struct{ text, name string }

// The first mark that is found counts: browsers name those they descend from.
var (
	browsers = []mark{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"},
		{"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"},
	}
	systems = []mark{
		{"iPhone", "iOS"}, {"iPad", "iOS"}, {"Android", "Android"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"},
		{"CrOS", "ChromeOS"}, {"Linux", "Linux"},
	}
)

func family(userAgent string, marks []mark) string {
	for _, m := range marks {
		if strings.Contains(userAgent, m.text) {
			return m.name
		}
	}
	return "other"
}

// Binding is what sessions are bound to that are created now and do not say.
func (m *Manager) Binding() Binding { return m.rules().Bind }
