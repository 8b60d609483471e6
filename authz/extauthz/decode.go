package extauthz

import (
	"context"
	"strings"
	"unicode/utf8"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"gatehouse/authz/policy"
)

// incoming is a CheckRequest of which only what Check looks at has been read: the
// whole by reflection takes longer than all else that Check does.
type incoming struct {
	request request
	source  string // the other end of the connection
	whole   *authv3.CheckRequest
}

// Register has the server answer Check by s, and read its requests as the Codec
// does. It takes the place of authv3.RegisterAuthorizationServer.
func Register(server *grpc.Server, s *Service) {
	described := authv3.Authorization_ServiceDesc
	described.Methods = []grpc.MethodDesc{{MethodName: "Check", Handler: handle}}
	server.RegisterService(&described, s)
}

func handle(service any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
	in := new(incoming)
	if err := decode(in); err != nil {
		return nil, err
	}
	s := service.(*Service) //nolint:forcetypeassert // Register takes no other
	if interceptor == nil {
		return s.checkIncoming(ctx, in)
	}
	info := &grpc.UnaryServerInfo{Server: service, FullMethod: authv3.Authorization_Check_FullMethodName}
	return interceptor(ctx, in, info, func(ctx context.Context, _ any) (any, error) { return s.checkIncoming(ctx, in) })
}

func (s *Service) checkIncoming(ctx context.Context, in *incoming) (*authv3.CheckResponse, error) {
	if in.whole != nil {
		return s.Check(ctx, in.whole)
	}
	in.request.clientIP = client(ctx, in.source)
	return s.check(ctx, &in.request)
}

// Unmarshal implements encoding.CodecV2.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	in, ok := v.(*incoming)
	if !ok {
		return c.CodecV2.Unmarshal(data, v) //nolint:wrapcheck // it stands in for it
	}
	buffer := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer buffer.Free()
	return in.read(buffer.ReadOnlyData())
}

// read leaves to reflection whatever is not as Envoy writes it: it knows what an
// error is, and how parts that are there twice go together.
func (in *incoming) read(data []byte) error {
	// Copied once; everything that is kept points into it.
	r := reader{text: string(data)}
	if r.checkRequest(in); !r.failed {
		in.request.complete()
		return nil
	}
	*in = incoming{whole: new(authv3.CheckRequest)}
	return proto.Unmarshal(data, in.whole) //nolint:wrapcheck // gRPC tells
}

// The parts of a CheckRequest that are read, each of which is there once.
const (
	hasAttributes = 1 << iota
	hasSource
	hasAddress
	hasKindOfAddress
	hasRequest
	hasHTTP
	hasHeaderMap
)

const (
	// maxExpected is how many fields most requests have at most.
	maxExpected = 24
	// maxJoined bounds the work of join; what has more is read by reflection.
	maxJoined = 256
)

// reader reads a message. It stops for good at what is not as expected.
type reader struct {
	text   string
	failed bool
	seen   int
}

// field is one of a message; of one that is a number only that is known.
type field struct {
	number  protowire.Number
	content string
	sized   bool
}

// next takes the next field off a message; false at its end, or where reading stops.
func (r *reader) next(message *string) (f field, more bool) {
	if *message == "" || r.failed {
		return field{}, false
	}
	rest := *message
	tag, n := varint(rest)
	var kind protowire.Type
	f.number, kind = protowire.DecodeTag(tag)
	r.failed = n == 0 || f.number < protowire.MinValidNumber || f.number > protowire.MaxValidNumber
	rest = rest[n:]
	value, n := varint(rest) // or the length
	rest = rest[n:]
	switch {
	case r.failed || n == 0:
		r.failed = true
	case kind == protowire.VarintType:
	case kind == protowire.BytesType && value <= uint64(len(rest)):
		f.content, f.sized, rest = rest[:value], true, rest[value:]
	default: // Envoy writes no other kinds here
		r.failed = true
	}
	*message = rest
	return f, !r.failed
}

// varint reads as protowire.ConsumeVarint does; n is 0 if there is none.
func varint(s string) (v uint64, n int) {
	for i := 0; i < len(s) && i < 10; i++ {
		b := s[i]
		if i == 9 && b > 1 {
			return 0, 0
		}
		v |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}

// string is the content of a field that is one.
func (r *reader) string(f field) string {
	if !f.sized || !utf8.ValidString(f.content) {
		r.failed = true
	}
	return f.content
}

// part is the content of a field that is a message. One that is there twice would
// have to be merged.
func (r *reader) part(f field, which int) string {
	if !f.sized || r.seen&which != 0 {
		r.failed = true
	}
	r.seen |= which
	return f.content
}

func (r *reader) checkRequest(in *incoming) {
	message := r.text
	for f, more := r.next(&message); more; f, more = r.next(&message) {
		if f.number == 1 {
			r.attributes(in, r.part(f, hasAttributes))
		}
	}
}

func (r *reader) attributes(in *incoming, message string) {
	for f, more := r.next(&message); more; f, more = r.next(&message) {
		switch f.number {
		case 1:
			r.source(in, r.part(f, hasSource))
		case 4:
			r.request(&in.request, r.part(f, hasRequest))
		case 10:
			in.request.extend(r.entry(f))
		}
	}
}

func (r *reader) source(in *incoming, message string) {
	for f, more := r.next(&message); more; f, more = r.next(&message) {
		switch f.number {
		case 1:
			r.address(in, r.part(f, hasAddress))
		case 2, 4, 5: // service, principal, certificate
			r.string(f)
		}
	}
}

// address has one of several kinds; of several the last one would count.
func (r *reader) address(in *incoming, message string) {
	for f, more := r.next(&message); more; f, more = r.next(&message) {
		socket := r.part(f, hasKindOfAddress)
		if f.number != 1 {
			continue
		}
		for f, more := r.next(&socket); more; f, more = r.next(&socket) {
			if f.number == 2 {
				in.source = r.string(f)
			}
		}
	}
}

func (r *reader) request(to *request, message string) {
	for f, more := r.next(&message); more; f, more = r.next(&message) {
		if f.number == 2 {
			r.http(to, r.part(f, hasHTTP))
		}
	}
}

func (r *reader) http(to *request, message string) {
	for f, more := r.next(&message); more; f, more = r.next(&message) {
		switch f.number {
		case 2:
			to.method = r.string(f)
		case 3:
			name, value := r.entry(f)
			to.joined = append(to.joined, header{name, value})
			r.failed = r.failed || len(to.joined) > maxJoined
		case 4:
			to.target = r.string(f)
		case 5:
			to.host = r.string(f)
		case 1, 6, 7, 8, 10, 11: // id, scheme, query, fragment, protocol, body
			r.string(f)
		case 13:
			r.headerMap(to, r.part(f, hasHeaderMap))
		}
	}
}

// headerMap holds each field by itself (encode_raw_headers).
func (r *reader) headerMap(to *request, message string) {
	to.headers = make([]header, 0, maxExpected)
	for f, more := r.next(&message); more; f, more = r.next(&message) {
		if f.number == 1 {
			to.headers = append(to.headers, r.header(f))
		}
	}
}

func (r *reader) header(of field) header {
	r.failed = r.failed || !of.sized
	var h header
	message, raw := of.content, ""
	for f, more := r.next(&message); more; f, more = r.next(&message) {
		switch f.number {
		case 1:
			h.name = r.string(f)
		case 2:
			h.value = r.string(f)
		case 3:
			raw = f.content
			r.failed = r.failed || !f.sized
		}
	}
	if raw != "" {
		h.value = raw
	}
	h.name = strings.ToLower(h.name)
	return h
}

// entry is one of a map of strings.
func (r *reader) entry(of field) (name, value string) {
	r.failed = r.failed || !of.sized
	message := of.content
	for f, more := r.next(&message); more; f, more = r.next(&message) {
		switch f.number {
		case 1:
			name = r.string(f)
		case 2:
			value = r.string(f)
		}
	}
	return name, value
}

// extend notes a context extension; of a map, the last of a name counts.
func (r *request) extend(name, value string) {
	switch name {
	case "policy":
		r.policy = value
	case "policy_version":
		r.version = value
	case "audience":
		r.audience = value
	case "route":
		r.route = value
	}
}

// complete fills in what follows from the rest.
func (r *request) complete() {
	r.path = withoutQuery(r.target)
	r.signIn = r.route == policy.AuthRoute || r.policy == policy.AuthRoute
	if len(r.headers) == 0 {
		r.join()
	}
	r.joined = nil
	r.requestID = bounded(r.first("x-request-id"))
}

// join takes the headers of the form that has each name once; of a map, the last of
// a name counts.
func (r *request) join() {
	for i, h := range r.joined {
		last := true
		for _, later := range r.joined[i+1:] {
			last = last && later.name != h.name
		}
		if last {
			r.headers = append(r.headers, header{strings.ToLower(h.name), h.value})
		}
	}
}
