// Package verify checks an audit log from outside: a folder or a URL in the
// tlog-tiles layout (C2SP), and the public key of its signer.
//
// It promises that a log that it passes is whole: the checkpoint is signed by
// that key, its root is that of the tiles, each tile, full or partial, is the one
// that its parent commits to, each entry is the one that its tile commits to, and
// each entry is an event. With an older checkpoint it says whether the log is a
// continuation of what that checkpoint committed to. What is wrong is a Fault that
// names the first bad place from the oldest entry on.
//
// It shares no code with what writes the log (control/audit and tessera): the
// tree is computed here from RFC 6962, with the hashes of golang.org/x/mod/sumdb/tlog
// and the notes of golang.org/x/mod/sumdb/note.
//
// It cannot see that the signer has shown another log to somebody else, or that
// the newest entries were cut off together with their checkpoint: for that, keep
// checkpoints elsewhere and pass them as the older one. What lies behind the
// checkpoint is not part of the log yet and is not looked at.
package verify
