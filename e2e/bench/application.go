package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"slices"
	"strings"
	"sync"

	"golang.org/x/net/http2/hpack"

	"gatehouse/e2e/pack"
)

// application is the upstream of browsers. It gives everybody the same answer, but for
// the request of the probe, which it keeps: whoever is compared must send the same on.
type application struct {
	mu   sync.Mutex
	head []string // of the last probe, in order
}

// probePath is where the probe goes.
const probePath = "/probe"

// startApplication serves HTTP/1.1 as cheaply as can be.
func startApplication(t pack.TB) (a *application, port string) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	a = &application{}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			go a.serve(conn)
		}
	}()
	_, port, _ = strings.Cut(listener.Addr().String(), ":")
	return a, port
}

func (a *application) serve(conn net.Conn) {
	defer conn.Close()
	reader := bufio.NewReaderSize(conn, 64<<10)
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return
		}
		answer := applicationAnswer
		if bytes.HasPrefix(line, []byte("GET "+probePath+" ")) {
			answer = probeAnswer
			err = a.keep(line, reader)
		} else {
			for err == nil && len(bytes.TrimRight(line, "\r\n")) > 0 {
				line, err = reader.ReadSlice('\n')
			}
		}
		if err != nil {
			return
		}
		if _, err := io.WriteString(conn, answer); err != nil {
			return
		}
	}
}

func (a *application) keep(first []byte, reader *bufio.Reader) error {
	head := []string{strings.TrimSpace(string(first))}
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return err
		}
		if line = strings.TrimSpace(line); line == "" {
			break
		}
		if strings.HasPrefix(line, "x-request-id: ") { // another each time
			line = "x-request-id: "
		}
		head = append(head, line)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.head = head
	return nil
}

// probed is what the last probe brought, sorted.
func (a *application) probed() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(slices.Values(a.head))
}

// probeRequest is a browser's request with lines that only Gatehouse may send on.
func probeRequest() []hpack.HeaderField {
	request := browserRequest()
	for i := range request {
		if request[i].Name == ":path" {
			request[i].Value = probePath
		}
	}
	return append(request,
		hpack.HeaderField{Name: "x-gatehouse-subject", Value: "admin"},
		hpack.HeaderField{Name: "x-gatehouse-anything", Value: "1"},
	)
}

// probeAnswer is of an application that says all that a strict policy changes: what it
// runs on, another opinion about frames, and CORS of its own.
const probeAnswer = "HTTP/1.1 200 OK\r\n" +
	"Server: Apache/2.4.66\r\n" +
	"X-Powered-By: PHP/8.4.1\r\n" +
	"Via: 1.1 varnish\r\n" +
	"X-Varnish: 32770\r\n" +
	"Vary: Accept-Encoding, Accept-Language\r\n" +
	"X-Frame-Options: SAMEORIGIN\r\n" +
	"Strict-Transport-Security: max-age=60\r\n" +
	"Access-Control-Allow-Origin: *\r\n" +
	"Access-Control-Expose-Headers: ETag\r\n" +
	"ETag: \"1\"\r\n" +
	"Content-Length: 0\r\n\r\n"
