// Package audit keeps the events.
//
// It promises that an event for which Append has returned nil is on the disk
// and is there once: Append syncs each batch, drops an event that it has seen
// among the last 100,000, and a line torn by a crash or a full disk is cut off
// before anything is written behind it. One process writes at a time; any
// number read, without disturbing it.
//
// It does not prove that nobody has changed the files: they are JSON lines, and
// whoever may write them may change them. That is what Log is an interface for.
package audit
