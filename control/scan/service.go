package scan

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"gatehouse/filter/scan"
)

const (
	// stallFor is how long a client may leave a file unfinished without sending
	// any of it: it occupies the scanner meanwhile.
	stallFor = time.Minute
	// ackEvery is how many bytes the scanner takes before that is told; several
	// of them fit into scan.Window.
	ackEvery   = 64 << 10
	maxSilence = 5 * time.Minute
	minSilence = 100 * time.Millisecond
)

// Service serves scans to Envoy's filter, and to others in this process. It has
// no scanner before Use: what is asked for then fails.
type Service struct {
	log    *slog.Logger
	engine atomic.Pointer[engine]
	stall  time.Duration
}

// engine is a scanner with its places.
type engine struct {
	config  Config
	scanner Scanner
	places  chan struct{}
}

// NewService makes a service without a scanner.
func NewService(log *slog.Logger) *Service { return &Service{log: log, stall: stallFor} }

// Use makes the scanner of c the one that new scans go to; nil is none. Scans
// that are under way end where they are.
func (s *Service) Use(c *Config) error {
	if c == nil {
		s.engine.Store(nil)
		return nil
	}
	if e := s.engine.Load(); e != nil && e.config == *c {
		return nil // its places are taken, and its options known
	}
	scanner, err := New(*c)
	if err != nil {
		return err
	}
	places := c.MaxScans
	if places <= 0 {
		places = DefaultMaxScans
	}
	s.engine.Store(&engine{*c, scanner, make(chan struct{}, places)})
	return nil
}

// Available tells whether there is a scanner.
func (s *Service) Available() bool { return s.engine.Load() != nil }

var (
	errNoScanner = errors.New("control has no scanner: name one in control.scanner")
	errStalled   = errors.New("the upload stalled, and the scanner's place went to another")
)

// busyError says that no place has become free in time.
type busyError struct{ places int }

func (e busyError) Error() string {
	return "the scanner is busy with " + strconv.Itoa(e.places) + " files (control.scanner.max_scans)"
}
func (busyError) Timeout() bool { return true }

// Begin waits for a place and opens the scan of one file.
func (s *Service) Begin(ctx context.Context, kind string, silence time.Duration) (File, error) {
	e := s.engine.Load()
	if e == nil {
		return nil, errNoScanner
	}
	wait := time.NewTimer(silence)
	defer wait.Stop()
	select {
	case e.places <- struct{}{}:
	case <-wait.C:
		return nil, busyError{cap(e.places)}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	f, err := e.scanner.Begin(ctx, kind, silence)
	if err != nil {
		<-e.places
		return nil, err
	}
	return &placed{File: f, places: e.places}, nil
}

// placed gives its place back.
type placed struct {
	File
	places chan struct{}
}

func (p *placed) Close() {
	if p.places != nil {
		p.File.Close()
		<-p.places
		p.places = nil
	}
}

// Register adds the service to a gRPC server.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	r.RegisterService(&grpc.ServiceDesc{
		ServiceName: scan.Service,
		HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{{
			StreamName: scan.Method, ServerStreams: true, ClientStreams: true,
			Handler: func(_ any, stream grpc.ServerStream) error {
				return (&conversation{service: s, stream: stream}).run()
			},
		}},
	}, s)
}

// conversation is one stream: the files of one request, one after the other.
type conversation struct {
	service *Service
	stream  grpc.ServerStream
	file    File // nil between files, and once one was judged
	number  uint32
	taken   uint64
	told    uint64 // of taken
}

func (c *conversation) run() error {
	ctx := c.stream.Context()
	messages := make(chan *wrapperspb.BytesValue)
	over := make(chan struct{})
	go c.receive(ctx, messages, over)
	defer c.leave()
	stalled := time.NewTimer(c.service.stall)
	defer stalled.Stop()
	for {
		select {
		case b := <-messages:
			if err := c.take(ctx, b.GetValue()); err != nil {
				return err
			}
			stalled.Reset(c.service.stall)
		case <-stalled.C:
			if c.file != nil {
				if err := c.judged(failure(errStalled)); err != nil {
					return err
				}
			}
		case <-over: // the client is gone or done
			return nil
		}
	}
}

func (c *conversation) receive(ctx context.Context, messages chan<- *wrapperspb.BytesValue, over chan<- struct{}) {
	defer close(over)
	for {
		b := new(wrapperspb.BytesValue)
		if c.stream.RecvMsg(b) != nil {
			return
		}
		select {
		case messages <- b:
		case <-ctx.Done():
			return
		}
	}
}

func (c *conversation) take(ctx context.Context, b []byte) error {
	m, ok := scan.Parse(b)
	if !ok {
		return status.Error(codes.InvalidArgument, "not a message of "+scan.Service)
	}
	switch m.Op {
	case scan.Begin:
		return c.begin(ctx, m)
	case scan.Data:
		return c.data(m.Bytes)
	case scan.End:
		if c.file == nil {
			return nil // judged already
		}
		return c.judged(c.file.Finish())
	case scan.Forget:
		c.leave()
		return nil
	case scan.Taken, scan.Verdict:
	}
	return status.Error(codes.InvalidArgument, "a message that only the service sends")
}

func (c *conversation) begin(ctx context.Context, m scan.Message) error {
	c.leave()
	c.number = m.File
	silence := min(max(time.Duration(m.Millis)*time.Millisecond, minSilence), maxSilence)
	f, err := c.service.Begin(ctx, m.Kind, silence)
	if err != nil {
		return c.judged(failure(err))
	}
	c.file = f
	return nil
}

func (c *conversation) data(b []byte) error {
	c.taken += uint64(len(b))
	if c.file != nil && c.file.Write(b) {
		return c.judged(c.file.Finish())
	}
	if c.taken-c.told < ackEvery {
		return nil
	}
	c.told = c.taken
	return c.send(&scan.Message{Op: scan.Taken, Total: c.taken})
}

// judged ends the file with what was found.
func (c *conversation) judged(found scan.Finding) error {
	c.leave()
	if err := c.stream.Context().Err(); err != nil {
		return err // the request is over: nobody waits for the verdict
	}
	switch found.Outcome {
	case scan.Malicious:
		c.service.log.Warn("the scanner found something in an upload", "signature", found.Text)
	case scan.Failed, scan.TimedOut, scan.TooLarge:
		c.service.log.Error("an upload could not be scanned", "outcome", found.Outcome.String(), "reason", found.Text)
	case scan.None, scan.Clean:
	}
	return c.send(&scan.Message{Op: scan.Verdict, File: c.number, Outcome: found.Outcome, Text: found.Text})
}

func (c *conversation) leave() {
	if c.file != nil {
		c.file.Close()
		c.file = nil
	}
}

func (c *conversation) send(m *scan.Message) error {
	return c.stream.SendMsg(&wrapperspb.BytesValue{Value: m.Content()})
}
