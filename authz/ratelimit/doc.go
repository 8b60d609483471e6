// Package ratelimit is envoy.service.ratelimit.v3.RateLimitService for those
// who already use Envoy's own rate_limits and a directory of
// envoyproxy/ratelimit's YAML.
//
// It promises the verdicts of fixed windows counted in Redis, one round trip a
// request, and that a configuration which cannot be read changes nothing and is
// reported with every mistake in it. Keys of the YAML that it does not carry
// out are mistakes too, never ignored. When Redis cannot be asked it answers
// with the gRPC status UNAVAILABLE: whether that lets the request pass is
// Envoy's failure_mode_deny.
package ratelimit
