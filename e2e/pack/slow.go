package pack

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// SlowProxy passes TCP on to one address and holds each piece back for as long as it
// is told, in both directions. What is under way when the delay changes keeps its own.
type SlowProxy struct {
	// Addr is where it listens.
	Addr string

	target   string
	delay    atomic.Int64
	listener net.Listener
	mu       sync.Mutex
	open     map[net.Conn]struct{}
}

// StartSlowProxy listens on a port of the system's choice until the test ends.
func StartSlowProxy(t TB, target string) *SlowProxy {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &SlowProxy{Addr: listener.Addr().String(), target: target, listener: listener, open: map[net.Conn]struct{}{}}
	var serving sync.WaitGroup
	serving.Go(func() { p.serve(&serving) })
	t.Cleanup(func() {
		_ = listener.Close()
		p.Cut()
		serving.Wait()
	})
	return p
}

// Delay sets how long each piece is held back, in each direction.
func (p *SlowProxy) Delay(d time.Duration) { p.delay.Store(int64(d)) }

// Cut closes all connections that are open.
func (p *SlowProxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		_ = c.Close()
	}
}

func (p *SlowProxy) serve(serving *sync.WaitGroup) {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // the test has ended
		}
		server, err := net.DialTimeout("tcp4", p.target, time.Second)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.open[client], p.open[server] = struct{}{}, struct{}{}
		p.mu.Unlock()
		serving.Go(func() { p.pass(client, server) })
		serving.Go(func() { p.pass(server, client) })
	}
}

type piece struct {
	data []byte
	due  time.Time
}

// pass ends both connections when one side does.
func (p *SlowProxy) pass(from, to net.Conn) {
	pieces := make(chan piece, 1024)
	go func() {
		defer close(pieces)
		for {
			buffer := make([]byte, 16<<10)
			n, err := from.Read(buffer)
			if n > 0 {
				pieces <- piece{buffer[:n], time.Now().Add(time.Duration(p.delay.Load()))}
			}
			if err != nil {
				return
			}
		}
	}()
	broken := false
	for piece := range pieces {
		if wait := time.Until(piece.due); wait > 0 && !broken {
			<-time.After(wait)
		}
		if _, err := to.Write(piece.data); err != nil && !broken {
			broken = true
			_ = from.Close() // ends the reader, too
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range []io.Closer{from, to} {
		_ = c.Close()
	}
	delete(p.open, from)
	delete(p.open, to)
}
