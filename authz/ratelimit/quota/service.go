package quota

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"time"

	pb "github.com/envoyproxy/go-control-plane/envoy/service/rate_limit_quota/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"gatehouse/authz/limit"
	"gatehouse/authz/ratelimit"
)

const (
	// A share lives for a few reports, so that one which is late costs nothing.
	livesFor          = 3
	minLife, maxLife  = 10 * time.Second, 5 * time.Minute
	maxBucketsAStream = 10_000
	maxDomain         = 256
	// parts of a share: one may come at once.
	parts = 10
	// dealWithin bounds one question to Redis.
	dealWithin = time.Second
)

// Service implements envoy.service.rate_limit_quota.v3.RateLimitQuotaService.
type Service struct {
	pb.UnimplementedRateLimitQuotaServiceServer
	current func() *ratelimit.Config
	shares  *Shares
	log     *slog.Logger
}

// New makes a Service; current returns the Config in use.
func New(current func() *ratelimit.Config, shares *Shares, log *slog.Logger) *Service {
	return &Service{current: current, shares: shares, log: log}
}

// stream is one Envoy's.
type stream struct {
	holder  string
	domain  string
	buckets map[string]bool // the keys of those that it holds shares of
}

// StreamRateLimitQuotas answers each report with what the reporter may let through
// from then on. When the stream ends its shares are free.
func (s *Service) StreamRateLimitQuotas(server pb.RateLimitQuotaService_StreamRateLimitQuotasServer) error {
	st := &stream{holder: rand.Text(), buckets: map[string]bool{}}
	defer s.release(context.WithoutCancel(server.Context()), st)
	for {
		in, err := server.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := st.accept(in); err != nil {
			return status.Error(codes.InvalidArgument, err.Error())
		}
		out := &pb.RateLimitQuotaResponse{}
		for _, usage := range in.GetBucketQuotaUsages() {
			if action := s.assign(server.Context(), st, usage); action != nil {
				out.BucketAction = append(out.BucketAction, action)
			}
		}
		if len(out.GetBucketAction()) == 0 {
			continue
		}
		if err := server.Send(out); err != nil {
			return err
		}
	}
}

// accept checks a report. The domain stands in the first one.
func (st *stream) accept(in *pb.RateLimitQuotaUsageReports) error {
	if st.domain == "" {
		st.domain = in.GetDomain()
	}
	switch {
	case st.domain == "" || len(st.domain) > maxDomain:
		return fmt.Errorf("the first report must name a domain of 1 to %d bytes", maxDomain)
	case in.GetDomain() != "" && in.GetDomain() != st.domain:
		return errors.New("a stream has one domain")
	case len(st.buckets)+len(in.GetBucketQuotaUsages()) > maxBucketsAStream:
		return fmt.Errorf("a stream has at most %d buckets", maxBucketsAStream)
	}
	return nil
}

// assign is nil where nothing can be said: Envoy goes on with what it was told.
func (s *Service) assign(ctx context.Context, st *stream, usage *pb.RateLimitQuotaUsageReports_BucketQuotaUsage) *pb.RateLimitQuotaResponse_BucketAction {
	id := usage.GetBucketId().GetBucket()
	rule := s.current().FindBucket(st.domain, id)
	life := lifeOf(usage.GetTimeElapsed().AsDuration())
	if rule == nil || rule.Unlimited || rule.Shadow {
		return assignment(usage, life, blanket(typev3.RateLimitStrategy_ALLOW_ALL))
	}
	key := keyOf(st.domain, id, rule)
	ctx, cancel := context.WithTimeout(ctx, dealWithin)
	defer cancel()
	share, err := s.shares.Deal(ctx, key, st.holder, rule.Requests, demandOf(usage, rule.Window()), life)
	if err != nil {
		s.log.Warn("a quota was not dealt out; Envoy goes on with the last one while it lasts", "domain", st.domain, "error", err)
		return nil
	}
	st.buckets[key] = true
	return assignment(usage, life, strategy(share, rule.Window()))
}

// release gives back what an Envoy holds that has gone.
func (s *Service) release(ctx context.Context, st *stream) {
	ctx, cancel := context.WithTimeout(ctx, dealWithin)
	defer cancel()
	for key := range st.buckets {
		if err := s.shares.Return(ctx, key, st.holder); err != nil {
			s.log.Debug("shares were not given back; they expire", "error", err)
			return
		}
	}
}

// keyOf names a bucket; limits of other numbers are another bucket.
func keyOf(domain string, id map[string]string, rule *ratelimit.Rule) string {
	parts := []string{domain, rule.Unit.String(), fmt.Sprint(rule.Requests)}
	for _, name := range slices.Sorted(maps.Keys(id)) {
		parts = append(parts, name, id[name])
	}
	return limit.Key(parts...)
}

// demandOf is what was asked in a window, had it gone on as in the report.
func demandOf(usage *pb.RateLimitQuotaUsageReports_BucketQuotaUsage, window time.Duration) uint64 {
	asked := min(usage.GetNumRequestsAllowed(), maxDemand) + min(usage.GetNumRequestsDenied(), maxDemand)
	elapsed := usage.GetTimeElapsed().AsDuration()
	if elapsed <= 0 {
		return asked
	}
	return uint64(min(float64(asked)*float64(window)/float64(elapsed), maxDemand))
}

// lifeOf follows how often the Envoy reports.
func lifeOf(elapsed time.Duration) time.Duration {
	return min(max(livesFor*min(elapsed, maxLife), minLife), maxLife)
}

// strategy spreads a share over its window. Envoy fills the bucket steadily at
// the rate of tokens_per_fill in fill_interval, of which it reads whole seconds
// only (1.40: below one second the rate would be without bound), and lets
// max_tokens through at once.
func strategy(share uint32, window time.Duration) *typev3.RateLimitStrategy {
	if share == 0 {
		return blanket(typev3.RateLimitStrategy_DENY_ALL)
	}
	return &typev3.RateLimitStrategy{Strategy: &typev3.RateLimitStrategy_TokenBucket{TokenBucket: &typev3.TokenBucket{
		MaxTokens: (share + parts - 1) / parts, TokensPerFill: wrapperspb.UInt32(share), FillInterval: durationpb.New(window),
	}}}
}

func blanket(rule typev3.RateLimitStrategy_BlanketRule) *typev3.RateLimitStrategy {
	return &typev3.RateLimitStrategy{Strategy: &typev3.RateLimitStrategy_BlanketRule_{BlanketRule: rule}}
}

func assignment(usage *pb.RateLimitQuotaUsageReports_BucketQuotaUsage, life time.Duration, strategy *typev3.RateLimitStrategy) *pb.RateLimitQuotaResponse_BucketAction {
	return &pb.RateLimitQuotaResponse_BucketAction{
		BucketId: usage.GetBucketId(),
		BucketAction: &pb.RateLimitQuotaResponse_BucketAction_QuotaAssignmentAction_{
			QuotaAssignmentAction: &pb.RateLimitQuotaResponse_BucketAction_QuotaAssignmentAction{
				AssignmentTimeToLive: durationpb.New(life), RateLimitStrategy: strategy,
			},
		},
	}
}
