// Package posture asks a running pack whether it keeps what the audit's
// checklists want: security headers, the rules never to be violated, the rights
// of the GDPR, and what must be so before a merge.
//
// It promises: a check passes only on something that was seen, and says what it
// asked, what came and where; what cannot be seen from here is unknown, what
// the pack has no use for is not applicable, and neither counts as passed. It
// disturbs nobody: its requests are few, marked by their User-Agent, and below
// every limit that ships; it fails two sign-ins and no more, ends the sessions
// that it begins, and writes nowhere. No evidence holds a secret.
//
// It does not prove that a control cannot be talked around: the tests do. And
// it sees one moment, from this machine.
package posture
