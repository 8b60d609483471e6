// Package ratelimit is envoy.service.ratelimit.v3.RateLimitService for those
// who already use Envoy's own rate_limits and a directory of
// envoyproxy/ratelimit's YAML.
//
// It promises envoyproxy/ratelimit's verdicts, remaining counts and reset times (the
// table is in package conformance), one round trip to Redis a request at most, which it
// shares with others, and that a configuration which cannot be read changes nothing and
// is reported with every mistake in it. Keys of the YAML that it does not know are
// mistakes too, never ignored; detailed_metric and value_to_metric are read, and do not
// change metrics. When Redis cannot be asked it answers as Options.OnError says, by
// default with the gRPC status UNAVAILABLE: whether that lets the request pass is
// Envoy's failure_mode_deny.
package ratelimit
