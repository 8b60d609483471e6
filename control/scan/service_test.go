package scan

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"gatehouse/e2e/pack"
	"gatehouse/filter/scan"
)

// link speaks to a Service as Envoy does for the filter.
type link struct {
	t      *testing.T
	stream grpc.ClientStream
}

func serve(t *testing.T, s *Service) *link {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	s.Register(server)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/"+scan.Service+"/"+scan.Method)
	if err != nil {
		t.Fatal(err)
	}
	return &link{t, stream}
}

func (l *link) Open() (scan.Link, error) { return l, nil }
func (l *link) Close()                   { _ = l.stream.CloseSend() }

func (l *link) Send(message []byte) error {
	m, ok := scan.Read(message)
	if !ok {
		l.t.Errorf("no message: %q", message)
	}
	return l.stream.SendMsg(&wrapperspb.BytesValue{Value: m.Content()})
}

// answer gives the session what comes next.
func (l *link) answer(s *scan.Session) {
	l.t.Helper()
	b := new(wrapperspb.BytesValue)
	if err := l.stream.RecvMsg(b); err != nil {
		l.t.Fatal(err)
	}
	m, ok := scan.Parse(b.GetValue())
	if !ok {
		l.t.Fatalf("no message: %q", b.GetValue())
	}
	s.Receive(m.AppendTo(nil))
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestASessionAndTheServiceUnderstandEachOther(t *testing.T) {
	t.Parallel()
	clamd := pack.StartClamd(t)
	service := NewService(quiet())
	if err := service.Use(&Config{Kind: Clamd, Address: clamd.Socket}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, content string
		want          scan.Outcome
	}{
		{"clean", "an honest text", scan.None},
		{"clean and long", strings.Repeat("an honest text\n", 60_000), scan.None},
		{"bad", clamd.Signature, scan.Malicious},
		{"bad and long", strings.Repeat("an honest text\n", 60_000) + clamd.Signature, scan.Malicious},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := serve(t, service)
			var s scan.Session
			s.Start(scan.Settings{Always: true, Millis: 5000}, l)
			s.Begin("txt")
			for rest := tt.content; rest != ""; {
				n := min(len(rest), 50_000)
				s.Write([]byte(rest[:n]))
				rest = rest[n:]
				for s.Waiting() {
					l.answer(&s)
				}
			}
			s.End(false)
			for s.Waiting() {
				l.answer(&s)
			}
			if bad, _ := s.Bad(); bad.Outcome != tt.want {
				t.Errorf("%v %q", bad.Outcome, bad.Text)
			}
		})
	}
}
