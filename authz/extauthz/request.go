package extauthz

import (
	"context"
	"net/netip"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/metadata"

	"gatehouse/authz/policy"
)

// request is what Check knows about a request, as Envoy attests it.
type request struct {
	method, host, path string // path without the query
	target             string // path with the query
	clientIP           string
	requestID          string
	policy, version    string // from the route's context extensions, as is
	audience           string
	signIn             bool // the upstream is authz itself
	route              string
	headers            []header
	joined             []header // while it is read: the form that has each name once
}

type header struct{ name, value string }

func read(ctx context.Context, in *authv3.CheckRequest) request {
	attributes := in.GetAttributes()
	http := attributes.GetRequest().GetHttp()
	r := request{
		method: http.GetMethod(), host: http.GetHost(), target: http.GetPath(),
		clientIP: client(ctx, attributes.GetSource().GetAddress().GetSocketAddress().GetAddress()),
		headers:  headersOf(http),
	}
	for name, value := range attributes.GetContextExtensions() {
		r.extend(name, value)
	}
	r.complete()
	return r
}

// client is the client's address as Envoy attests it; without the metadata, the
// connection's other end.
func client(ctx context.Context, source string) string {
	if values := metadata.ValueFromIncomingContext(ctx, policy.ClientMetadata); len(values) == 1 {
		if ip, err := netip.ParseAddr(values[0]); err == nil {
			return ip.String()
		}
	}
	return source
}

func withoutQuery(path string) string {
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		return path[:i]
	}
	return path
}

// headersOf reads both forms in which Envoy sends headers: joined in a map, or
// raw and one by one (encode_raw_headers).
func headersOf(http *authv3.AttributeContext_HttpRequest) []header {
	raw := http.GetHeaderMap().GetHeaders()
	headers := make([]header, 0, len(raw)+len(http.GetHeaders()))
	for _, h := range raw {
		headers = append(headers, header{strings.ToLower(h.GetKey()), valueOf(h)})
	}
	if len(raw) == 0 {
		for name, value := range http.GetHeaders() {
			headers = append(headers, header{strings.ToLower(name), value})
		}
	}
	return headers
}

func valueOf(h *corev3.HeaderValue) string {
	if len(h.GetRawValue()) > 0 {
		return string(h.GetRawValue())
	}
	return h.GetValue()
}

func (r *request) first(name string) string {
	for i := range r.headers {
		if r.headers[i].name == name {
			return r.headers[i].value
		}
	}
	return ""
}

// all are the values of a header that may stand several times.
func (r *request) all(name string) []string {
	var values []string
	for i := range r.headers {
		if r.headers[i].name == name {
			values = append(values, r.headers[i].value)
		}
	}
	return values
}

// usable says whether the request is one that a policy can be applied to: not a
// tunnel, and with a path.
func (r *request) usable() bool {
	return r.method != "CONNECT" && strings.HasPrefix(r.path, "/")
}

// disguised recognises a path that two programs may read as two different ones.
// Rules are matched on paths only after this: Envoy normalises if it was told
// to, and who loads authz into an Envoy of his own may not have told it.
func (r *request) disguised() bool {
	lower := strings.ToLower(r.path)
	for _, mark := range [...]string{"//", "\\", "%2f", "%5c", "%2e", "%00", "\x00"} {
		if strings.Contains(lower, mark) {
			return true
		}
	}
	for segment := range strings.SplitSeq(lower, "/") {
		name, _, _ := strings.Cut(segment, ";") // path parameters, which some servers cut off
		if name == "." || name == ".." {
			return true
		}
	}
	return false
}

// maxText bounds what is repeated to others, in bytes.
const maxText = 128

func bounded(s string) string { return s[:min(len(s), maxText)] }
