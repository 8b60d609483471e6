// Package secret reads secrets and keeps them out of sight.
//
// It promises: a secret comes from a file that NAME_FILE names, never from a
// plain environment variable; a file that others may change, or that everybody
// may read, is refused; a Live secret follows its file and keeps the last good
// one; a Value shows "[redacted]" however it is printed, logged or marshalled,
// also deep inside another value. Redact makes a slog handler that hides what
// looks like a secret by its type, its key or its form; a Handler also looks at
// each line with the rules of a Finder before it is written, in a goroutine of
// its own, and never keeps a caller waiting; a Guard does the same for other
// text and tells who listens, once a minute and rule, that a secret was there.
//
// It does not wipe memory: the garbage collector copies what it likes. Rules
// know the forms of secrets that are well known; they are a net under careful
// code, not a replacement for it. A panic that nobody contains is written by
// the runtime, past every handler: see Contain.
package secret
