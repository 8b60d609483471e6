// Package intake takes the events of all rooms from the Redis stream into the
// audit log.
//
// It promises that an event is acknowledged to Redis only after the log has it
// for good, that what a crash has left unacknowledged (of this control or of
// another that has gone) is taken up again, and that an entry that is no event
// does not hold up the others: it is kept in a dead-letter file and counted.
// Redis may be away or come back empty: intake waits, and goes on. What names a
// person comes sealed for the way (event.Transit) and is kept only sealed under a
// key that can be destroyed (audit/seal): while those keys cannot be reached,
// events wait in the stream.
//
// It does not decide what an event means; alerts and metrics read what it
// returns from the log.
package intake
