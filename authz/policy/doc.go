// Package policy holds what Check enforces: the demands on sessions and the
// limits of each named policy.
//
// It promises that a Set is immutable and complete: Parse reads strictly
// (unknown and repeated keys are refused), reports every mistake at once, and
// nothing that a request needs is computed later. A Source keeps the newest Set
// that was valid, also while Redis is away and after a restart; a broken one
// never replaces it. It decides nothing about a request: extauthz does.
package policy
