// Package pack starts the whole of Gatehouse for a test, as separate processes
// made from the built binaries: a real redis-server, authz, control and a real
// Envoy, in front of an upstream that remembers everything it was sent.
//
// It promises free ports, readiness by polling with a deadline, the logs of
// every process in the failure output, and that nothing outlives the test
// binary, even if that is killed. It does not build anything: a missing binary
// fails the test with the command that makes it.
package pack
