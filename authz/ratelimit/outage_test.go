package ratelimit

import (
	"testing"
	"time"

	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"gatehouse/authz/internal/redistest"
	"gatehouse/authz/limit"
)

func withoutRedis(t *testing.T, on OnError, members int64) *Service {
	t.Helper()
	s := service(t, mustParse(t, "domain: d\ndescriptors: [{key: k, rate_limit: {unit: day, requests_per_unit: 9}}, {key: s, shadow_mode: true, rate_limit: {unit: day, requests_per_unit: 1}}]\n"),
		limit.NewWindows(redistest.Deaf(t), storeWithin, nil))
	s.o.OnError = on
	s.o.Local = &Local{Limiter: limit.NewLocal(limit.DefaultLocalBudget, func() time.Time { return noon }), Members: func() int64 { return members }}
	return s
}

func TestWhatARequestGetsWithoutRedis(t *testing.T) {
	t.Parallel()
	for on, want := range map[OnError]pb.RateLimitResponse_Code{OnErrorDeny: over, OnErrorAllow: ok, OnErrorLocal: ok} {
		s := withoutRedis(t, on, 1)
		if out := should(t, s, ask("d", 0, descriptor("k", "v"))); out.GetOverallCode() != want {
			t.Errorf("%s: %v", on, out)
		}
		if out := should(t, s, ask("d", 0, descriptor("s", "v"))); out.GetOverallCode() != ok {
			t.Errorf("%s: a shadow refuses: %v", on, out)
		}
	}
	for _, on := range []OnError{"", OnErrorUnavailable} {
		if _, err := withoutRedis(t, on, 1).ShouldRateLimit(t.Context(), ask("d", 0, descriptor("k", "v"))); status.Code(err) != codes.Unavailable {
			t.Errorf("%q: %v", on, err)
		}
	}
}

func TestWithoutRedisAllReplicasTogetherAdmitNoMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	const members = 4
	admitted := 0
	for range members {
		s := withoutRedis(t, OnErrorLocal, members)
		for range 12 {
			if should(t, s, ask("d", 0, descriptor("k", "v"))).GetOverallCode() == ok {
				admitted++
			}
		}
	}
	if admitted != 8 { // each its share of 9, rounded down
		t.Errorf("%d of 9 admitted", admitted)
	}
}
