// Package limit counts requests against limits: on Redis for all replicas
// together (Limiter), or in this process alone (Local) while Redis is away.
//
// It promises, for each key, with T the limit's window:
//
//   - sliding_window: never more than Requests admitted in any T, wherever it
//     starts (an exact log, one entry a request);
//   - fixed_window: never more than Requests admitted in each T counted from the
//     Unix epoch, hence up to twice that across a border;
//   - gcra: never more than Burst + t*Requests/T admitted in any span t.
//
// All limits of one call are decided in one atomic script, in one round trip,
// by Redis's own clock. A call whose answer was lost may have been counted:
// open the client without command retries (MaxRetries -1), or a retry counts
// twice, and with ContextTimeoutEnabled, or a context's deadline is not
// honoured.
//
// It does not decide what happens while Redis cannot be asked: that is the
// policy's on_redis_error, carried out by the caller. In Redis Cluster the keys
// of one call must share a slot, which Key alone does not arrange.
package limit
