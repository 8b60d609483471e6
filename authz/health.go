package authz

import (
	"context"
	"os"
	"time"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"gatehouse/authz/internal/every"
)

// healthEvery is how soon gRPC health tells what /readyz tells.
const healthEvery = 200 * time.Millisecond

func (s *server) readiness() readiness {
	state := readiness{Policy: s.policy.Status(), Redis: s.watcher.current()}
	state.Ready = state.Policy.Loaded
	if s.domains != nil {
		state.RateLimit = &domains{Domains: s.domains.Current().Domains()}
		state.Ready = state.Ready || s.o.RateLimitXDS == nil || state.RateLimit.Domains > 0
	}
	return state
}

func (s *server) followHealth(ctx context.Context) {
	every.Turn(ctx, healthEvery, func(context.Context) { s.reportHealth() })
}

// reportHealth tells gRPC health by service: the RateLimitService can do without
// a policy, and the access log is always taken.
func (s *server) reportHealth() {
	state := s.readiness()
	s.health.SetServingStatus("", serving(state.Ready))
	for name := range s.grpc.GetServiceInfo() {
		ok := true
		if name == "envoy.service.auth.v3.Authorization" {
			ok = state.Policy.Loaded
		}
		s.health.SetServingStatus(name, serving(ok))
	}
}

func serving(ok bool) healthv1.HealthCheckResponse_ServingStatus {
	if ok {
		return healthv1.HealthCheckResponse_SERVING
	}
	return healthv1.HealthCheckResponse_NOT_SERVING
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "authz" // no more than a label
	}
	return name
}
