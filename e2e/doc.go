// Package e2e holds the tests of the whole: the built binaries, a real Envoy and
// a real redis-server, seen from outside by a client, an upstream and a reader
// of the audit log. Each test is one promise that the README makes; what a
// single room promises is tested beside that room.
package e2e
