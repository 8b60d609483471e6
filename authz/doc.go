// Package authz is the decision service: sessions and limits for Envoy's
// ext_authz, envoyproxy/ratelimit's service, Envoy's access log, and sign-in
// over HTTP, on one listener.
//
// Run promises that it either listens on everything or returns one clear error,
// that a handler's panic refuses that request and nothing else, and that ending
// its context ends it within five seconds, with the requests in flight answered
// and the events delivered. It keeps no state of its own but the last good
// policy: any number of replicas share one Redis.
package authz
