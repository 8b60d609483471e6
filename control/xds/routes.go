package xds

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	extauthzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	authzpolicy "gatehouse/authz/policy"
	"gatehouse/control/policy"
	"gatehouse/filter/match"
	filterpolicy "gatehouse/filter/policy"
	"gatehouse/filter/upload"
)

const (
	// metadataNamespace and metadataPolicy are where the filter looks for the
	// name of a route's policy.
	metadataNamespace = "gatehouse"
	metadataPolicy    = "policy"
	// bodyBuffer lets the filter keep a chunk back without tripping Envoy's own
	// limit, which would answer 413 for a request that is within the policy's.
	bodyBuffer = 4 << 20
	anyHost    = "*"
)

// routeConfiguration has one virtual host for each host pattern of the file.
// Envoy picks the virtual host first and the route second, so each of them
// repeats, in the order of the file, every route that covers its pattern.
func (b *builder) routeConfiguration() *routev3.RouteConfiguration {
	config := &routev3.RouteConfiguration{
		Name: RouteConfigName,
		// The filter and authz match hosts without their port as well.
		IgnorePortInHostMatching: true,
	}
	for _, pattern := range hostPatterns(b.compiled.Routes) {
		config.VirtualHosts = append(config.VirtualHosts, b.virtualHost(pattern))
	}
	return config
}

func hostPatterns(routes []policy.Route) []string {
	patterns := []string{anyHost}
	for _, r := range routes {
		for _, h := range r.Hosts {
			if !slices.Contains(patterns, h) {
				patterns = append(patterns, h)
			}
		}
	}
	slices.Sort(patterns)
	return patterns
}

func (b *builder) virtualHost(pattern string) *routev3.VirtualHost {
	host := &routev3.VirtualHost{
		Name:                   "host " + pattern,
		Domains:                []string{pattern},
		RequestBodyBufferLimit: wrapperspb.UInt64(bodyBuffer),
		Routes:                 []*routev3.Route{b.ambiguousHostRoute()},
	}
	if tls := b.compiled.Envoy.TLS; tls != nil && tls.RedirectHTTP {
		host.Routes = append(host.Routes, b.redirectRoute(tls))
	}
	host.Routes = append(host.Routes, b.authRoute())
	for _, r := range b.compiled.Routes {
		if covers(r.Hosts, pattern) {
			host.Routes = append(host.Routes, b.routes(r)...)
		}
	}
	host.Routes = append(host.Routes, b.defaultRoute())
	return host
}

// covers says whether a route applies to all hosts of a virtual host's pattern.
// A route whose pattern is narrower has a virtual host of its own.
func covers(hosts []string, pattern string) bool {
	return len(hosts) == 0 || slices.ContainsFunc(hosts, func(h string) bool { return match.HostMatches(h, pattern) })
}

// routes are Envoy's of one route of the file: itself, and where only some
// methods match and the policy speaks CORS, also the preflights for them, which
// come as OPTIONS.
func (b *builder) routes(r policy.Route) []*routev3.Route {
	made := []*routev3.Route{b.route(r, methodMatchers(r.Methods))}
	if len(r.Methods) > 0 && !slices.Contains(r.Methods, "OPTIONS") && b.speaksCORS(r.Policy) {
		made = append(made, b.route(r, preflightMatchers(r.Methods)))
	}
	return made
}

func (b *builder) speaksCORS(name string) bool {
	cors := b.compiled.Filter.Policies[name].CORS
	return cors != nil && cors.Mode != filterpolicy.Off
}

func (b *builder) route(r policy.Route, headers []*routev3.HeaderMatcher) *routev3.Route {
	made := b.underPolicy(r.Name, r.Policy, "audience", r.Upstream)
	made.Match = pathMatch(r)
	made.Match.Headers = headers
	made.Action = toCluster(UpstreamPrefix + r.Upstream)
	made.RequestBodyBufferLimit = b.heldBody(r.Policy)
	return made
}

// heldBody makes room for bodies that are kept back as a whole for the scanner.
func (b *builder) heldBody(name string) *wrapperspb.UInt64Value {
	u := b.compiled.Filter.Policies[name].Uploads
	if u == nil || u.Mode == filterpolicy.Off || u.Scan == nil || u.Scan.Hold != filterpolicy.HoldBody {
		return nil
	}
	return wrapperspb.UInt64(bodyBuffer + uint64(cmp.Or(u.Scan.MaxHold, upload.DefaultMaxHold))) // #nosec G115 -- a size, checked
}

func (b *builder) authRoute() *routev3.Route {
	r := b.underPolicy(authzpolicy.AuthRoute, b.compiled.AuthPolicy)
	r.Match = prefixMatch(policy.AuthPrefix)
	r.Action = toCluster(AuthzHTTPCluster)
	return r
}

// ambiguousHostRoute refuses several Host fields, which Envoy joins by commas:
// which one counts would be for every reader to decide.
func (b *builder) ambiguousHostRoute() *routev3.Route {
	r := b.underPolicy(DefaultRoute, policy.DefaultPolicy)
	r.Match = prefixMatch("/")
	r.Match.Headers = []*routev3.HeaderMatcher{headerMatcher(":authority", &matcherv3.StringMatcher{
		MatchPattern: &matcherv3.StringMatcher_Contains{Contains: ","},
	})}
	r.Action = answer(400, "Bad Request")
	return r
}

// redirectRoute sends what came without TLS to https. Envoy itself writes
// x-forwarded-proto, or a trusted proxy in front that has taken TLS off.
func (b *builder) redirectRoute(tls *policy.TLSSettings) *routev3.Route {
	r := b.underPolicy(DefaultRoute, policy.DefaultPolicy)
	r.Match = prefixMatch("/")
	r.Match.Headers = []*routev3.HeaderMatcher{headerMatcher("x-forwarded-proto", &matcherv3.StringMatcher{
		MatchPattern: &matcherv3.StringMatcher_Exact{Exact: "http"},
	})}
	r.Action = &routev3.Route_Redirect{Redirect: &routev3.RedirectAction{
		SchemeRewriteSpecifier: &routev3.RedirectAction_HttpsRedirect{HttpsRedirect: true},
		ResponseCode:           routev3.RedirectAction_PERMANENT_REDIRECT,
		PortRedirect:           tls.RedirectPort, // also 443: else the Host's own port would stay
	}}
	return r
}

// answer is one of Envoy's own, as a problem document.
func answer(status uint32, title string) *routev3.Route_DirectResponse {
	return &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{
		Status:     status,
		BodyFormat: problemFormat("about:blank", title, structpb.NewNumberValue(float64(status))),
	}}
}

// defaultRoute answers what nothing else matched, so that a 404 too has a
// policy and leaves with the security headers.
func (b *builder) defaultRoute() *routev3.Route {
	r := b.underPolicy(DefaultRoute, policy.DefaultPolicy)
	r.Match = prefixMatch("/")
	r.Action = answer(404, "Not Found")
	return r
}

// underPolicy is a route that tells both the filter and authz what applies; more
// are pairs of further context extensions.
func (b *builder) underPolicy(name, policyName string, more ...string) *routev3.Route {
	if _, ok := b.compiled.Filter.Policies[policyName]; !ok {
		b.fail("route %s: the filter has no policy %q", name, policyName)
	}
	if _, ok := b.compiled.Authz.Policies[policyName]; !ok {
		b.fail("route %s: authz has no policy %q", name, policyName)
	}
	extensions := map[string]string{"policy": policyName, "policy_version": b.compiled.Version, "route": name}
	for pair := range slices.Chunk(more, 2) {
		extensions[pair[0]] = pair[1]
	}
	return &routev3.Route{
		Name: name,
		Metadata: &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{
			metadataNamespace: {Fields: map[string]*structpb.Value{metadataPolicy: structpb.NewStringValue(policyName)}},
		}},
		TypedPerFilterConfig: map[string]*anypb.Any{extAuthzName: b.pack(&extauthzv3.ExtAuthzPerRoute{
			Override: &extauthzv3.ExtAuthzPerRoute_CheckSettings{CheckSettings: &extauthzv3.CheckSettings{
				ContextExtensions: extensions,
			}},
		})},
	}
}

// toCluster has no time limit for the whole response, which would cut long
// downloads and event streams: the idle time limit of the stream bounds it.
func toCluster(name string) *routev3.Route_Route {
	return &routev3.Route_Route{Route: &routev3.RouteAction{
		ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: name},
		Timeout:          seconds(0),
	}}
}

func pathMatch(r policy.Route) *routev3.RouteMatch {
	switch {
	case r.Path != "":
		return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Path{Path: r.Path}}
	case strings.HasSuffix(r.PathPrefix, "/"):
		return prefixMatch(r.PathPrefix)
	default:
		return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_PathSeparatedPrefix{PathSeparatedPrefix: r.PathPrefix}}
	}
}

func prefixMatch(prefix string) *routev3.RouteMatch {
	return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: prefix}}
}

func methodMatchers(methods []string) []*routev3.HeaderMatcher {
	if len(methods) == 0 {
		return nil
	}
	return []*routev3.HeaderMatcher{headerMatcher(":method", oneOf(methods))}
}

// preflightMatchers recognise a preflight for one of the methods (Fetch
// standard, section 3.2.2).
func preflightMatchers(methods []string) []*routev3.HeaderMatcher {
	return []*routev3.HeaderMatcher{
		headerMatcher(":method", exactly("OPTIONS")),
		headerMatcher("access-control-request-method", oneOf(methods)),
		{Name: "origin", HeaderMatchSpecifier: &routev3.HeaderMatcher_PresentMatch{PresentMatch: true}},
	}
}

func headerMatcher(name string, m *matcherv3.StringMatcher) *routev3.HeaderMatcher {
	return &routev3.HeaderMatcher{Name: name, HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: m}}
}

// oneOf matches the whole of a value.
func oneOf(values []string) *matcherv3.StringMatcher {
	if len(values) == 1 {
		return exactly(values[0])
	}
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = regexp.QuoteMeta(v)
	}
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{
		SafeRegex: &matcherv3.RegexMatcher{Regex: strings.Join(quoted, "|")},
	}}
}
