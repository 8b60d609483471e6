// Package quota is envoy.service.rate_limit_quota.v3.RateLimitQuotaService: Envoy
// enforces a share of each limit by itself, and reports what it let through; here
// the shares are dealt out, by what is asked of each Envoy.
//
// It promises that the shares of all Envoys that are in force at any time are
// together no more than the limit, whichever replica dealt them out: Redis holds
// them, and a share is only enlarged by what no other holds. What Envoy lets
// through in any window is therefore at most the limit and a tenth of it more, for
// the burst that its token bucket holds; and once more that tenth for each time
// that a share changed within the window.
//
// It does not promise that a limit is used up: an Envoy that dies keeps its share
// until it expires, and one whose traffic rises gets more when it next reports.
// Without Redis nothing is dealt out: shares run out, and then Envoy does what its
// own expired_assignment_behavior says.
package quota
