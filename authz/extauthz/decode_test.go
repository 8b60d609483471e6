package extauthz

import (
	"cmp"
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"gatehouse/authz/login"
)

// wholly is a request with each field that Envoy may send.
func wholly(headers map[string]string, raw ...*corev3.HeaderValue) *authv3.CheckRequest {
	peer := func(at string) *authv3.AttributeContext_Peer {
		return &authv3.AttributeContext_Peer{
			Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
				Address: at, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 54321},
			}}},
			Service: "edge", Labels: map[string]string{"a": "b"}, Principal: "spiffe://x", Certificate: "-----BEGIN",
		}
	}
	in := &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source: peer("192.0.2.7"), Destination: peer("198.51.100.1"),
		Request: &authv3.AttributeContext_Request{Time: timestamppb.Now(), Http: &authv3.AttributeContext_HttpRequest{
			Id: "123", Method: "POST", Headers: headers, Path: "/a/b?c=d#e", Host: "app.example.com", Scheme: "https", Query: "c=d",
			Fragment: "e", Size: -1, Protocol: "HTTP/2", Body: "body", RawBody: []byte{0xff},
		}},
		ContextExtensions: map[string]string{"policy": "p", "policy_version": "v", "audience": "app", "route": "r", "else": "x"},
		MetadataContext:   &corev3.Metadata{}, RouteMetadataContext: &corev3.Metadata{},
		TlsSession: &authv3.AttributeContext_TLSSession{Sni: "app.example.com"},
	}}
	if raw != nil {
		in.Attributes.Request.Http.HeaderMap = &corev3.HeaderMap{Headers: raw}
	}
	return in
}

// bothWays reads a message as the codec does and by reflection.
func bothWays(data []byte) (fast, slow request, how string) {
	var in incoming
	err := Codec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(data)}, &in)
	var whole authv3.CheckRequest
	wrong := proto.Unmarshal(data, &whole)
	switch {
	case wrong != nil && err != nil:
		return request{}, request{}, "refused"
	case wrong != nil || err != nil:
		return request{}, request{}, "refused one way alone"
	case in.whole != nil:
		return request{}, request{}, "by reflection"
	}
	in.request.clientIP = client(context.Background(), in.source)
	slow = read(context.Background(), &whole)
	for _, r := range []*request{&in.request, &slow} {
		if whole.GetAttributes().GetRequest().GetHttp().GetHeaderMap() == nil { // a map has no order
			slices.SortFunc(r.headers, func(a, b header) int { return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.value, b.value)) })
		}
		if len(r.headers) == 0 {
			r.headers = nil
		}
	}
	return in.request, slow, "fast"
}

func marshal(t testing.TB, in proto.Message) []byte {
	t.Helper()
	data, err := proto.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestARequestIsReadAsReflectionReadsIt(t *testing.T) {
	t.Parallel()
	many := map[string]string{}
	for i := range maxJoined + 1 {
		many[strings.Repeat("x", i+1)] = "y"
	}
	whole := marshal(t, wholly(map[string]string{"a": "b"}))
	named := &authv3.CheckRequest{Attributes: &authv3.AttributeContext{Source: &authv3.AttributeContext_Peer{
		Address: &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: "/run/envoy.sock"}}},
	}}}
	for name, c := range map[string]struct {
		data []byte
		how  string
	}{
		"nothing":            {nil, "fast"},
		"headers in a map":   {marshal(t, wholly(map[string]string{"cookie": "a=b", "X-Request-Id": "7", "empty": ""})), "fast"},
		"no headers":         {marshal(t, wholly(nil)), "fast"},
		"a pipe":             {marshal(t, named), "fast"},
		"more than we join":  {marshal(t, wholly(many)), "by reflection"},
		"parts there twice":  {append(slices.Clone(whole), whole...), "by reflection"},
		"cut off":            {whole[:len(whole)-1], "refused"},
		"no field":           {[]byte{0}, "refused"},
		"a group":            {[]byte{0x0b, 0x0c}, "by reflection"},
		"a number for a map": {[]byte{0x0a, 2, 0x50, 1}, "by reflection"},
		"raw headers, in any spelling": {marshal(t, wholly(nil,
			&corev3.HeaderValue{Key: "Cookie", RawValue: []byte("a=b")}, &corev3.HeaderValue{Key: "cookie", Value: "c=d"},
			&corev3.HeaderValue{Key: "x", RawValue: []byte{0xff}}, &corev3.HeaderValue{Key: "both", Value: "a", RawValue: []byte("b")},
			&corev3.HeaderValue{Key: "x-request-id", RawValue: []byte("7")})), "fast"},
		"raw headers beat the map":        {marshal(t, wholly(map[string]string{"a": "b"}, &corev3.HeaderValue{Key: "c", RawValue: []byte("d")})), "fast"},
		"empty raw headers leave the map": {marshal(t, wholly(map[string]string{"a": "b"}, []*corev3.HeaderValue{}...)), "fast"},
	} {
		fast, slow, how := bothWays(c.data)
		if how != c.how || !reflect.DeepEqual(fast, slow) {
			t.Errorf("%s: %s\n got %+v\nwant %+v", name, how, fast, slow)
		}
	}
}

func TestTextThatIsNotUTF8IsRefusedAsReflectionDoes(t *testing.T) {
	t.Parallel()
	const mark = "app.example.com"
	data := []byte(strings.ReplaceAll(string(marshal(t, wholly(nil))), mark, "\xff"+mark[1:]))
	if _, _, how := bothWays(data); how != "refused" {
		t.Errorf("it is %s", how)
	}
}

func FuzzARequestIsReadAsReflectionReadsIt(f *testing.F) {
	f.Add(marshal(f, wholly(map[string]string{"cookie": login.CookieName + "=x", "x-request-id": "7"})))
	f.Add(marshal(f, wholly(nil, &corev3.HeaderValue{Key: "Cookie", RawValue: []byte("a=b")})))
	f.Fuzz(func(t *testing.T, data []byte) {
		fast, slow, how := bothWays(data)
		if how == "fast" && !reflect.DeepEqual(fast, slow) {
			t.Errorf("got %+v\nwant %+v", fast, slow)
		}
		// What is not looked at may be wrong where reflection would look.
		if how != "refused one way alone" {
			return
		}
		var in incoming
		if err := Codec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(data)}, &in); err != nil {
			t.Errorf("refused, and reflection takes it: %v", err)
		}
	})
}

// BenchmarkRead is reading a request with a dozen headers.
func BenchmarkRead(b *testing.B) {
	var raw []*corev3.HeaderValue
	for _, name := range []string{":authority", ":path", ":method", ":scheme", "user-agent", "accept", "accept-language", "x-request-id", "cookie", "x-forwarded-for", "x-forwarded-proto", "x-envoy-internal"} {
		raw = append(raw, &corev3.HeaderValue{Key: name, RawValue: []byte(strings.Repeat(name, 4))})
	}
	data := marshal(b, wholly(nil, raw...))
	for name, fast := range map[string]bool{"fast": true, "by reflection": false} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if fast {
					var in incoming
					if err := in.read(data); err != nil || in.whole != nil {
						b.Fatal(err)
					}
					continue
				}
				var whole authv3.CheckRequest
				if err := proto.Unmarshal(data, &whole); err != nil {
					b.Fatal(err)
				}
				r := read(context.Background(), &whole)
				_ = r
			}
		})
	}
}
