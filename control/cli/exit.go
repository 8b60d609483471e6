package cli

import "fmt"

// The exit codes of every command.
const (
	ExitDone  = 0
	ExitWrong = 1 // something was found wrong, or could not be done
	ExitUsage = 2 // the command was used wrongly
)

// ExitError ends the command with Code. Err is printed unless it is nil: what
// is to be said has then been said.
type ExitError struct {
	Code int
	Err  error
}

func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

func (e *ExitError) Unwrap() error { return e.Err }

// wrong says that the command found something wrong or could not be done.
func wrong(format string, args ...any) error {
	return &ExitError{Code: ExitWrong, Err: fmt.Errorf(format, args...)}
}

// misuse says that the command was called wrongly.
func misuse(format string, args ...any) error {
	return &ExitError{Code: ExitUsage, Err: fmt.Errorf(format, args...)}
}
