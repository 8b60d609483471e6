package ratelimit

import (
	"math"
	"unicode/utf8"

	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// Codec is next, and writes the answer of ShouldRateLimit without reflection, where it has
// no headers and no metadata. What it writes is what proto.Marshal would.
func Codec(next encoding.CodecV2) encoding.CodecV2 { return codec{next} }

type codec struct{ encoding.CodecV2 }

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	out, ok := v.(*pb.RateLimitResponse)
	if !ok || !plain(out) {
		return c.CodecV2.Marshal(v) //nolint:wrapcheck // it stands in for it
	}
	pool := mem.DefaultBufferPool()
	buffer := pool.Get(maxAnswer(out))
	*buffer = appendAnswer((*buffer)[:0], out)
	return mem.BufferSlice{mem.NewBuffer(buffer, pool)}, nil
}

// The numbers of the fields, each as the first byte of its tag: all are below 16, and
// each is a number (0) or bytes (2).
const (
	tagOverall   = 1 << 3 // RateLimitResponse
	tagStatus    = 2<<3 | 2
	tagCode      = 1 << 3 // DescriptorStatus
	tagLimit     = 2<<3 | 2
	tagRemaining = 3 << 3
	tagUntil     = 4<<3 | 2
	tagRequests  = 1 << 3 // RateLimit
	tagUnit      = 2 << 3
	tagName      = 3<<3 | 2
	tagSeconds   = 1 << 3 // Duration
)

// plain is false for what appendAnswer does not know.
func plain(out *pb.RateLimitResponse) bool {
	if len(out.GetResponseHeadersToAdd())+len(out.GetRequestHeadersToAdd())+len(out.GetRawBody()) > 0 ||
		out.GetDynamicMetadata() != nil || out.GetQuota() != nil || len(out.ProtoReflect().GetUnknown()) > 0 {
		return false
	}
	for _, at := range out.GetStatuses() {
		if at.GetQuota() != nil || at.GetDurationUntilReset().GetNanos() != 0 || !utf8.ValidString(at.GetCurrentLimit().GetName()) {
			return false
		}
	}
	return true
}

// maxStatus is more than a status takes beside its name: four numbers of up to ten bytes,
// the tags and three lengths.
const maxStatus = 80

func maxAnswer(out *pb.RateLimitResponse) int {
	n := maxStatus
	for _, at := range out.GetStatuses() {
		n += maxStatus + len(at.GetCurrentLimit().GetName())
	}
	return n
}

func appendAnswer(b []byte, out *pb.RateLimitResponse) []byte {
	b = appendNumber(b, tagOverall, uint64(out.GetOverallCode())) // #nosec G115 -- an enum
	for _, at := range out.GetStatuses() {
		limit, until := limitSize(at.GetCurrentLimit()), numberSize(seconds(at))
		size := numberSize(uint64(at.GetCode())) + numberSize(uint64(at.GetLimitRemaining())) // #nosec G115 -- an enum
		if at.GetCurrentLimit() != nil {
			size += 1 + protowire.SizeBytes(limit)
		}
		if at.GetDurationUntilReset() != nil {
			size += 1 + protowire.SizeBytes(until)
		}
		b = appendLength(b, tagStatus, size)
		b = appendNumber(b, tagCode, uint64(at.GetCode())) // #nosec G115 -- an enum
		if l := at.GetCurrentLimit(); l != nil {
			b = appendLength(b, tagLimit, limit)
			b = appendNumber(b, tagRequests, uint64(l.GetRequestsPerUnit()))
			b = appendNumber(b, tagUnit, uint64(l.GetUnit())) // #nosec G115 -- an enum
			if name := l.GetName(); name != "" {
				b = append(appendLength(b, tagName, len(name)), name...)
			}
		}
		b = appendNumber(b, tagRemaining, uint64(at.GetLimitRemaining()))
		if at.GetDurationUntilReset() != nil {
			b = appendLength(b, tagUntil, until)
			b = appendNumber(b, tagSeconds, seconds(at))
		}
	}
	return b
}

func seconds(at *pb.RateLimitResponse_DescriptorStatus) uint64 {
	return uint64(at.GetDurationUntilReset().GetSeconds()) // #nosec G115 -- as protocol buffers write what is negative
}

func limitSize(l *pb.RateLimitResponse_RateLimit) int {
	n := numberSize(uint64(l.GetRequestsPerUnit())) + numberSize(uint64(l.GetUnit())) // #nosec G115 -- an enum
	if name := l.GetName(); name != "" {
		n += 1 + protowire.SizeBytes(len(name))
	}
	return n
}

// numberSize is the size of a field: none for 0, which is not written.
func numberSize(n uint64) int {
	if n == 0 {
		return 0
	}
	return 1 + protowire.SizeVarint(n)
}

func appendNumber(b []byte, tag byte, n uint64) []byte {
	if n == 0 {
		return b
	}
	return protowire.AppendVarint(append(b, tag), n)
}

func appendLength(b []byte, tag byte, n int) []byte {
	return protowire.AppendVarint(append(b, tag), uint64(min(n, math.MaxInt32))) // #nosec G115 -- a length
}
