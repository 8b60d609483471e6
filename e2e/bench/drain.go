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

// startDrain serves HTTP/1.1 as cheaply as can be: it reads a request with its
// Content-Length and says that all is well. A real server would be measured
// together with Envoy.
func startDrain(t pack.TB) (addr string) {
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
			go drain(conn)
		}
	}()
	return listener.Addr().String()
}

const drained = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func drain(conn net.Conn) {
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
		if _, err := io.WriteString(conn, drained); err != nil {
			return
		}
	}
}

// sendUploads sends the same upload over one connection until the deadline.
func sendUploads(addr string, b body, deadline time.Time) (sent int64, err error) {
	conn, err := net.DialTimeout("tcp4", addr, 5*time.Second)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(deadline.Add(60 * time.Second)); err != nil {
		return 0, err
	}
	reader := bufio.NewReaderSize(conn, 16<<10)
	head := fmt.Appendf(nil, "POST /upload%s HTTP/1.1\r\nHost: shop.example\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", b.path, b.contentType, b.size())
	for time.Now().Before(deadline) {
		buffers := append(net.Buffers{head}, b.pieces...)
		if _, err := buffers.WriteTo(conn); err != nil {
			return sent, err
		}
		if err := readAnswer(reader, isOK); err != nil {
			return sent, err
		}
		sent += b.size()
	}
	return sent, nil
}
