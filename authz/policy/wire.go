package policy

// What Envoy's configuration and Check agree upon. Whoever writes the former,
// control or a person, writes these; extauthz reads them.
const (
	// AuthRoute names, as context extension "route" or "policy", the route whose
	// upstream is authz itself. Only there is the session token sent on: signing
	// out needs it.
	AuthRoute = "gatehouse-auth"
	// ClientMetadata is the gRPC metadata of a Check that holds the client's
	// address without its port, as the listener's trusted hops make Envoy see it.
	// CheckRequest's own source is the connection's other end: behind another
	// proxy, that proxy. No client can write into a gRPC call's metadata.
	ClientMetadata = "x-gatehouse-client"
)
