package secret

import (
	"errors"
	"fmt"
)

// FileSuffix is what a variable that names a secret's file ends in.
const FileSuffix = "_FILE"

// ErrNotSet is in the chain of Load's error when the secret is not configured.
var ErrNotSet = errors.New("not set")

// Load reads the secret of that name through env (such as os.Getenv): from the
// file that NAME_FILE names. It refuses a secret in plain NAME, with what to do
// instead. A secret that is not configured is ErrNotSet.
func Load(env func(string) string, name string) (Value, error) {
	file, err := Find(env, name)
	if err != nil {
		return Value{}, err
	}
	return file.Read()
}

// Find is Load up to the reading, for those who read again when the file
// changes.
func Find(env func(string) string, name string) (File, error) {
	if env(name) != "" {
		return File{}, PlainError{Name: name}
	}
	path := env(name + FileSuffix)
	if path == "" {
		return File{}, fmt.Errorf("secret %s: %w: write it to a file with mode 0600 and set %s%s to the file's path",
			name, ErrNotSet, name, FileSuffix)
	}
	return File{Name: name, Path: path}, nil
}

// PlainError says that a secret stands in a plain environment variable, where
// child processes, crash reports and /proc show it. It never holds the secret.
type PlainError struct{ Name string }

func (e PlainError) Error() string {
	return fmt.Sprintf("secret %s: found in the plain environment: write it to a file with mode 0600, set %s%s to the file's path, unset %s, and replace the secret, since it was exposed",
		e.Name, e.Name, FileSuffix, e.Name)
}
