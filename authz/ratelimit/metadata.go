package ratelimit

import (
	"maps"

	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/protobuf/types/known/structpb"
)

// dynamicMetadata tells what was asked, and the metadata of the rules that admit.
func dynamicMetadata(
	in *pb.RateLimitRequest, matches []Match, statuses []*pb.RateLimitResponse_DescriptorStatus,
) *structpb.Struct {
	descriptors := make([]*structpb.Value, 0, len(in.GetDescriptors()))
	for _, d := range in.GetDescriptors() {
		entries := make([]*structpb.Value, 0, len(d.GetEntries()))
		for _, entry := range d.GetEntries() {
			entries = append(entries, structpb.NewStringValue(entry.GetKey()+"="+entry.GetValue()))
		}
		fields := map[string]*structpb.Value{"entries": structpb.NewListValue(&structpb.ListValue{Values: entries})}
		if d.GetLimit() != nil {
			fields["limit"] = structpb.NewStringValue(d.GetLimit().String())
		}
		if d.GetHitsAddend() != nil {
			fields["hitsAddend"] = structpb.NewNumberValue(float64(d.GetHitsAddend().GetValue()))
		}
		descriptors = append(descriptors, structpb.NewStructValue(&structpb.Struct{Fields: fields}))
	}
	fields := map[string]*structpb.Value{
		"domain":      structpb.NewStringValue(in.GetDomain()),
		"descriptors": structpb.NewListValue(&structpb.ListValue{Values: descriptors}),
	}
	if in.GetHitsAddend() != 0 {
		fields["hitsAddend"] = structpb.NewNumberValue(float64(in.GetHitsAddend()))
	}
	merged := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for i, m := range matches {
		if m.Rule != nil && !m.Unlimited && statuses[i].GetCode() == pb.RateLimitResponse_OK {
			merge(merged.GetFields(), m.Metadata.GetFields())
		}
	}
	if len(merged.GetFields()) > 0 {
		fields["metadata"] = structpb.NewStructValue(merged)
	}
	return &structpb.Struct{Fields: fields}
}

// merge adds what is not there yet, also inside of mappings that both have.
func merge(into, from map[string]*structpb.Value) {
	for name, value := range from {
		there, taken := into[name]
		switch {
		case !taken && value.GetStructValue() != nil:
			// A copy: what is merged into it must not change the configuration.
			into[name] = structpb.NewStructValue(&structpb.Struct{Fields: maps.Clone(value.GetStructValue().GetFields())})
		case !taken:
			into[name] = value
		case there.GetStructValue() != nil && value.GetStructValue() != nil:
			merge(there.GetStructValue().GetFields(), value.GetStructValue().GetFields())
		}
	}
}
