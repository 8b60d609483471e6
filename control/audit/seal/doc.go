// Package seal keeps what names people in the audit log readable for those who
// may, and makes it unreadable for everybody by destroying a key.
//
// It promises: the readable fields of an event are encrypted (AES-256-GCM) under
// a key of the event's subject, drawn at random when it is first needed, kept in
// the store wrapped by the master key. Destroy deletes that key for good and
// leaves a tombstone, so that no new key is ever made for the subject. Fields of
// events without a subject are under the key of the calendar month (UTC) in which
// they were sealed; Expire destroys a month's key once its retention is over. The
// log itself does not change, so that its hashes still verify (GDPR Art. 17 and
// 5(1)(e) without a hole in the evidence). When the store cannot be reached,
// nothing is sealed and nothing passes in clear: Seal fails.
//
// It does not reach what was copied before: a backup of the store holds wrapped
// keys, which open with the master key that was in force then. Rotate replaces
// it; old backups are unreadable once the old master key is gone. Another control
// on the same store may go on reading with a destroyed key for as long as its
// cache lasts (CacheFor), and what is in a process' memory is not wiped.
package seal
