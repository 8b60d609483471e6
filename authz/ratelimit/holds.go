package ratelimit

import (
	"context"
	"time"

	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"gatehouse/authz/limit"
)

// HoldsField is where an answer's dynamic metadata names the places that the request
// has taken of concurrency limits. Envoy keeps it under the name of its ratelimit filter
// and sends it on with the access log's entry, whose reader gives the places back.
const HoldsField = "gatehouse_holds"

// FilterName is Envoy's ratelimit filter, as dynamic metadata names it.
const FilterName = "envoy.filters.http.ratelimit"

// Releaser gives places of concurrency limits back; *limit.Windows does.
type Releaser interface {
	Release(ctx context.Context, holds ...limit.Hold) error
}

// releaseWithin bounds giving places back of a request that is refused anyway.
const releaseWithin = time.Second

// hold tells Envoy which places the request has taken. Those of a request that another
// limit refuses are given back at once.
func (s *Service) hold(out *pb.RateLimitResponse, results []limit.Result) {
	var held []limit.Hold
	for _, r := range results {
		if r.Hold.Held() {
			held = append(held, r.Hold)
		}
	}
	if len(held) == 0 {
		return
	}
	if out.GetOverallCode() == pb.RateLimitResponse_OVER_LIMIT {
		if releaser, ok := s.o.Limits.(Releaser); ok {
			go s.release(releaser, held)
		}
		return
	}
	texts := make([]*structpb.Value, len(held))
	for i, h := range held {
		texts[i] = structpb.NewStringValue(h.String())
	}
	if out.DynamicMetadata == nil {
		out.DynamicMetadata = &structpb.Struct{Fields: map[string]*structpb.Value{}}
	}
	out.DynamicMetadata.Fields[HoldsField] = structpb.NewListValue(&structpb.ListValue{Values: texts})
}

func (s *Service) release(releaser Releaser, held []limit.Hold) {
	ctx, cancel := context.WithTimeout(context.Background(), releaseWithin)
	defer cancel()
	if err := releaser.Release(ctx, held...); err != nil {
		s.o.Log.Debug("places of a concurrency limit are free only when their time has run out", "error", err)
	}
}
