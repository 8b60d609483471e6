// Package session keeps opaque sessions on Redis: one server, Sentinel, or a Cluster.
//
// It promises: a token is 256 random bits, recognisable by its prefix and
// checksum; Redis holds only its SHA-256; a session ends at its idle limit, at
// its absolute limit, and when it is revoked: at once for whoever asks Redis,
// within 100 ms for caches, and within a second where the push to them is lost.
// One, all others, a user's, a tenant's and all of everybody are revoked by one
// write each. Looking a session up and noting that it was used is one round
// trip. A Redis that cannot be asked (ErrUnavailable) is never mistaken for a
// session that does not exist (ErrInvalid). Ended sessions are remembered for
// ten minutes, so that it can be told how they ended.
//
// All of a user is one hash, whose key's hash tag, the handle, is in the token:
// a user's sessions share a slot with whatever else is kept under that tag. What
// the handle says is only true once the lookup says so.
//
// It does not know passwords, cookies or HTTP. It takes its time limits from the
// caller's context: open the client with ContextTimeoutEnabled. Without a
// Durability a primary that dies takes with it what it had not yet sent to a
// replica, also revocations.
package session
