// Package openid signs people in at OpenID providers: the authorization code flow
// (OpenID Connect Core 1.0 section 3.1) with PKCE (RFC 7636), state and nonce,
// several providers side by side, and sign-out that the provider tells of, by its
// server (Back-Channel Logout 1.0) or in the browser (Front-Channel Logout 1.0).
//
// It promises that a sign-in ends in the browser that began it, once, within ten
// minutes, at the provider that it was begun with; that people come back only to
// a configured origin; and that a provider which does not answer costs its own
// users their sign-in, and nobody else anything.
//
// It knows no users and no sessions: who a provider's subject is, and what they
// get, its Options say. It takes no tokens for APIs: those of a provider are for
// their own audience.
package openid
