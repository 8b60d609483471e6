package ratelimit_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"gatehouse/authz/internal/redistest"
	"gatehouse/authz/limit"
	"gatehouse/authz/ratelimit"
	"gatehouse/authz/ratelimit/conformance"
)

// direct calls a Service without a network between.
type direct struct{ *ratelimit.Service }

func (d direct) ShouldRateLimit(ctx context.Context, in *pb.RateLimitRequest, _ ...grpc.CallOption) (*pb.RateLimitResponse, error) {
	return d.Service.ShouldRateLimit(ctx, in)
}

func TestItAnswersAsEnvoyproxyRatelimitDoes(t *testing.T) {
	t.Parallel()
	now := func() time.Time { return time.Date(2026, 11, 24, 12, 0, 10, 0, time.UTC) }
	windows := limit.NewWindows(redistest.Start(t).Client(), 5*time.Second, now)
	cases := conformance.Cases()
	if len(cases) < 80 {
		t.Fatalf("%d cases", len(cases))
	}
	for n, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			config, err := ratelimit.Parse([]ratelimit.File{{Name: "case.yaml", Data: c.File(n)}})
			if err != nil {
				t.Fatal(err)
			}
			s := ratelimit.New(ratelimit.Options{
				Current: func() *ratelimit.Config { return config }, Limits: windows, Log: slog.New(slog.DiscardHandler),
				Metrics: ratelimit.NewMetrics(prometheus.NewRegistry()),
				Headers: ratelimit.Headers{
					Limit: conformance.LimitHeader, Remaining: conformance.RemainingHeader, Reset: conformance.ResetHeader,
				},
				Shadow: c.Mode == conformance.Shadow, Quota: c.Mode == conformance.Quota, Metadata: c.Mode == conformance.Metadata,
			})
			if err := c.Check(t.Context(), direct{s}, n, now); err != nil {
				t.Error(err)
			}
		})
	}
}
