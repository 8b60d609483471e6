package authz

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"
)

// preface begins each HTTP/2 connection (RFC 9113 section 3.4); no HTTP/1.1
// request can begin so.
var preface = []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

const (
	// prefaceWithin is how long a connection may take to say what it speaks.
	prefaceWithin = 5 * time.Second
	// maxUndecided bounds the connections that have not said so yet.
	maxUndecided = 1024
)

// splitter shares one listener between gRPC and HTTP/1.1, so that gRPC keeps its
// own transport instead of going through net/http's.
type splitter struct {
	net.Listener
	grpc, http *branch
	undecided  chan struct{}
	log        *slog.Logger
	done       chan struct{}
	stop       sync.Once
}

func split(l net.Listener, log *slog.Logger) *splitter {
	s := &splitter{Listener: l, undecided: make(chan struct{}, maxUndecided), log: log, done: make(chan struct{})}
	s.grpc, s.http = s.branch(), s.branch()
	return s
}

func (s *splitter) branch() *branch { return &branch{of: s, conns: make(chan net.Conn)} }

// serve accepts until the listener is closed.
func (s *splitter) serve() error {
	for {
		conn, err := s.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			var transient interface{ Temporary() bool }
			if errors.As(err, &transient) && transient.Temporary() { // out of file descriptors
				s.log.Warn("a connection could not be accepted", "error", err)
				if s.wait() {
					continue
				}
				return nil
			}
			return err
		}
		select {
		case s.undecided <- struct{}{}:
			go s.decide(conn)
		default:
			_ = conn.Close() // too many that say nothing: the newest gives way
		}
	}
}

func (s *splitter) wait() bool {
	timer := time.NewTimer(50 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-s.done:
		return false
	case <-timer.C:
		return true
	}
}

// Close ends accepting, on both branches.
func (s *splitter) Close() error {
	s.stop.Do(func() { close(s.done) })
	return s.Listener.Close()
}

func (s *splitter) decide(conn net.Conn) {
	defer func() { <-s.undecided }()
	read, isHTTP2, err := readPreface(conn)
	if err != nil {
		_ = conn.Close() // it never said anything that could be answered
		return
	}
	to := s.http
	if isHTTP2 {
		to = s.grpc
	}
	select {
	case to.conns <- &replayed{Conn: conn, head: read}:
	case <-s.done:
		_ = conn.Close()
	}
}

// readPreface reads only until the bytes differ from the preface: an HTTP/1.1
// request may be shorter than it.
func readPreface(conn net.Conn) (read []byte, isHTTP2 bool, err error) {
	if err := conn.SetReadDeadline(time.Now().Add(prefaceWithin)); err != nil {
		return nil, false, err
	}
	buffer := make([]byte, len(preface))
	n := 0
	for n < len(buffer) {
		m, err := conn.Read(buffer[n:])
		n += m
		if n > 0 && !bytes.HasPrefix(preface, buffer[:n]) {
			break
		}
		if err != nil {
			return nil, false, err
		}
	}
	return buffer[:n], bytes.Equal(buffer[:n], preface), conn.SetReadDeadline(time.Time{})
}

// replayed gives back what was read to decide.
type replayed struct {
	net.Conn
	head []byte
}

func (c *replayed) Read(p []byte) (int, error) {
	if len(c.head) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.head)
	c.head = c.head[n:]
	return n, nil
}

// branch is the listener of one of the two.
type branch struct {
	of    *splitter
	conns chan net.Conn
}

func (b *branch) Accept() (net.Conn, error) {
	select {
	case conn := <-b.conns:
		return conn, nil
	case <-b.of.done:
		return nil, net.ErrClosed
	}
}

func (b *branch) Close() error   { return b.of.Close() }
func (b *branch) Addr() net.Addr { return b.of.Addr() }
