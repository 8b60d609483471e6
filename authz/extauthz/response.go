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
	if name == "" || name[0]|0x20 != 'x' { // all names of identity begin so
		return false
	}
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	if strings.HasPrefix(name, "x-gatehouse-") {
		return true
	}
	return slices.Contains(identityHeaders[:], name)
}

// What every answer has in common. Nobody changes it.
var (
	instead  = wrapperspb.Bool(false)
	statusOK = &rpcstatus.Status{Code: int32(codes.OK)}
)

// overwrite sets a field to exactly this value. Envoy before 2026 looked only at
// the deprecated append, and later ones look at append_action: both are said.
func overwrite(name, value string) *corev3.HeaderValueOption {
	one := &struct { // in one piece: a Check makes several
		option corev3.HeaderValueOption
		header corev3.HeaderValue
	}{}
	one.header.Key, one.header.Value = name, value
	one.option.Header = &one.header
	one.option.Append = instead //nolint:staticcheck // see above
	one.option.AppendAction = corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD
	return &one.option
}

func allowed(r *request, c *credentials, j *judgement) *authv3.CheckResponse {
	one := &struct {
		response authv3.CheckResponse
		either   authv3.CheckResponse_OkResponse
		ok       authv3.OkHttpResponse
	}{}
	ok := &one.ok
	ok.Headers = j.identity
	if r.clientIP != "" && r.signIn {
		ok.Headers = append(ok.Headers, overwrite(ClientHeader, r.clientIP))
	}
	if c.rewritten && c.cookie != "" && !r.signIn {
		ok.Headers = append(ok.Headers, overwrite("cookie", c.cookie))
	}
	ok.HeadersToRemove = r.removals(c, ok.Headers)
	ok.ResponseHeadersToAdd = j.limits.options()
	one.either.OkResponse = ok
	one.response.Status = statusOK // never left out: the zero value would mean the same, and so would a bug
	one.response.HttpResponse = &one.either
	one.response.DynamicMetadata = j.metadata()
	return &one.response
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
	kept := 0
	for i, name := range settable {
		if sets(set, name) {
			kept |= 1 << i
		}
	}
	names := usualRemovals[kept]
	add := func(name string) {
		if !sets(set, name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
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

func sets(set []*corev3.HeaderValueOption, name string) bool {
	for _, h := range set {
		if h.Header.Key == name {
			return true
		}
	}
	return false
}

// settable are those of identityHeaders that Check itself may set.
var settable = identityHeaders[:5]

// usualRemovals are identityHeaders without those that are set, by which of
// settable are, as bits. Whatever is added goes to a copy.
var usualRemovals = func() (lists [1 << 5][]string) {
	for kept := range lists {
		for i, name := range identityHeaders {
			if i >= len(settable) || kept&(1<<i) == 0 {
				lists[kept] = append(lists[kept], name)
			}
		}
		lists[kept] = slices.Clip(lists[kept])
	}
	return lists
}()

func (l limitFields) options() []*corev3.HeaderValueOption {
	var options []*corev3.HeaderValueOption
	if l.policy != "" {
		options = append(options, overwrite("ratelimit-policy", l.policy), overwrite("ratelimit", l.state))
	}
	return options
}
