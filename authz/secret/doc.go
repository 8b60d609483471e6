// Package secret reads secrets and keeps them out of sight.
//
// It promises: a secret comes from a file that NAME_FILE names, never from a
// plain environment variable; a file that others may change, or that everybody
// may read, is refused; a Value shows "[redacted]" however it is printed, logged
// or marshalled, also deep inside another value; and a slog handler made by
// Redact hides what looks like a secret by its type, its key or its form.
//
// It does not wipe memory: the garbage collector copies what it likes. The
// handler knows common forms only; it is a net under careful code, not a
// replacement for it.
package secret
