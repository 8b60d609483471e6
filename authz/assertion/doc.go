// Package assertion vouches to upstreams for who is signed in: a short JWT (RFC
// 7519), signed with ES256, for one audience, and the JWK Set (RFC 7517) to
// verify it with.
//
// It promises that every replica with the same secret has the same keys at the
// same time, without asking anybody: the key of a day is derived from the secret
// and the day. The JWK Set names yesterday's, today's and tomorrow's key, so that
// who fetches it once a day never meets a key that it has not seen.
//
// It does not promise that an assertion ends with its session: it lives for at
// most a minute more. Who has the secret can vouch for anybody; replacing it
// ends all keys at once.
package assertion
