// Package limit counts requests against limits: on Redis for all replicas
// together (Limiter, Windows), or in this process alone (Local) while Redis is away.
//
// It promises, for each key, with T the limit's window:
//
//   - sliding_window: never more than Requests admitted in any T, wherever it
//     starts (an exact log, one entry a request);
//   - fixed_window: never more than Requests admitted in each T counted from the
//     Unix epoch, hence up to twice that across a border;
//   - gcra: never more than Burst + t*Requests/T admitted in any span t;
//   - two_bucket: as sliding_window for requests that come evenly, up to twice that for
//     those that do not, in two numbers;
//   - quota: never more than Requests admitted in each of the Calendar's days or months;
//   - concurrency: never more than Requests places taken at once, each until it is
//     released or T has passed.
//
// All limits of one call of a Limiter are decided in one atomic script, in one round
// trip, by Redis's own clock; in a Cluster those of each slot, and
// none waits for another. Windows counts each limit for itself, fixed ones in plain
// commands that callers share round trips for; it knows Redis's clock to within half a
// round trip, does not ask for what is over its limit, and serves a hot key from a
// slice of its budget where a Request says so. Slices do that, for Windows and for what a
// Limiter counts; with N replicas, up to N slices may be refused though nobody used them.
//
// A call whose answer was lost may have been counted: open the client without command
// retries (MaxRetries -1), or a retry counts twice, and with ContextTimeoutEnabled, or
// a context's deadline is not honoured. A counter that Redis loses begins anew.
//
// It does not decide what happens while Redis cannot be asked: that is the
// policy's on_redis_error, carried out by the caller.
package limit
