package extauthz

import (
	"fmt"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// The fields that Check sets for the upstream.
const (
	subjectHeader   = "x-gatehouse-subject"
	ageHeader       = "x-gatehouse-session-age" // whole seconds since sign-in
	rolesHeader     = "x-gatehouse-roles"       // separated by commas
	assertionHeader = "x-gatehouse-assertion"
	// ClientHeader tells the address of the client, as Envoy attests it, to
	// sign-in: only requests of policy.AuthRoute get it.
	ClientHeader = "x-gatehouse-client"
)

// identityHeaders are the fields by which an upstream may know a user. Only
// Gatehouse sets them; what comes from outside under these names is removed.
// Envoy can remove a field only by its exact name, so that the variants that a
// request really carries are added to the list.
var identityHeaders = [...]string{
	subjectHeader, ClientHeader, assertionHeader, rolesHeader, ageHeader,
	"x-forwarded-user", "x-forwarded-email", "x-forwarded-groups", "x-forwarded-preferred-username",
}

// identifies says whether a field speaks of identity, in whatever spelling: some
// servers take "_" for "-", and all ignore letter case.
func identifies(name string) bool {
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	if strings.HasPrefix(name, "x-gatehouse-") {
		return true
	}
	return slices.Contains(identityHeaders[:], name)
}

// overwrite sets a field to exactly this value. Envoy before 2026 looked only at
// the deprecated append, and later ones look at append_action: both are said.
func overwrite(name, value string) *corev3.HeaderValueOption {
	return &corev3.HeaderValueOption{
		Header:       &corev3.HeaderValue{Key: name, Value: value},
		Append:       wrapperspb.Bool(false), //nolint:staticcheck // see above
		AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
	}
}

func allowed(r *request, c *credentials, j *judgement) *authv3.CheckResponse {
	ok := &authv3.OkHttpResponse{}
	ok.Headers = append(ok.Headers, j.identity...)
	if r.clientIP != "" && r.signIn {
		ok.Headers = append(ok.Headers, overwrite(ClientHeader, r.clientIP))
	}
	if c.rewritten && c.cookie != "" && !r.signIn {
		ok.Headers = append(ok.Headers, overwrite("cookie", c.cookie))
	}
	ok.HeadersToRemove = r.removals(c, ok.Headers)
	ok.ResponseHeadersToAdd = j.limits.options()
	return &authv3.CheckResponse{
		// Never left out: the zero value would mean the same, and so would a bug.
		Status:          &rpcstatus.Status{Code: int32(codes.OK)},
		HttpResponse:    &authv3.CheckResponse_OkResponse{OkResponse: ok},
		DynamicMetadata: j.metadata(),
	}
}

// fieldSafe writes what cannot stand in a header field as %XX: a user id is
// whatever the store of users says.
func fieldSafe(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// removals lists what must not reach the upstream. What is set anew is not
// listed: Envoy removes after it has set.
func (r *request) removals(c *credentials, set []*corev3.HeaderValueOption) []string {
	names := make([]string, 0, len(identityHeaders)+2)
	add := func(name string) {
		kept := slices.ContainsFunc(set, func(h *corev3.HeaderValueOption) bool { return h.GetHeader().GetKey() == name })
		if !kept && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range identityHeaders {
		add(name)
	}
	for i := range r.headers {
		if identifies(r.headers[i].name) {
			add(r.headers[i].name)
		}
	}
	if r.signIn {
		return names
	}
	if c.bearer {
		add("authorization")
	}
	if c.rewritten && c.cookie == "" {
		add("cookie")
	}
	return names
}

func (l limitFields) options() []*corev3.HeaderValueOption {
	var options []*corev3.HeaderValueOption
	if l.policy != "" {
		options = append(options, overwrite("ratelimit-policy", l.policy), overwrite("ratelimit", l.state))
	}
	return options
}
