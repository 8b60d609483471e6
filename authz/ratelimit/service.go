package ratelimit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	ratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"gatehouse/authz/limit"
)

// storeWithin bounds the question to Redis.
const storeWithin = 150 * time.Millisecond

// Bounds of one request.
const (
	maxDescriptors = 64
	maxEntries     = 32
)

// Limits counts a request against each limit; *limit.Limiter does.
type Limits interface {
	Count(ctx context.Context, requests []limit.Request) ([]limit.Result, error)
}

// Service implements envoy.service.ratelimit.v3.RateLimitService.
type Service struct {
	pb.UnimplementedRateLimitServiceServer
	current func() *Config
	limits  Limits
	log     *slog.Logger
	metrics *Metrics
}

// New makes a Service; current returns the Config in use.
func New(current func() *Config, limits Limits, log *slog.Logger, metrics *Metrics) *Service {
	return &Service{current: current, limits: limits, log: log, metrics: metrics}
}

// ShouldRateLimit counts the request against the rule of each descriptor. It is
// OVER_LIMIT if any of them is. Errors are INVALID_ARGUMENT for a request that
// makes no sense, and UNAVAILABLE when Redis did not answer.
func (s *Service) ShouldRateLimit(ctx context.Context, in *pb.RateLimitRequest) (*pb.RateLimitResponse, error) {
	if err := validate(in); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	config := s.current()
	rules := matching(config, in)
	requests, owners := questions(in, rules)
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	results, err := s.limits.Count(ctx, requests)
	if err != nil {
		s.metrics.failed()
		s.log.Debug("limits cannot be counted", "error", err)
		return nil, status.Error(codes.Unavailable, "limits cannot be counted")
	}
	out := respond(rules, results, owners)
	s.metrics.answered(config, in.GetDomain(), out.GetOverallCode())
	return out, nil
}

func validate(in *pb.RateLimitRequest) error {
	switch {
	case in.GetDomain() == "":
		return errors.New("rate limit domain must not be empty")
	case len(in.GetDescriptors()) == 0:
		return errors.New("rate limit descriptor list must not be empty")
	case len(in.GetDescriptors()) > maxDescriptors:
		return fmt.Errorf("more than %d descriptors", maxDescriptors)
	}
	for _, d := range in.GetDescriptors() {
		switch {
		case len(d.GetEntries()) == 0 || len(d.GetEntries()) > maxEntries:
			return fmt.Errorf("a descriptor has 1 to %d entries", maxEntries)
		case d.GetIsNegativeHits():
			return errors.New("negative hits are not supported")
		case d.GetHitsAddend() != nil && d.GetHitsAddend().GetValue() == 0:
			return errors.New("hits_addend 0 of a descriptor is not supported")
		case d.GetHitsAddend().GetValue() > limit.MaxRequests:
			return errors.New("hits_addend is too large")
		}
	}
	return nil
}

// matching is the rule of each descriptor, nil where none applies or where the
// rule of another descriptor replaces it.
func matching(config *Config, in *pb.RateLimitRequest) []*Rule {
	rules := make([]*Rule, len(in.GetDescriptors()))
	var replaced []string
	for i, d := range in.GetDescriptors() {
		if rules[i] = config.Find(in.GetDomain(), d); rules[i] != nil {
			replaced = append(replaced, rules[i].Replaces...)
		}
	}
	for i, rule := range rules {
		if rule != nil && rule.Name != "" && slices.Contains(replaced, rule.Name) {
			rules[i] = nil
		}
	}
	return rules
}

// questions are what Redis is asked, and which descriptor each is of.
func questions(in *pb.RateLimitRequest, rules []*Rule) (requests []limit.Request, owners []int) {
	for i, rule := range rules {
		if rule == nil || rule.Unlimited {
			continue
		}
		d := in.GetDescriptors()[i]
		requests = append(requests, limit.Request{
			Key: counter(in.GetDomain(), d, rule),
			Spec: limit.Spec{
				Name: cmp.Or(rule.Name, label(d)), Algorithm: limit.FixedWindow,
				Requests: int64(rule.Requests), Window: rule.Window(),
			},
			Hits:   hits(in, d),
			Shadow: rule.Shadow,
		})
		owners = append(owners, i)
	}
	return requests, owners
}

// counter names the window's length, so that a unit that is edited starts anew.
func counter(domain string, d *ratelimitv3.RateLimitDescriptor, rule *Rule) string {
	parts := make([]string, 0, 2+2*len(d.GetEntries()))
	parts = append(parts, "rls", domain, rule.Unit.String())
	for _, entry := range d.GetEntries() {
		parts = append(parts, entry.GetKey(), entry.GetValue())
	}
	return limit.Key(parts...)
}

// label names a limit in the RateLimit fields by its keys. The values may be a
// person's, and are not shown.
func label(d *ratelimitv3.RateLimitDescriptor) string {
	keys := make([]string, len(d.GetEntries()))
	for i, entry := range d.GetEntries() {
		keys[i] = entry.GetKey()
	}
	return strings.Join(keys, ".")
}

func hits(in *pb.RateLimitRequest, d *ratelimitv3.RateLimitDescriptor) int64 {
	if d.GetHitsAddend() != nil {
		return int64(d.GetHitsAddend().GetValue()) // #nosec G115 -- validate bounds it
	}
	return max(1, int64(in.GetHitsAddend()))
}

func respond(rules []*Rule, results []limit.Result, owners []int) *pb.RateLimitResponse {
	out := &pb.RateLimitResponse{
		OverallCode: pb.RateLimitResponse_OK,
		Statuses:    make([]*pb.RateLimitResponse_DescriptorStatus, len(rules)),
	}
	for i, rule := range rules {
		out.Statuses[i] = &pb.RateLimitResponse_DescriptorStatus{Code: pb.RateLimitResponse_OK}
		if rule != nil && rule.Unlimited {
			out.Statuses[i].LimitRemaining = math.MaxUint32
		}
	}
	for i, result := range results {
		at := out.GetStatuses()[owners[i]]
		describe(at, rules[owners[i]], result)
		if at.GetCode() == pb.RateLimitResponse_OVER_LIMIT {
			out.OverallCode = pb.RateLimitResponse_OVER_LIMIT
		}
	}
	out.ResponseHeadersToAdd = fields(results)
	return out
}

func describe(at *pb.RateLimitResponse_DescriptorStatus, rule *Rule, result limit.Result) {
	at.CurrentLimit = &pb.RateLimitResponse_RateLimit{
		Name: rule.Name, RequestsPerUnit: rule.Requests, Unit: rule.Unit,
	}
	at.LimitRemaining = uint32(min(max(result.Remaining, 0), math.MaxUint32)) // #nosec G115 -- bounded here
	at.DurationUntilReset = durationpb.New(result.Reset)
	if !result.Allowed && !result.Shadow {
		at.Code = pb.RateLimitResponse_OVER_LIMIT
	}
}

func fields(results []limit.Result) []*corev3.HeaderValue {
	var headers []*corev3.HeaderValue
	for _, field := range [...]struct{ name, value string }{
		{limit.PolicyHeader, limit.PolicyField(results)},
		{limit.StateHeader, limit.StateField(results)},
		{limit.RetryAfterHeader, limit.RetryAfter(results)},
	} {
		if field.value != "" {
			headers = append(headers, &corev3.HeaderValue{Key: field.name, Value: field.value})
		}
	}
	return headers
}
