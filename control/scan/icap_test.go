package scan

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"gatehouse/e2e/pack"
	"gatehouse/filter/scan"
)

func TestARealICAPServerThatGivesBackWhatItGotFoundNothing(t *testing.T) {
	t.Parallel()
	address, err := pack.StartICAP(t)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Kind: ICAP, Address: address, Service: "echo"})
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1, 100, 1023, 1024, 1025, 5000, 3 << 20} {
		if got := feed(t, s, strings.Repeat("x", size), 10*time.Second); got.Outcome != scan.Clean {
			t.Errorf("%d bytes: %v %q", size, got.Outcome, got.Text)
		}
	}
	unknown, err := New(Config{Kind: ICAP, Address: address, Service: "nothing"})
	if err != nil {
		t.Fatal(err)
	}
	if got := feed(t, unknown, "x", 5*time.Second); got.Outcome != scan.Failed {
		t.Errorf("a service that is not there: %v %q", got.Outcome, got.Text)
	}
}

// scanner is an ICAP server of the test's own, for the answers that c-icap gives
// only with a scanner behind it. It finds "BAD".
func icapScanner(t *testing.T, options, answer string) string {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go icapAnswerOne(conn, options, answer)
		}
	}()
	return listener.Addr().String()
}

func icapAnswerOne(conn net.Conn, options, answer string) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	r := bufio.NewReader(conn)
	text := textproto.NewReader(r)
	line, _ := text.ReadLine()
	head, _ := text.ReadMIMEHeader()
	if strings.HasPrefix(line, "OPTIONS") {
		fmt.Fprintf(conn, "ICAP/1.0 200 OK\r\nMethods: RESPMOD\r\n%sEncapsulated: null-body=0\r\n\r\n", options)
		return
	}
	for range strings.Count(head.Get("Encapsulated"), "hdr=") {
		_, _ = text.ReadLine()
		_, _ = text.ReadMIMEHeader()
	}
	body, _ := io.ReadAll(httputil.NewChunkedReader(r))
	if head.Get("Preview") != "" {
		_, _ = text.ReadLine()
		if !strings.Contains(string(body), "BAD") && answer != "" {
			fmt.Fprint(conn, "ICAP/1.0 100 Continue\r\n\r\n")
			more, _ := io.ReadAll(httputil.NewChunkedReader(r))
			body = append(body, more...)
		}
	}
	if strings.Contains(string(body), "BAD") {
		fmt.Fprint(conn, answer)
		return
	}
	fmt.Fprint(conn, "ICAP/1.0 204 No Content\r\n\r\n")
}

func TestTheAnswersOfICAPServersAreReadWithSuspicion(t *testing.T) {
	t.Parallel()
	page := "HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\n\r\n5\r\nnever\r\n0\r\n\r\n"
	tests := []struct {
		name, options, answer, content string
		want                           scan.Outcome
		text                           string
	}{
		{"204 is clean", "", "x", "good", scan.Clean, ""},
		{"204 after the preview is clean", "Preview: 10\r\n", "x", strings.Repeat("good", 100), scan.Clean, ""},
		{"a header names the threat", "", "ICAP/1.0 200 OK\r\nX-Infection-Found: Type=0; Resolution=2; Threat=Worm.Test;\r\nEncapsulated: res-hdr=0, res-body=44\r\n\r\n" + page,
			"a BAD file", scan.Malicious, "Worm.Test"},
		{"a page in the file's place", "", "ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=44\r\n\r\n" + page,
			"a BAD file", scan.Malicious, "the ICAP server put something else in its place"},
		{"found behind the preview", "Preview: 10\r\n", "ICAP/1.0 200 OK\r\nX-Virus-ID: Worm\r\nEncapsulated: null-body=0\r\n\r\n",
			strings.Repeat("good", 100) + "BAD", scan.Malicious, "Worm"},
		{"too busy", "", "ICAP/1.0 503 Service overloaded\r\n\r\n", "BAD", scan.Failed, "the ICAP server says 503"},
		{"no ICAP", "", "HTTP/1.1 204 No Content\r\n\r\n", "BAD", scan.Failed, "read from the ICAP server: an answer that is not ICAP"},
		{"closes without a word", "", "", "BAD", scan.Failed, "read from the ICAP server: EOF"},
		{"a head without end", "", "ICAP/1.0 204 No Content\r\n" + strings.Repeat("X-More: and more\r\n", 10_000), "BAD", scan.Failed, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := New(Config{Kind: ICAP, Address: icapScanner(t, tt.options, tt.answer), Service: "scan"})
			if err != nil {
				t.Fatal(err)
			}
			got := feed(t, s, tt.content, 5*time.Second)
			if got.Outcome != tt.want || tt.text != "" && got.Text != tt.text {
				t.Errorf("%v %q, want %v %q", got.Outcome, got.Text, tt.want, tt.text)
			}
		})
	}
}
