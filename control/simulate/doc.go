// Package simulate replays an access log against a limit that is not yet in force,
// and says what it would have refused.
//
// It promises the verdicts of the limiter that counts in production (the same
// algorithms, by the log's own clock), in memory that does not grow with the log,
// and that a line which cannot be read is counted and shown, never skipped in
// silence. It reads Envoy's default format, the common and combined formats, and
// JSON by line; which is which each line says by itself.
//
// It does not know what clients would have done had they been refused: one that
// tries again makes more requests than the log has.
package simulate
