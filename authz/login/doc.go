// Package login signs people in and out, and lists their sessions, under /auth/.
//
// It promises: passwords are checked with argon2id, within a fixed amount of
// memory however many sign in at once; an unknown name costs the same hash and
// gets the same answer, byte for byte, as a wrong password or a disabled user;
// every attempt is one event, with the precise reason; each sign-in makes a new
// session and ends the one that the request came with; another site cannot make
// a browser sign in; and nobody is sent to another site afterwards.
//
// It does not keep users (UserStore is a boundary), does not count attempts (the
// limits of the policy on /auth/ do), and has no sign-in page: a form that posts
// to /auth/login is the application's.
package login
