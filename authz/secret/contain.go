package secret

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// PanicError is a panic that Contain has stopped. Left alone, it would be
// written to standard error by the runtime, past every handler, with whatever
// its value says.
type PanicError struct {
	Place string
	// Value is the panic's, printed, without what looks like a secret.
	Value string
	// Stack is where it happened; it holds no values but addresses.
	Stack string
}

// Error implements error, without the stack.
func (e *PanicError) Error() string { return e.Place + " panicked: " + e.Value }

// Contain runs work and turns its panic into a *PanicError. It is for the top of
// a goroutine whose end must end the process in order: what the panic's value
// says is then logged like all else.
func Contain(place string, work func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{Place: place, Value: cut(Scrub(fmt.Sprint(p))), Stack: string(debug.Stack())}
		}
	}()
	return work()
}

// ContainLoop runs a loop that has no error to return; fail, such as a
// context.CancelCauseFunc, is called with its panic, and only then.
func ContainLoop(place string, fail func(error), loop func()) {
	if err := Contain(place, func() error { loop(); return nil }); err != nil {
		fail(err)
	}
}

// Crash is the *PanicError that ended ctx through its cause, or nil.
func Crash(ctx context.Context) error {
	var p *PanicError
	if errors.As(context.Cause(ctx), &p) {
		return p
	}
	return nil
}
