package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"time"
)

// drive sends requests over one connection until the deadline. It reads
// no more of HTTP than the status and the length, because a client that costs
// more than Envoy would measure itself.
func drive(to front, request func() []byte, accepts func(status []byte) bool, deadline time.Time) ([]time.Duration, error) {
	conn, err := to.dial(deadline, 10*time.Second, overHTTP1)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	reader := bufio.NewReaderSize(conn, 16<<10)
	var latencies []time.Duration
	for {
		began := time.Now()
		if began.After(deadline) {
			return latencies, nil
		}
		if _, err := conn.Write(request()); err != nil {
			return nil, err
		}
		if err := readAnswer(reader, accepts); err != nil {
			return nil, err
		}
		latencies = append(latencies, time.Since(began))
	}
}

var lengthField = []byte("content-length: ")

func readAnswer(r *bufio.Reader, accepts func(status []byte) bool) error {
	status, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if code, found := bytes.CutPrefix(status, []byte("HTTP/1.1 ")); !found || len(code) < 3 || !accepts(code[:3]) {
		return fmt.Errorf("answer %q", status)
	}
	length := -1
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if value, found := bytes.CutPrefix(line, lengthField); found {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return fmt.Errorf("answer without a length")
	}
	_, err = io.CopyN(io.Discard, r, int64(length))
	return err
}

func isOK(status []byte) bool { return string(status) == "200" }
