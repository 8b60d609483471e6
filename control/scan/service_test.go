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

func TestMoreFilesThanTheScannerTakesAreATimeOutOnceTheyHaveWaited(t *testing.T) {
	t.Parallel()
	clamd := pack.StartClamd(t)
	service := NewService(quiet())
	if err := service.Use(&Config{Kind: Clamd, Address: clamd.Socket, MaxScans: 2}); err != nil {
		t.Fatal(err)
	}
	var open []File
	for range 2 {
		f, err := service.Begin(t.Context(), "txt", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, f)
	}
	_, err := service.Begin(t.Context(), "txt", minSilence)
	if found := Failure(err); err == nil || found.Outcome != scan.TimedOut || !strings.Contains(found.Text, "max_scans") {
		t.Errorf("%v, %+v", err, found)
	}
	open[0].Close()
	open[0].Close() // gives one place back, however often it is called
	f, err := service.Begin(t.Context(), "txt", time.Minute)
	if err != nil {
		t.Fatalf("no place after one was given back: %v", err)
	}
	if found := f.Finish(); found.Outcome != scan.Clean {
		t.Errorf("%+v", found)
	}
	if _, err := service.Begin(t.Context(), "txt", minSilence); err == nil {
		t.Error("a place was given back twice")
	}
	f.Close()
	open[1].Close()
}

func TestARequestThatWaitsForAPlaceInVainIsWhatThePolicySaysOfATimeOut(t *testing.T) {
	t.Parallel()
	clamd := pack.StartClamd(t)
	service := NewService(quiet())
	if err := service.Use(&Config{Kind: Clamd, Address: clamd.Socket, MaxScans: 1}); err != nil {
		t.Fatal(err)
	}
	f, err := service.Begin(t.Context(), "txt", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, accept := range []bool{false, true} {
		l := serve(t, service)
		var s scan.Session
		s.Start(scan.Settings{Always: true, Millis: 500, AcceptTimeout: accept}, l)
		s.Begin("txt")
		s.Write([]byte("an honest text"))
		s.End(false)
		for s.Waiting() {
			l.answer(&s)
		}
		bad, refused := s.Bad()
		noted, told := s.Noted()
		if refused == accept || told != accept || (bad.Outcome != scan.TimedOut && noted.Outcome != scan.TimedOut) {
			t.Errorf("accept %v: bad %+v, noted %+v", accept, bad, noted)
		}
	}
}

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
