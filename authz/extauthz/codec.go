package extauthz

import (
	"unicode/utf8"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/structpb"
)

// Codec is gRPC's own for protocol buffers, and reads what Check is asked (see
// Register), and writes the answer of a Check that allows, without reflection, which
// takes as long as all that Check does. What it writes is what proto.Marshal would, and
// what it reads what proto.Unmarshal would; whatever it does not know goes to those.
func Codec() encoding.CodecV2 { return codec{encoding.GetCodecV2(proto.Name)} }

type codec struct{ encoding.CodecV2 }

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	response, ok := v.(*authv3.CheckResponse)
	if !ok {
		return c.CodecV2.Marshal(v) //nolint:wrapcheck // it stands in for it
	}
	var l layout
	if !l.of(response) {
		return c.CodecV2.Marshal(v) //nolint:wrapcheck // it stands in for it
	}
	pool := mem.DefaultBufferPool()
	buffer := pool.Get(l.total)
	*buffer = l.append((*buffer)[:0], response)
	return mem.BufferSlice{mem.NewBuffer(buffer, pool)}, nil
}

// The numbers of the fields, each as the first byte of its tag: all are below 16,
// and all but append_action (0) are of bytes (2).
const (
	tagStatus       = 1<<3 | 2 // CheckResponse
	tagOk           = 3<<3 | 2
	tagMetadata     = 4<<3 | 2
	tagHeaders      = 2<<3 | 2 // OkHttpResponse
	tagRemove       = 5<<3 | 2
	tagAddResponse  = 6<<3 | 2
	tagHeader       = 1<<3 | 2 // HeaderValueOption
	tagAppend       = 2<<3 | 2
	tagAppendAction = 3 << 3
	tagKey          = 1<<3 | 2 // HeaderValue, and an entry of a map
	tagValue        = 2<<3 | 2
	tagFields       = 1<<3 | 2 // Struct
	tagString       = 3<<3 | 2 // Value
)

// layout are the lengths that stand before their parts.
type layout struct{ total, ok, metadata int }

// of is false for what append cannot write, such as a refusal.
func (l *layout) of(response *authv3.CheckResponse) bool {
	allows, ok := response.GetHttpResponse().(*authv3.CheckResponse_OkResponse)
	if !ok || response.GetStatus() != statusOK || len(response.ProtoReflect().GetUnknown()) > 0 {
		return false
	}
	answer := allows.OkResponse
	if answer.GetDynamicMetadata() != nil || len(answer.GetQueryParametersToSet())+len(answer.GetQueryParametersToRemove()) > 0 { //nolint:staticcheck // deprecated, and not set
		return false
	}
	for _, options := range [...][]*corev3.HeaderValueOption{answer.GetHeaders(), answer.GetResponseHeadersToAdd()} {
		for _, o := range options {
			if !plain(o) {
				return false
			}
			l.ok += part(optionSize(o))
		}
	}
	for _, name := range answer.GetHeadersToRemove() {
		if !utf8.ValidString(name) {
			return false
		}
		l.ok += part(len(name))
	}
	for name, value := range response.GetDynamicMetadata().GetFields() {
		text, ok := value.GetKind().(*structpb.Value_StringValue)
		if !ok || !utf8.ValidString(text.StringValue) || !utf8.ValidString(name) {
			return false
		}
		l.metadata += part(entrySize(name, text.StringValue))
	}
	l.total = part(0) + part(l.ok) + part(l.metadata)
	return true
}

// plain says whether overwrite made an option, and text can hold what it says.
func plain(o *corev3.HeaderValueOption) bool {
	h := o.GetHeader()
	return o.GetAppend() == instead && o.GetAppendAction() == corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD && //nolint:staticcheck // see overwrite
		!o.GetKeepEmptyValue() && len(h.GetRawValue()) == 0 && utf8.ValidString(h.GetKey()) && utf8.ValidString(h.GetValue())
}

// part is the size of a field of that many bytes.
func part(n int) int { return 1 + protowire.SizeBytes(n) }

// text is part, and nothing for an empty text, which is not written.
func text(s string) int {
	if s == "" {
		return 0
	}
	return part(len(s))
}

func headerSize(h *corev3.HeaderValue) int { return text(h.GetKey()) + text(h.GetValue()) }

func optionSize(o *corev3.HeaderValueOption) int {
	const action = 2 // tag, and a number below 128
	return part(headerSize(o.GetHeader())) + part(0) + action
}

func entrySize(name, value string) int { return part(len(name)) + part(part(len(value))) }

func (l *layout) append(b []byte, response *authv3.CheckResponse) []byte {
	b = append(b, tagStatus, 0) // OK is 0
	answer := response.GetOkResponse()
	b = appendLength(b, tagOk, l.ok)
	b = appendOptions(b, tagHeaders, answer.GetHeaders())
	for _, name := range answer.GetHeadersToRemove() {
		b = append(appendLength(b, tagRemove, len(name)), name...)
	}
	b = appendOptions(b, tagAddResponse, answer.GetResponseHeadersToAdd())
	b = appendLength(b, tagMetadata, l.metadata)
	for name, value := range response.GetDynamicMetadata().GetFields() {
		said := value.GetStringValue()
		b = appendLength(b, tagFields, entrySize(name, said))
		b = append(appendLength(b, tagKey, len(name)), name...)
		b = appendLength(b, tagValue, part(len(said)))
		b = append(appendLength(b, tagString, len(said)), said...)
	}
	return b
}

func appendLength(b []byte, tag byte, n int) []byte {
	return protowire.AppendVarint(append(b, tag), uint64(n)) // #nosec G115 -- a length
}

func appendOptions(b []byte, tag byte, options []*corev3.HeaderValueOption) []byte {
	for _, o := range options {
		b = appendLength(b, tag, optionSize(o))
		b = appendLength(b, tagHeader, headerSize(o.GetHeader()))
		b = appendText(b, tagKey, o.GetHeader().GetKey())
		b = appendText(b, tagValue, o.GetHeader().GetValue())
		b = append(b, tagAppend, 0, tagAppendAction, byte(o.GetAppendAction())) // #nosec G115 -- below 128
	}
	return b
}

func appendText(b []byte, tag byte, s string) []byte {
	if s == "" {
		return b
	}
	return append(appendLength(b, tag, len(s)), s...)
}
