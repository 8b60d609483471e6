// Package pgtest gives a test of control a database of its own in a real
// PostgreSQL.
//
// It promises an empty database, in one server a test binary, on a Unix socket;
// database, server and files are gone afterwards, however the binary ends. It
// never skips: a machine without PostgreSQL fails the test and says what to
// install. Tests elsewhere take gatehouse/e2e/pack.Postgres, which this is.
package pgtest

import (
	"testing"

	"gatehouse/e2e/pack"
)

// Start returns the URL of a database that is empty now and dropped when the
// test ends.
func Start(t testing.TB) (url string) {
	t.Helper()
	return pack.Postgres(t)
}

// StartWithPassword is Start for a user whom the server lets in with this
// password only, as a real one does.
func StartWithPassword(t testing.TB) (url, password string) {
	t.Helper()
	return pack.PostgresWithPassword(t)
}

// SetPassword changes the password of StartWithPassword's user, and ends the
// connections that were opened with the old one.
func SetPassword(t testing.TB, url, password string) {
	t.Helper()
	pack.SetPostgresPassword(t, url, password)
}
