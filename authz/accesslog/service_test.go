package accesslog

import (
	"context"
	"net"
	"strconv"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	dataaccesslog "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	pb "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"gatehouse/authz/event"
)

const patience = 10 * time.Second

// serve runs the service over gRPC in memory.
func serve(t *testing.T, s *Service) (pb.AccessLogServiceClient, *grpc.Server) {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	pb.RegisterAccessLogServiceServer(server, s)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///memory", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return pb.NewAccessLogServiceClient(conn), server
}

func message(node string, entries ...*dataaccesslog.HTTPAccessLogEntry) *pb.StreamAccessLogsMessage {
	m := &pb.StreamAccessLogsMessage{LogEntries: &pb.StreamAccessLogsMessage_HttpLogs{
		HttpLogs: &pb.StreamAccessLogsMessage_HTTPAccessLogEntries{LogEntry: entries},
	}}
	if node != "" {
		m.Identifier = &pb.StreamAccessLogsMessage_Identifier{Node: &corev3.Node{Id: node}, LogName: "log"}
	}
	return m
}

func open(t *testing.T, client pb.AccessLogServiceClient) grpc.ClientStreamingClient[pb.StreamAccessLogsMessage, pb.StreamAccessLogsResponse] {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	stream, err := client.StreamAccessLogs(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func TestEachFinishedEntryIsOneEventAndTheFirstMessageNamesTheSender(t *testing.T) {
	events := make(chan event.Event, 10)
	client, _ := serve(t, service(func(e event.Event) { events <- e }))
	stream := open(t, client)
	started := func(e *dataaccesslog.HTTPAccessLogEntry) {
		e.CommonProperties.AccessLogType = dataaccesslog.AccessLogType_DownstreamStart
	}
	halfway := func(e *dataaccesslog.HTTPAccessLogEntry) {
		e.CommonProperties.IntermediateLogEntry = true //nolint:staticcheck // older Envoys set it
	}
	ended := func(e *dataaccesslog.HTTPAccessLogEntry) {
		e.CommonProperties.AccessLogType = dataaccesslog.AccessLogType_DownstreamEnd
	}
	for _, m := range []*pb.StreamAccessLogsMessage{
		message("envoy-1", entry(started), entry(halfway), entry(ended)),
		message("", entry()),
		{}, // TCP logs, or nothing
	} {
		if err := stream.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := stream.CloseAndRecv(); err != nil {
		t.Fatal(err)
	}
	if len(events) != 2 {
		t.Fatalf("%d events", len(events))
	}
	for range 2 {
		if e := <-events; e.Instance != "envoy-1" {
			t.Errorf("instance %q", e.Instance)
		}
	}
}

func TestDrainTakesWhatIsOnItsWayAndThenEndsTheStream(t *testing.T) {
	const n = 2000
	events := make(chan event.Event, n)
	s := service(func(e event.Event) { events <- e })
	client, server := serve(t, s)
	stream := open(t, client)
	for i := range n {
		if err := stream.Send(message(strconv.Itoa(i), entry())); err != nil {
			t.Fatal(err)
		}
	}
	s.Drain()
	s.Drain() // twice is once
	stopped := make(chan struct{})
	go func() {
		server.GracefulStop()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-time.After(patience):
		t.Fatal("an open stream keeps the server from stopping")
	}
	if len(events) != n {
		t.Errorf("%d of %d entries became events", len(events), n)
	}
}
