package quota

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	pb "github.com/envoyproxy/go-control-plane/envoy/service/rate_limit_quota/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/durationpb"

	"gatehouse/authz/ratelimit"
)

const quotaYAML = `
domain: shop
descriptors:
  - key: path
    value: /orders
    rate_limit: {unit: minute, requests_per_unit: 100}
    descriptors:
      - {key: user, rate_limit: {unit: second, requests_per_unit: 5}}
      - {key: robot, rate_limit: {unlimited: true}}
  - {key: tried, shadow_mode: true, rate_limit: {unit: minute, requests_per_unit: 1}}
`

func config(t *testing.T) *ratelimit.Config {
	t.Helper()
	c, err := ratelimit.Parse([]ratelimit.File{{Name: "shop.yaml", Data: []byte(quotaYAML)}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// serve runs a Service and gives a client of it.
func serve(t *testing.T, shares *Shares) pb.RateLimitQuotaServiceClient {
	t.Helper()
	c := config(t)
	server := grpc.NewServer()
	pb.RegisterRateLimitQuotaServiceServer(server, New(func() *ratelimit.Config { return c }, shares, slog.New(slog.DiscardHandler)))
	listener := bufconn.Listen(1 << 16)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return pb.NewRateLimitQuotaServiceClient(conn)
}

func stream1(t *testing.T, client pb.RateLimitQuotaServiceClient) pb.RateLimitQuotaService_StreamRateLimitQuotasClient {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	st, err := client.StreamRateLimitQuotas(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func usage(allowed uint64, elapsed time.Duration, pairs ...string) *pb.RateLimitQuotaUsageReports {
	id := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		id[pairs[i]] = pairs[i+1]
	}
	return &pb.RateLimitQuotaUsageReports{Domain: "shop", BucketQuotaUsages: []*pb.RateLimitQuotaUsageReports_BucketQuotaUsage{{
		BucketId: &pb.BucketId{Bucket: id}, NumRequestsAllowed: allowed, TimeElapsed: durationpb.New(elapsed),
	}}}
}

// ask reports once and reads the answer.
func ask(t *testing.T, st pb.RateLimitQuotaService_StreamRateLimitQuotasClient, report *pb.RateLimitQuotaUsageReports) *pb.RateLimitQuotaResponse_BucketAction_QuotaAssignmentAction {
	t.Helper()
	if err := st.Send(report); err != nil {
		t.Fatal(err)
	}
	out, err := st.Recv()
	if err != nil {
		t.Fatal(err)
	}
	return out.GetBucketAction()[0].GetQuotaAssignmentAction()
}

func TestABucketIsDealtItsRule(t *testing.T) {
	t.Parallel()
	shares, _ := newShares(t)
	st := stream1(t, serve(t, shares))
	for _, c := range []struct {
		name    string
		id      []string
		max     uint32
		fill    uint32
		every   time.Duration
		blanket typev3.RateLimitStrategy_BlanketRule
	}{
		{"a rule, spread over its window", []string{"path", "/orders"}, 10, 100, time.Minute, 0},
		{"nested, in any order", []string{"user", "ann", "path", "/orders"}, 1, 5, time.Second, 0},
		{"unlimited", []string{"path", "/orders", "robot", "r"}, 0, 0, 0, typev3.RateLimitStrategy_ALLOW_ALL},
		{"without a rule", []string{"path", "/other"}, 0, 0, 0, typev3.RateLimitStrategy_ALLOW_ALL},
		{"shadow", []string{"tried", "x"}, 0, 0, 0, typev3.RateLimitStrategy_ALLOW_ALL},
	} {
		got := ask(t, st, usage(0, 0, c.id...))
		bucket := got.GetRateLimitStrategy().GetTokenBucket()
		if bucket.GetMaxTokens() != c.max || bucket.GetTokensPerFill().GetValue() != c.fill || bucket.GetFillInterval().AsDuration() != c.every ||
			got.GetRateLimitStrategy().GetBlanketRule() != c.blanket {
			t.Errorf("%s: %v", c.name, got)
		}
		if life := got.GetAssignmentTimeToLive().AsDuration(); life != minLife {
			t.Errorf("%s: lives %s", c.name, life)
		}
	}
}

func TestTwoEnvoysShareALimitAndTheLastOneGetsItBack(t *testing.T) {
	t.Parallel()
	shares, _ := newShares(t)
	client := serve(t, shares)
	one, two := stream1(t, client), stream1(t, client)
	tokens := func(st pb.RateLimitQuotaService_StreamRateLimitQuotasClient, allowed uint64) uint32 {
		return ask(t, st, usage(allowed, 10*time.Second, "path", "/orders")).GetRateLimitStrategy().GetTokenBucket().GetTokensPerFill().GetValue()
	}
	tokens(one, 10)
	tokens(two, 10)
	tokens(one, 10)
	if a, b := tokens(one, 10), tokens(two, 10); a != 50 || b != 50 {
		t.Errorf("%d and %d a minute, want half each", a, b)
	}
	if err := one.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := one.Recv(); err == nil {
		t.Fatal("the stream goes on")
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		got := tokens(two, 10)
		if got == 100 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the other's share is not free: %d", got)
		}
	}
}

func TestAReportThatMakesNoSenseEndsTheStream(t *testing.T) {
	t.Parallel()
	shares, _ := newShares(t)
	client := serve(t, shares)
	for name, reports := range map[string][]*pb.RateLimitQuotaUsageReports{
		"no domain":         {{}},
		"two domains":       {usage(0, 0, "path", "/orders"), {Domain: "other"}},
		"a domain too long": {{Domain: strings.Repeat("x", maxDomain+1)}},
	} {
		st := stream1(t, client)
		for _, report := range reports {
			if err := st.Send(report); err != nil {
				t.Fatal(err)
			}
		}
		err := error(nil)
		for err == nil {
			_, err = st.Recv()
		}
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWithoutRedisAnEnvoyKeepsWhatItHas(t *testing.T) {
	t.Parallel()
	shares, _ := newShares(t)
	st := stream1(t, serve(t, shares))
	ask(t, st, usage(1, time.Second, "path", "/orders"))
	if err := shares.redis.Close(); err != nil {
		t.Fatal(err)
	}
	if err := st.Send(usage(1, time.Second, "path", "/orders")); err != nil {
		t.Fatal(err)
	}
	// The next answer is about another bucket: of the first nothing was said.
	if got := ask(t, st, usage(1, time.Second, "path", "/other")); got.GetRateLimitStrategy().GetBlanketRule() != typev3.RateLimitStrategy_ALLOW_ALL {
		t.Errorf("%v", got)
	}
}
