package ratelimit

import (
	"bytes"
	"math"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	gproto "google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
)

func sameAsProto(t *testing.T, out *pb.RateLimitResponse) {
	t.Helper()
	want, wrong := gproto.MarshalOptions{Deterministic: true}.Marshal(out)
	got, err := Codec(encoding.GetCodecV2(proto.Name)).Marshal(out)
	if (err != nil) != (wrong != nil) || err == nil && !bytes.Equal(got.Materialize(), want) {
		t.Errorf("%v\ngot  %x %v\nwant %x %v", out, got.Materialize(), err, want, wrong)
	}
}

func TestAnAnswerIsWrittenAsProtocolBuffersDo(t *testing.T) {
	t.Parallel()
	full := &pb.RateLimitResponse_DescriptorStatus{
		Code: over, LimitRemaining: math.MaxUint32, DurationUntilReset: durationpb.New(400 * 24 * 3600e9),
		CurrentLimit: &pb.RateLimitResponse_RateLimit{Name: "größe", RequestsPerUnit: math.MaxUint32, Unit: pb.RateLimitResponse_RateLimit_YEAR},
	}
	for _, out := range []*pb.RateLimitResponse{
		{}, {OverallCode: ok}, {OverallCode: over, Statuses: []*pb.RateLimitResponse_DescriptorStatus{full, {}, {Code: ok}, full}},
		{Statuses: []*pb.RateLimitResponse_DescriptorStatus{{CurrentLimit: &pb.RateLimitResponse_RateLimit{}, DurationUntilReset: &durationpb.Duration{}}}},
		{Statuses: []*pb.RateLimitResponse_DescriptorStatus{{DurationUntilReset: &durationpb.Duration{Seconds: -1}}}},
		{Statuses: []*pb.RateLimitResponse_DescriptorStatus{{DurationUntilReset: &durationpb.Duration{Nanos: 5}}}},
		{Statuses: []*pb.RateLimitResponse_DescriptorStatus{{CurrentLimit: &pb.RateLimitResponse_RateLimit{Name: "\xff"}}}},
		{ResponseHeadersToAdd: []*corev3.HeaderValue{{Key: "a", Value: "b"}}}, {RawBody: []byte("x")},
		{DynamicMetadata: &structpb.Struct{Fields: map[string]*structpb.Value{"a": structpb.NewStringValue("b")}}},
		{Quota: &pb.RateLimitResponse_Quota{Requests: 1}},
	} {
		sameAsProto(t, out)
	}
}

func FuzzAnAnswerIsWrittenAsProtocolBuffersDo(f *testing.F) {
	f.Add(int32(1), uint32(5), int32(2), "name", uint32(3), int64(60), uint8(2))
	f.Add(int32(-1), uint32(0), int32(99), "", uint32(0), int64(-5), uint8(0))
	f.Fuzz(func(t *testing.T, code int32, requests uint32, unit int32, name string, left uint32, seconds int64, n uint8) {
		out := &pb.RateLimitResponse{OverallCode: pb.RateLimitResponse_Code(code)}
		for range n % 5 {
			out.Statuses = append(out.Statuses, &pb.RateLimitResponse_DescriptorStatus{
				Code: pb.RateLimitResponse_Code(code), LimitRemaining: left, DurationUntilReset: &durationpb.Duration{Seconds: seconds},
				CurrentLimit: &pb.RateLimitResponse_RateLimit{Name: name, RequestsPerUnit: requests, Unit: Unit(unit)},
			})
		}
		sameAsProto(t, out)
	})
}
