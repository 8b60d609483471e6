// Package accesslog is envoy.service.accesslog.v3.AccessLogService: it turns
// Envoy's access log into events.
//
// It promises exactly one event for each HTTP request that Envoy has finished,
// whoever decided it (the filter, ext_authz, a limit, Envoy itself), with fields
// that are bounded and hold no control characters, and without raw addresses or
// user ids. The same entry sent twice makes the same event ID. It does not
// promise that Envoy sends each entry: that is Envoy's buffer.
package accesslog
