// Package extauthz is envoy.service.auth.v3.Authorization: one Check decides a
// request's session and every limit of its policy.
//
// It promises to fail closed: whatever is not a clear yes (an unknown policy, a
// session store that does not answer where a session is required, a consent that
// cannot be looked up, a limit that cannot be counted and says deny, a panic)
// refuses. It decides on what Envoy says about the request, never on a header
// that a client can set to get more. Each answer carries its status explicitly
// and its reason as dynamic metadata, for the access log. It never sends the
// session token on to the upstream.
//
// A token that cannot be verified on a route where a session is optional makes
// the request anonymous: the route said that it serves strangers, and the
// upstream is never told a subject that was not verified.
package extauthz
