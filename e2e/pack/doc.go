// Package pack starts the whole of Gatehouse for a test, as separate processes
// made from the built binaries: a real redis-server, authz, control and a real
// Envoy, in front of an upstream that remembers everything it was sent.
//
// It promises free ports, readiness by polling with a deadline, the logs of
// every process in the failure output, and that nothing outlives the test
// binary, even if that is killed. It does not build anything: a missing binary
// fails the test with the command that makes it.
package pack

// TB is what the pack needs of a test: a *testing.T, or the benchmark program,
// which is no test.
type TB interface {
	Helper()
	Cleanup(func())
	TempDir() string
	Failed() bool
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Error(args ...any)
	Fatalf(format string, args ...any)
	Fatal(args ...any)
}
