package up

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"image/png"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func newState(t *testing.T) state {
	t.Helper()
	s, err := openState(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPortsFromABaseLieSideBySide(t *testing.T) {
	got, err := PortsFrom(18000)
	if err != nil {
		t.Fatal(err)
	}
	want := Ports{HTTP: 18000, HTTPS: 18001, Admin: 18002, Authz: 18003, XDS: 18004, Control: 18005, Metrics: 18006, Demo: 18007}
	if got != want {
		t.Errorf("got %+v", got)
	}
	for _, base := range []int{-1, 0, 65529, 70000} {
		if _, err := PortsFrom(base); err == nil {
			t.Errorf("base %d is accepted", base)
		}
	}
	if _, err := PortsFrom(65528); err != nil {
		t.Error(err)
	}
}

func TestCheckFreeReportsEveryPortThatIsTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	where := taken.Addr().String()
	err = checkFree([]listenSpot{
		{where, "the first", "--first-port"},
		{"127.0.0.1:0", "a free one", "--free-port"},
		{where, "the second", "--second-port"},
	})
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "in use") || !strings.Contains(lines[0], "--first-port") ||
		!strings.Contains(lines[1], "both the first and the second") {
		t.Errorf("got %q", lines)
	}
}

func TestASecondPackIsKeptOutOfTheStateFolder(t *testing.T) {
	s := newState(t)
	first, err := acquireLock(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := acquireLock(s.dir); err == nil || !strings.Contains(err.Error(), "another `gatehouse up` (process ") {
		t.Errorf("got %v", err)
	}
	if err := first.release(); err != nil {
		t.Fatal(err)
	}
	again, err := acquireLock(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.release(); err != nil {
		t.Fatal(err)
	}
}

func TestTheStateFolderIsClosedToOthers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := openState(dir)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := s.secretFile("redis_password")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, secret: 0o600, filepath.Dir(secret): 0o700} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v", path, info.Mode().Perm())
		}
	}
}

func TestASecretIsMadeOnce(t *testing.T) {
	s := newState(t)
	read := func(name string) string {
		path, err := s.secretFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text, err := readSecret(path)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	first := read("a")
	if len(first) != 43 || first != read("a") || first == read("b") {
		t.Errorf("got %q, then %q, and %q for another", first, read("a"), read("b"))
	}
}

func TestTheCertificateServesLocalhostAndNothingElse(t *testing.T) {
	s := newState(t)
	if err := ensureCertificate(s, time.Now()); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(s.path("tls", "cert.pem"), s.path("tls", "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(s.path("tls", "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatal("ca.pem holds no certificate")
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	defer server.Close()
	for name, good := range map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true, "example.com": false} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: name}}}
		response, err := client.Get(server.URL)
		if err == nil {
			_ = response.Body.Close()
		}
		if (err == nil) != good {
			t.Errorf("%s: %v", name, err)
		}
		client.CloseIdleConnections()
	}
}

func TestTheCertificateIsKeptUntilItIsAboutToExpire(t *testing.T) {
	s := newState(t)
	begin := time.Now()
	at := func(now time.Time) string {
		if err := ensureCertificate(s, now); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(s.path("tls", "cert.pem"))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	first := at(begin)
	if at(begin.Add(82*24*time.Hour)) != first {
		t.Error("it was renewed eight days before its end")
	}
	if at(begin.Add(84*24*time.Hour)) == first {
		t.Error("it was not renewed six days before its end")
	}
}

func TestSamplesAreWhatTheyAreMeantToBe(t *testing.T) {
	s := newState(t)
	for range 2 { // the second time finds them there
		if err := writeSamples(s); err != nil {
			t.Fatal(err)
		}
	}
	for name, head := range map[string]string{"report.pdf": "%PDF-1.4", "photo.png": "\x89PNG\r\n", "malicious.pdf": "MZ", "script.pdf": "#!"} {
		data, err := os.ReadFile(s.path("samples", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(data, []byte(head)) {
			t.Errorf("%s begins with %q", name, data[:8])
		}
	}
	photo, err := os.Open(s.path("samples", "photo.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = photo.Close() }()
	if _, err := png.Decode(photo); err != nil {
		t.Error(err)
	}
}

// Readers find the objects of a PDF by the offsets in its table.
func TestTheSamplePDFsTableIsRight(t *testing.T) {
	pdf := samplePDF()
	_, table, found := bytes.Cut(pdf, []byte("xref\n0 6\n"))
	if !found {
		t.Fatal("no table")
	}
	rows := strings.Split(string(table), "\n")
	for i := 1; i <= 5; i++ {
		offset := 0
		for _, digit := range rows[i][:10] {
			offset = offset*10 + int(digit-'0')
		}
		if want := string(rune('0'+i)) + " 0 obj"; !bytes.HasPrefix(pdf[offset:], []byte(want)) {
			t.Errorf("object %d: at %d is %q", i, offset, pdf[offset:offset+8])
		}
	}
}

func TestAnEditedPolicyFileIsKept(t *testing.T) {
	s := newState(t)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	place := func(content string) string {
		path, kept, err := placeDemoPolicy(s, []byte(content), now)
		if err != nil {
			t.Fatal(err)
		}
		if data, err := os.ReadFile(path); err != nil || string(data) != content {
			t.Fatalf("%s holds %q (%v)", path, data, err)
		}
		return kept
	}
	if kept := place("one"); kept != "" {
		t.Errorf("nothing was there, yet kept is %s", kept)
	}
	if kept := place("two"); kept != "" {
		t.Errorf("nobody edited it, yet kept is %s", kept)
	}
	if err := os.WriteFile(s.path("gatehouse.yaml"), []byte("edited"), 0o600); err != nil {
		t.Fatal(err)
	}
	kept := place("three")
	if data, err := os.ReadFile(kept); err != nil || string(data) != "edited" {
		t.Errorf("%s holds %q (%v)", kept, data, err)
	}
}

func TestRedisConfigurationKeepsThePasswordOutOfTheArguments(t *testing.T) {
	s := newState(t)
	place, err := placeRedis(s, "/usr/bin/redis-server")
	if err != nil {
		t.Fatal(err)
	}
	defer place.release()
	if strings.Contains(strings.Join(place.service.command.args, " "), place.password) {
		t.Error("the password is in the arguments")
	}
	path := s.path("redis", "redis.conf")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"port 0\n", "requirepass \"" + place.password + "\"\n", "appendonly yes\n"} {
		if !strings.Contains(string(data), line) {
			t.Errorf("the configuration lacks %q", line)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v)", info.Mode(), err)
	}
}

func TestALongStateFolderMovesTheSocketToAShortOne(t *testing.T) {
	s, err := openState(filepath.Join(t.TempDir(), strings.Repeat("x", 120)))
	if err != nil {
		t.Fatal(err)
	}
	path, release, err := socketPath(s)
	if err != nil {
		t.Fatal(err)
	}
	if len(path) > maxSocketPath {
		t.Errorf("%s has %d bytes", path, len(path))
	}
	release()
	if _, err := os.Stat(filepath.Dir(path)); !os.IsNotExist(err) {
		t.Errorf("the folder is left: %v", err)
	}
}

func TestTheSubstituteForRedisAsksForThePassword(t *testing.T) {
	place, err := placeRedis(newState(t), Embedded)
	if err != nil {
		t.Fatal(err)
	}
	defer place.release()
	if err := place.ping(t.Context()); err != nil {
		t.Error(err)
	}
	place.password = "wrong"
	if err := place.ping(t.Context()); err == nil {
		t.Error("a wrong password is accepted")
	}
}

func TestShellQuoteLeavesPlainWordsAlone(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "''",
		".gatehouse/ca.pem":   ".gatehouse/ca.pem",
		"/a b/c":              "'/a b/c'",
		"it's":                `'it'\''s'`,
		`{"a":"b"}`:           `'{"a":"b"}'`,
		"$HOME":               "'$HOME'",
		"file=@a/report.pdf":  "file=@a/report.pdf",
		"-":                   "-",
		"ä":                   "'ä'",
		"a;b":                 "'a;b'",
		"https://localhost:1": "https://localhost:1",
	} {
		if got := shellQuote(text); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestProbes(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ready", "/good/ready":
			_, _ = io.WriteString(w, "LIVE")
		case "/moved":
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	client := probeClient()
	tests := []struct {
		name  string
		err   error
		ready bool
	}{
		{"a 200 is ready", httpReady(client, server.URL+"/ready")(t.Context()), true},
		{"a 503 is not", httpReady(client, server.URL+"/other")(t.Context()), false},
		{"a redirect is not followed", httpReady(client, server.URL+"/moved")(t.Context()), false},
		{"nobody there is not ready", httpReady(client, "http://127.0.0.1:1/")(t.Context()), false},
		{"envoy with any answer through its listener is", envoyReady(client, server.URL+"/good", server.URL+"/other")(t.Context()), true},
		{"envoy without a listener is not", envoyReady(client, server.URL+"/good", "http://127.0.0.1:1/")(t.Context()), false},
		{"a listener without envoy's word is not", envoyReady(client, server.URL+"/bad", server.URL+"/ready")(t.Context()), false},
	}
	for _, test := range tests {
		if (test.err == nil) != test.ready {
			t.Errorf("%s: %v", test.name, test.err)
		}
	}
}
