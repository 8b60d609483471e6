// Package session keeps opaque sessions on Redis.
//
// It promises: a token is 256 random bits, recognisable by its prefix and
// checksum; Redis holds only its SHA-256; a session ends at its idle limit, at
// its absolute limit, and at once everywhere when it is revoked; looking a
// session up and noting that it was used is one round trip; and a Redis that
// cannot be asked (ErrUnavailable) is never mistaken for a session that does not
// exist (ErrInvalid). Ended sessions are remembered for ten minutes, so that it
// can be told how they ended.
//
// It does not know passwords, cookies or HTTP, it keeps no cache, and it takes
// its time limits from the caller's context: open the client with
// ContextTimeoutEnabled.
package session
