package accesslog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	dataaccesslog "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	pb "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	"google.golang.org/grpc"

	"gatehouse/authz/event"
)

// quiet is how long a stream must be silent before a shutdown ends it: Envoy
// sends what it has buffered in one go.
const quiet = 50 * time.Millisecond

// Options are what a Service works with; all but Count are needed.
type Options struct {
	// Append takes over an event; it must not block for long.
	Append func(event.Event)
	// Client makes the pseudonym of an address.
	Client func(address string) string
	Now    func() time.Time
	Log    *slog.Logger
	// Count, if set, hears of each event.
	Count func(event.Event)
	// Ended, if set, hears of each entry whose request has ended; it must not block.
	Ended func(*dataaccesslog.HTTPAccessLogEntry)
}

// Service implements the access log service.
type Service struct {
	pb.UnimplementedAccessLogServiceServer

	append   func(event.Event)
	clientOf func(string) string
	count    func(event.Event)
	hear     func(*dataaccesslog.HTTPAccessLogEntry)
	now      func() time.Time
	log      *slog.Logger

	draining chan struct{}
	drain    sync.Once
}

// New makes a Service.
func New(o Options) *Service {
	s := &Service{append: o.Append, clientOf: o.Client, now: o.Now, log: o.Log, count: o.Count, hear: o.Ended, draining: make(chan struct{})}
	if s.count == nil {
		s.count = func(event.Event) {}
	}
	if s.hear == nil {
		s.hear = func(*dataaccesslog.HTTPAccessLogEntry) {}
	}
	return s
}

// Drain ends all streams as soon as they have delivered what is on its way.
// Envoy then opens a new one, elsewhere. Access log streams have no end of their
// own; without Drain a graceful stop would wait for ever.
func (s *Service) Drain() { s.drain.Do(func() { close(s.draining) }) }

type received struct {
	message *pb.StreamAccessLogsMessage
	err     error
}

// StreamAccessLogs takes entries until the stream ends. It never refuses a
// message: there is nobody who could send a better one.
func (s *Service) StreamAccessLogs(stream grpc.ClientStreamingServer[pb.StreamAccessLogsMessage, pb.StreamAccessLogsResponse]) error {
	messages := make(chan received)
	go pump(stream, messages)
	var from source
	for {
		m, quiet := s.next(messages)
		switch {
		case quiet:
			return end(stream)
		case m.err != nil:
			return s.ended(stream, m.err)
		}
		from = s.take(from, m.message)
	}
}

// next waits for a message; while draining, only until the stream is quiet.
func (s *Service) next(messages <-chan received) (m received, isQuiet bool) {
	select {
	case m := <-messages:
		return m, false
	case <-s.draining:
	}
	timer := time.NewTimer(quiet)
	defer timer.Stop()
	select {
	case m := <-messages:
		return m, false
	case <-timer.C:
	}
	select {
	case m := <-messages: // came with the end of the wait
		return m, false
	default:
		return received{}, true
	}
}

// pump ends with the stream, whose context ends when the handler returns.
func pump(stream grpc.ClientStreamingServer[pb.StreamAccessLogsMessage, pb.StreamAccessLogsResponse], to chan<- received) {
	for {
		m, err := stream.Recv()
		select {
		case to <- received{m, err}:
		case <-stream.Context().Done():
			return
		}
		if err != nil {
			return
		}
	}
}

func (s *Service) ended(stream grpc.ClientStreamingServer[pb.StreamAccessLogsMessage, pb.StreamAccessLogsResponse], err error) error {
	if errors.Is(err, io.EOF) {
		return end(stream)
	}
	if !errors.Is(stream.Context().Err(), context.Canceled) {
		s.log.Warn("an access log stream broke", "error", err)
	}
	return err
}

func end(stream grpc.ClientStreamingServer[pb.StreamAccessLogsMessage, pb.StreamAccessLogsResponse]) error {
	if err := stream.SendAndClose(&pb.StreamAccessLogsResponse{}); err != nil {
		return fmt.Errorf("end the access log stream: %w", err)
	}
	return nil
}

// take appends the events of one message. Only the first message of a stream
// carries the identifier.
func (s *Service) take(from source, m *pb.StreamAccessLogsMessage) source {
	if id := m.GetIdentifier(); id != nil {
		from = source{node: id.GetNode().GetId(), logName: id.GetLogName()}
	}
	for _, entry := range m.GetHttpLogs().GetLogEntry() {
		s.one(from, entry)
	}
	return from
}

func (s *Service) one(from source, entry *dataaccesslog.HTTPAccessLogEntry) {
	if !finished(entry) {
		return
	}
	s.hear(entry)
	e := s.convert(from, entry)
	s.count(e)
	s.append(e)
}
