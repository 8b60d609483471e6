package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"gatehouse/e2e/pack"
)

// startDrain is an upstream for uploads, which says that all is well.
func startDrain(t pack.TB) (addr string) { return startUpstream(t, drained) }

// startUpstream serves HTTP/1.1 as cheaply as can be: it reads a request with its
// Content-Length and gives the same answer to each. A real server would be measured
// together with Envoy.
func startUpstream(t pack.TB, answer string) (addr string) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			go drain(conn, answer)
		}
	}()
	return listener.Addr().String()
}

const drained = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func drain(conn net.Conn, answer string) {
	defer conn.Close()
	reader := bufio.NewReaderSize(conn, 64<<10)
	forget := make([]byte, 256<<10)
	for {
		length := int64(0)
		for {
			line, err := reader.ReadSlice('\n')
			if err != nil {
				return
			}
			if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
				break
			}
			if value, found := bytes.CutPrefix(line, lengthField); found {
				if length, err = strconv.ParseInt(string(value), 10, 64); err != nil {
					return
				}
			}
		}
		for length > 0 {
			n, err := reader.Read(forget[:min(length, int64(len(forget)))])
			if err != nil {
				return
			}
			length -= int64(n)
		}
		if _, err := io.WriteString(conn, answer); err != nil {
			return
		}
	}
}

// sendUploads sends the same upload over one connection until the deadline.
func sendUploads(to front, b body, deadline time.Time) (sent int64, err error) {
	conn, err := to.dial(deadline, 60*time.Second, overHTTP1)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	reader := bufio.NewReaderSize(conn, 16<<10)
	write := writerOf(conn)
	head := fmt.Appendf(nil, "POST /upload%s HTTP/1.1\r\nHost: shop.example\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", b.path, b.contentType, b.size())
	for time.Now().Before(deadline) {
		if err := write(head, b.pieces); err != nil {
			return sent, err
		}
		if err := readAnswer(reader, isOK); err != nil {
			return sent, err
		}
		sent += b.size()
	}
	return sent, nil
}

// writerOf writes pieces as a browser does: small ones together, in one call to the
// kernel or one record of TLS.
func writerOf(conn net.Conn) func(head []byte, pieces [][]byte) error {
	if _, plain := conn.(*net.TCPConn); plain {
		return func(head []byte, pieces [][]byte) error {
			buffers := append(net.Buffers{head}, pieces...)
			_, err := buffers.WriteTo(conn)
			return err
		}
	}
	buffered := bufio.NewWriterSize(conn, recordSize)
	return func(head []byte, pieces [][]byte) error {
		for _, piece := range append([][]byte{head}, pieces...) {
			if _, err := buffered.Write(piece); err != nil {
				return err
			}
		}
		return buffered.Flush()
	}
}

// recordSize is the most that a record of TLS holds (RFC 8446 section 5.1).
const recordSize = 16 << 10

// sendUploadsHTTP2 does the same as a browser does, which comes over HTTP/2.
func sendUploadsHTTP2(to front, b body, deadline time.Time) (sent int64, err error) {
	c, err := connect(to, browserUpload(b), deadline.Add(60*time.Second))
	if err != nil {
		return 0, err
	}
	defer c.conn.Close()
	for time.Now().Before(deadline) {
		if err := c.post(b); err != nil {
			return sent, err
		}
		if _, err := c.await(); err != nil {
			return sent, err
		}
		sent += b.size()
	}
	return sent, nil
}
