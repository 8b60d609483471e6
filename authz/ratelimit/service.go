package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

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

// Limits counts a request against each limit, within a time of its own; *limit.Windows
// and *limit.Limiter do.
type Limits interface {
	Count(ctx context.Context, requests []limit.Request) ([]limit.Result, error)
}

// Options are what a Service works with.
type Options struct {
	Current func() *Config // the Config in use
	Limits  Limits
	Log     *slog.Logger
	Metrics *Metrics
	// Compat, if set, are envoyproxy/ratelimit's metrics besides.
	Compat *Compat
	// Refusals, if set, remembers who is being limited.
	Refusals *limit.Refusals
	// OnError is what a request gets while Redis cannot be asked; empty is Unavailable.
	OnError OnError
	// Local counts for OnErrorLocal.
	Local *Local
	// Headers are what responses carry; the zero value is none, as with
	// envoyproxy/ratelimit.
	Headers Headers
	// Shadow answers OK whatever was found, Quota takes every limit for a quota, and
	// Metadata tells Envoy the descriptors and the rules' metadata: envoyproxy/ratelimit's
	// SHADOW_MODE, QUOTA_MODE and RESPONSE_DYNAMIC_METADATA.
	Shadow, Quota, Metadata bool
}

// Service implements envoy.service.ratelimit.v3.RateLimitService.
type Service struct {
	pb.UnimplementedRateLimitServiceServer
	o Options
}

// New makes a Service.
func New(o Options) *Service { return &Service{o: o} }

// ShouldRateLimit counts the request against the rule of each descriptor. It is
// OVER_LIMIT if any of them is, quotas aside: those must all be. Errors are
// INVALID_ARGUMENT for a request that makes no sense, and what Options.OnError says
// when Redis did not answer.
func (s *Service) ShouldRateLimit(ctx context.Context, in *pb.RateLimitRequest) (*pb.RateLimitResponse, error) {
	if err := validate(in); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	if s.o.Compat != nil {
		s.o.Compat.calls.add(1)
	}
	config := s.o.Current()
	matches := matching(config, in)
	requests, owners := s.questions(in, matches)
	results, err := s.count(ctx, requests)
	if err == nil {
		s.o.Refusals.Note(requests, results)
	} else {
		s.o.Metrics.failed()
		if s.o.Compat != nil {
			s.o.Compat.failures.add(1)
		}
		s.o.Log.Debug("limits cannot be counted", "error", err)
		if results, err = s.withoutRedis(requests); err != nil {
			return nil, err
		}
	}
	out := s.respond(in, matches, results, owners)
	s.compat(in, config, matches, requests, results, owners)
	s.o.Metrics.shadowed(config, in.GetDomain(), results)
	s.o.Metrics.answered(config, in.GetDomain(), out.GetOverallCode())
	return out, nil
}

func (s *Service) count(ctx context.Context, requests []limit.Request) ([]limit.Result, error) {
	if len(requests) == 0 {
		return nil, nil
	}
	return s.o.Limits.Count(ctx, requests)
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
		case d.GetHitsAddend().GetValue() > limit.MaxRequests:
			return errors.New("hits_addend is too large")
		case d.GetLimit() != nil && overridden(d) == nil:
			return errors.New("the unit of the descriptor's limit is not known")
		}
	}
	return nil
}

// matching is the rule of each descriptor, none where none applies or where the
// rule of another descriptor replaces it.
func matching(config *Config, in *pb.RateLimitRequest) []Match {
	matches := make([]Match, len(in.GetDescriptors()))
	var replaced []string
	for i, d := range in.GetDescriptors() {
		if matches[i] = config.Find(in.GetDomain(), d); matches[i].Rule != nil {
			replaced = append(replaced, matches[i].Replaces...)
		}
	}
	for i, m := range matches {
		if m.Rule != nil && !m.Unlimited && m.Name != "" && slices.Contains(replaced, m.Name) {
			matches[i] = Match{}
		}
	}
	return matches
}

// questions are what Redis is asked, and which descriptor each is of.
func (s *Service) questions(in *pb.RateLimitRequest, matches []Match) (requests []limit.Request, owners []int) {
	requests, owners = make([]limit.Request, 0, len(matches)), make([]int, 0, len(matches))
	for i, m := range matches {
		if m.Rule == nil || m.Unlimited {
			continue
		}
		d := in.GetDescriptors()[i]
		r := limit.Request{
			Key:    counter(in.GetDomain(), d, m),
			Spec:   m.spec(),
			Shadow: m.Shadow, Lease: m.Lease,
		}
		if r.Spec.Name == "" && s.o.Headers.Standard {
			r.Spec.Name = label(d)
		}
		r.Hits = hits(in, d)
		r.Peek = r.Hits == 0
		requests, owners = append(requests, r), append(owners, i)
	}
	return requests, owners
}

// counter names the window's length, so that a unit that is edited starts anew.
func counter(domain string, d *ratelimitv3.RateLimitDescriptor, m Match) string {
	var space [16]string
	parts := append(space[:0], "rls", domain, m.Unit.String())
	for i, entry := range d.GetEntries() {
		value := entry.GetValue()
		if pattern, ok := m.shared[i]; ok {
			value = pattern
		}
		parts = append(parts, entry.GetKey(), value)
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

// hits is 0 for a descriptor that only asks.
func hits(in *pb.RateLimitRequest, d *ratelimitv3.RateLimitDescriptor) int64 {
	if d.GetHitsAddend() != nil {
		return int64(d.GetHitsAddend().GetValue()) // #nosec G115 -- validate bounds it
	}
	return max(1, int64(in.GetHitsAddend()))
}

func (s *Service) respond(
	in *pb.RateLimitRequest, matches []Match, results []limit.Result, owners []int,
) *pb.RateLimitResponse {
	out := &pb.RateLimitResponse{Statuses: make([]*pb.RateLimitResponse_DescriptorStatus, len(matches))}
	all := make([]description, len(matches))
	for i, m := range matches {
		out.Statuses[i] = &all[i].status
		out.Statuses[i].Code = pb.RateLimitResponse_OK
		if m.Rule != nil && m.Unlimited {
			out.Statuses[i].LimitRemaining = math.MaxUint32
		}
	}
	for i, result := range results {
		all[owners[i]].of(matches[owners[i]].Rule, result)
	}
	out.OverallCode = s.overall(matches, out.GetStatuses())
	out.ResponseHeadersToAdd = s.o.Headers.fields(matches, out.GetStatuses(), results, s.o.Quota)
	if s.o.Metadata {
		out.DynamicMetadata = dynamicMetadata(in, matches, out.GetStatuses())
	}
	s.hold(out, results)
	return out
}

// overall is OVER_LIMIT if a limit is, or if there are quotas and all of them are.
func (s *Service) overall(matches []Match, statuses []*pb.RateLimitResponse_DescriptorStatus) pb.RateLimitResponse_Code {
	quotas, spent, limited := 0, 0, false
	for i, at := range statuses {
		quota := s.o.Quota && (matches[i].Rule == nil || !matches[i].Unlimited) || matches[i].Rule != nil && matches[i].Quota && !matches[i].Unlimited
		exceeded := at.GetCode() == pb.RateLimitResponse_OVER_LIMIT
		switch {
		case quota && exceeded:
			quotas, spent = quotas+1, spent+1
		case quota:
			quotas++
		case exceeded:
			limited = true
		}
	}
	if !s.o.Shadow && (limited || quotas > 0 && quotas == spent) {
		return pb.RateLimitResponse_OVER_LIMIT
	}
	return pb.RateLimitResponse_OK
}

// description is a status in one piece.
type description struct {
	status pb.RateLimitResponse_DescriptorStatus
	limit  pb.RateLimitResponse_RateLimit
	until  durationpb.Duration
}

func (d *description) of(rule *Rule, result limit.Result) {
	at := &d.status
	d.limit.Name, d.limit.RequestsPerUnit, d.limit.Unit = rule.Name, rule.Requests, rule.Unit
	at.CurrentLimit = &d.limit
	at.LimitRemaining = uint32(min(max(result.Remaining, 0), math.MaxUint32)) // #nosec G115 -- bounded here
	d.until.Seconds = wholeSeconds(result.Reset)
	at.DurationUntilReset = &d.until
	if !result.Allowed && !result.Shadow {
		at.Code = pb.RateLimitResponse_OVER_LIMIT
	}
}

// wholeSeconds rounds up, as envoyproxy/ratelimit does.
func wholeSeconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
