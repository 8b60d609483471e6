// Package login signs people in and out, and lets them look after their account,
// under /auth/.
//
// It promises: passwords are checked with argon2id, within a fixed amount of
// memory however many sign in at once; an unknown name costs the same hash and
// gets the same answer, byte for byte, as a wrong password or a disabled user;
// attempts are counted and slowed down (see throttle); whoever has an
// authenticator app or a passkey signs in with both factors, or with a passkey
// that has verified them, and in no other way; every attempt and every change of
// a credential is one event, with the precise reason; each sign-in makes a new
// session, and ends or rotates the one that the request came with; another site cannot make
// a browser sign in or change anything; and nobody is sent to an origin that is
// not configured.
//
// Accounts, of which control's store is one, keeps people and credentials;
// sessions are package session's, at one place (complete), where every way to
// sign in ends; mail is a Mailer's. Without Accounts or a key there are passwords
// alone, and whoever has a second factor cannot sign in.
//
//	/auth/sign-in, /auth/login, /auth/logout, /auth/second-factor    sign in and out
//	/auth/passkey/begin, /auth/passkey/finish                        a passkey as the first or second factor
//	/auth/account, /auth/account/...                                 devices, password, app, passkeys, providers, keys, recovery codes
//	/auth/reset, /auth/reset/set, /auth/sign-up                      a new password, a new account
//	/auth/sessions                                                   the same devices as JSON
//	/auth/openid/                                                    providers, see package openid
//	/auth/assets/                                                    script, style sheet, theme
package login
