// Package audittest opens audit logs for tests.
//
// It promises a log that is closed when the test ends, signed by a key that is
// the same for every test: what it signs means nothing.
package audittest

import (
	"log/slog"
	"sync"
	"testing"

	"gatehouse/authz/secret"
	"gatehouse/control/audit"
)

// Name is the origin of the logs.
const Name = "audit.gatehouse.test"

type pair struct {
	signer   secret.Value
	verifier string
}

var keys = sync.OnceValues(func() (pair, error) {
	signer, verifier, err := audit.GenerateKey(Name)
	return pair{signer, verifier}, err
})

// Key is the signing key.
func Key(t testing.TB) secret.Value {
	t.Helper()
	return both(t).signer
}

// Verifier is the public key, as text.
func Verifier(t testing.TB) string {
	t.Helper()
	return both(t).verifier
}

func both(t testing.TB) pair {
	t.Helper()
	p, err := keys()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Open opens the log in dir for writing until the test ends.
func Open(t testing.TB, dir string) *audit.Tlog {
	t.Helper()
	return OpenWith(t, dir, audit.Options{})
}

// OpenWith is Open with options; the key and the logger are set if they are not.
func OpenWith(t testing.TB, dir string, o audit.Options) *audit.Tlog {
	t.Helper()
	if o.Key.Empty() {
		o.Key = Key(t)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	l, err := audit.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // a second close is none
	return l
}
