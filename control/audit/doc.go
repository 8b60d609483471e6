// Package audit keeps the events in a transparency log: tlog-tiles (C2SP) in a
// folder, written by transparency-dev/tessera, with checkpoints signed as C2SP
// notes.
//
// It promises that an event for which Append has returned nil is on the disk
// and in the tree: tessera's POSIX driver writes each entry bundle, each tile
// and then its tree state with O_SYNC under a new name, renames it, and syncs
// the folder, before it says so. The signed checkpoint that commits to the event
// follows within 150 ms or, after a crash, when the log is opened again. An event
// is there once: Append drops an id that is among the last 100,000 or, where the
// event is older than those, in the index. One process writes at a time; any
// number read, without disturbing it. Open looks at the newest entries, the edge
// of the tree and the checkpoint, and refuses to write behind damage.
//
// It does not promise that an event older than the last 100,000 is recognised
// while the index is away: it is then kept twice rather than lost. It does not
// keep whoever holds the signing key from writing another history; who suspects
// that compares checkpoints (audit/verify, which shares no code with this
// package). Power loss was not tried on hardware that lies about its syncs.
package audit
