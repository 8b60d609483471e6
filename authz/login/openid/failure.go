package openid

import "errors"

// ErrUnavailable is in the chain of every error that says that a provider, or
// Redis, did not answer.
var ErrUnavailable = errors.New("signing in at a provider is not possible now")

// Failure says why somebody was not signed in, or out. It is for the log; people
// hear the same of all.
type Failure struct {
	Rule   string // stable
	Reason string // precise
}

// Error implements error.
func (f *Failure) Error() string { return f.Rule + ": " + f.Reason }

func failure(rule, reason string) error { return &Failure{Rule: rule, Reason: reason} }
