package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	ratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"gatehouse/authz/internal/redistest"
	"gatehouse/authz/limit"
)

// noon is 12:00:10 UTC: ten seconds into a minute.
var noon = time.Date(2026, 11, 24, 12, 0, 10, 0, time.UTC)

func service(t testing.TB, config *Config, limits Limits) *Service {
	t.Helper()
	return New(Options{
		Current: func() *Config { return config }, Limits: limits, Log: slog.New(slog.DiscardHandler),
		Metrics: NewMetrics(prometheus.NewRegistry()), Headers: Headers{Standard: true},
	})
}

func onRedis(t testing.TB, text string) *Service {
	t.Helper()
	return service(t, mustParse(t, text), limit.NewWindows(redistest.Start(t).Client(), storeWithin, func() time.Time { return noon }))
}

func ask(domain string, hits uint32, descriptors ...*ratelimitv3.RateLimitDescriptor) *pb.RateLimitRequest {
	return &pb.RateLimitRequest{Domain: domain, HitsAddend: hits, Descriptors: descriptors}
}

func should(t testing.TB, s *Service, in *pb.RateLimitRequest) *pb.RateLimitResponse {
	t.Helper()
	out, err := s.ShouldRateLimit(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

const ok, over = pb.RateLimitResponse_OK, pb.RateLimitResponse_OVER_LIMIT

const rules = `
domain: d
descriptors:
  - key: minute
    rate_limit: {unit: minute, requests_per_unit: 3}
  - key: shadow
    shadow_mode: true
    rate_limit: {unit: hour, requests_per_unit: 1}
  - key: free
    rate_limit: {unlimited: true}
  - key: named
    rate_limit: {unit: day, requests_per_unit: 1, name: general}
  - key: special
    rate_limit: {unit: day, requests_per_unit: 5, name: special, replaces: [{name: general}]}
  - key: nothing
    rate_limit: {unit: day, requests_per_unit: 0}
`

func TestAFixedWindowIsCountedDownAndDescribed(t *testing.T) {
	s := onRedis(t, rules)
	for i, want := range []struct {
		code      pb.RateLimitResponse_Code
		remaining uint32
	}{{ok, 2}, {ok, 1}, {ok, 0}, {over, 0}, {over, 0}} {
		out := should(t, s, ask("d", 0, descriptor("minute", "a")))
		at := out.GetStatuses()[0]
		if out.GetOverallCode() != want.code || at.GetCode() != want.code || at.GetLimitRemaining() != want.remaining {
			t.Errorf("request %d: %v", i, out)
		}
		if at.GetDurationUntilReset().AsDuration() != 50*time.Second {
			t.Errorf("request %d: reset in %s, want the end of the minute", i, at.GetDurationUntilReset().AsDuration())
		}
		if l := at.GetCurrentLimit(); l.GetRequestsPerUnit() != 3 || l.GetUnit() != pb.RateLimitResponse_RateLimit_MINUTE {
			t.Errorf("request %d: limit %v", i, l)
		}
	}
	if out := should(t, s, ask("d", 0, descriptor("minute", "b"))); out.GetOverallCode() != ok {
		t.Error("another value shares the counter")
	}
}

func TestTheHeadersTellTheLimitAndWhenToComeBack(t *testing.T) {
	s := onRedis(t, rules)
	headers := func(out *pb.RateLimitResponse) string {
		var all []string
		for _, h := range out.GetResponseHeadersToAdd() {
			all = append(all, h.GetKey()+": "+h.GetValue())
		}
		return strings.Join(all, "\n")
	}
	if got, want := headers(should(t, s, ask("d", 0, descriptor("minute", "a")))),
		"RateLimit-Policy: \"minute\";q=3;w=60\nRateLimit: \"minute\";r=2;t=50"; got != want {
		t.Errorf("got\n%s", got)
	}
	if got := headers(should(t, s, ask("d", 9, descriptor("minute", "a")))); !strings.Contains(got, "Retry-After: ") {
		t.Errorf("got\n%s", got)
	}
	if got := headers(should(t, s, ask("d", 0, descriptor("free", "")))); got != "" {
		t.Errorf("without a limit: %s", got)
	}
}

func TestHitsAreAddedAsTheRequestOrItsDescriptorSays(t *testing.T) {
	s := onRedis(t, rules)
	if out := should(t, s, ask("d", 2, descriptor("minute", "a"))); out.GetStatuses()[0].GetLimitRemaining() != 1 {
		t.Errorf("two hits: %v", out)
	}
	d := descriptor("minute", "b")
	d.HitsAddend = wrapperspb.UInt64(3)
	if out := should(t, s, ask("d", 1, d)); out.GetStatuses()[0].GetLimitRemaining() != 0 || out.GetOverallCode() != ok {
		t.Errorf("three hits: %v", out)
	}
	// What was refused counts too, as with envoyproxy/ratelimit.
	should(t, s, ask("d", 9, descriptor("minute", "c")))
	if out := should(t, s, ask("d", 1, descriptor("minute", "c"))); out.GetOverallCode() != over {
		t.Errorf("after nine hits: %v", out)
	}
}

func TestEachDescriptorHasItsOwnStatusAndOneIsEnoughToRefuse(t *testing.T) {
	s := onRedis(t, rules)
	in := ask("d", 0, descriptor("minute", "a"), descriptor("nothing", ""), descriptor("unknown", "x"), descriptor("free", ""), descriptor("shadow", ""))
	should(t, s, in)
	out := should(t, s, in)
	var got []pb.RateLimitResponse_Code
	for _, at := range out.GetStatuses() {
		got = append(got, at.GetCode())
	}
	if out.GetOverallCode() != over || !slices.Equal(got, []pb.RateLimitResponse_Code{ok, over, ok, ok, ok}) {
		t.Errorf("got %v %v", out.GetOverallCode(), got)
	}
	if at := out.GetStatuses()[2]; at.GetCurrentLimit() != nil {
		t.Errorf("without a rule: %v", at)
	}
	if at := out.GetStatuses()[3]; at.GetLimitRemaining() != math.MaxUint32 || at.GetCurrentLimit() != nil {
		t.Errorf("unlimited: %v", at)
	}
	if at := out.GetStatuses()[4]; at.GetLimitRemaining() != 0 {
		t.Errorf("shadow: %v", at)
	}
	var counted dto.Metric
	if err := s.o.Metrics.shadow.WithLabelValues("d").Write(&counted); err != nil || counted.GetCounter().GetValue() != 1 {
		t.Errorf("shadow refusals: %v %v", &counted, err)
	}
}

func TestALimitThatIsReplacedDoesNotCount(t *testing.T) {
	s := onRedis(t, rules)
	for range 2 {
		if out := should(t, s, ask("d", 0, descriptor("named", ""), descriptor("special", ""))); out.GetOverallCode() != ok {
			t.Errorf("got %v", out)
		}
	}
	if out := should(t, s, ask("d", 0, descriptor("named", ""))); out.GetOverallCode() != ok {
		t.Errorf("the replaced limit was counted: %v", out)
	}
}

func TestARequestThatMakesNoSenseIsInvalid(t *testing.T) {
	s := service(t, mustParse(t, rules), nil)
	negative, deep := descriptor("a", "b"), descriptor(make([]string, 2*maxEntries+2)...)
	negative.IsNegativeHits = true
	for name, in := range map[string]*pb.RateLimitRequest{
		"no domain":      ask("", 0, descriptor("a", "b")),
		"no descriptor":  ask("d", 0),
		"no entry":       ask("d", 0, descriptor()),
		"too many":       ask("d", 0, slices.Repeat([]*ratelimitv3.RateLimitDescriptor{descriptor("a", "b")}, maxDescriptors+1)...),
		"too deep":       ask("d", 0, deep),
		"giving back":    ask("d", 0, negative),
		"nothing at all": {},
	} {
		if _, err := s.ShouldRateLimit(t.Context(), in); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWithoutRedisTheAnswerIsUnavailableAndQuick(t *testing.T) {
	s := service(t, mustParse(t, rules), limit.NewWindows(redistest.Deaf(t), storeWithin, nil))
	start := time.Now()
	_, err := s.ShouldRateLimit(t.Context(), ask("d", 0, descriptor("minute", "a")))
	if status.Code(err) != codes.Unavailable || time.Since(start) > time.Second {
		t.Errorf("%v after %s", err, time.Since(start))
	}
	if out := should(t, s, ask("d", 0, descriptor("unknown", "x"))); out.GetOverallCode() != ok {
		t.Errorf("what has no rule needs no Redis: %v", out)
	}
}

type broken struct{}

func (broken) Count(context.Context, []limit.Request) ([]limit.Result, error) {
	return nil, errors.New("secret address 10.0.0.1")
}

func TestAnErrorTellsTheCallerNothing(t *testing.T) {
	_, err := service(t, mustParse(t, rules), broken{}).ShouldRateLimit(t.Context(), ask("d", 0, descriptor("minute", "a")))
	if err == nil || strings.Contains(err.Error(), "10.0.0.1") {
		t.Errorf("got %v", err)
	}
}

func TestManyAtOnceGetExactlyTheLimit(t *testing.T) {
	s := onRedis(t, "domain: d\ndescriptors: [{key: k, rate_limit: {unit: hour, requests_per_unit: 100}}]\n")
	var admitted atomic.Int64
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() {
			for range 25 {
				out, err := s.ShouldRateLimit(t.Context(), ask("d", 0, descriptor("k", "v")))
				if err != nil {
					t.Error(err)
					return
				}
				if out.GetOverallCode() == ok {
					admitted.Add(1)
				}
			}
		})
	}
	callers.Wait()
	if admitted.Load() != 100 {
		t.Errorf("%d of 500 admitted", admitted.Load())
	}
}

func TestCountersOfDifferentDescriptorsNeverMeet(t *testing.T) {
	seen := map[string]string{}
	for _, d := range [][]string{{"a", "b"}, {"a", "b", "c", "d"}, {"a", "b|c|d"}, {"a|b", ""}, {"a_b", ""}, {"ab", ""}, {"a", "b", "c|d", ""}} {
		key := counter("d", descriptor(d...), Match{Rule: &Rule{Unit: pb.RateLimitResponse_RateLimit_DAY}})
		if other, taken := seen[key]; taken {
			t.Errorf("%v and %s share %s", d, other, key)
		}
		seen[key] = fmt.Sprint(d)
	}
}
