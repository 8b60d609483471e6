package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// writeLastGood replaces the file in one step, so that a crash leaves the old
// one or the new one.
func writeLastGood(path string, text []byte) (err error) {
	temporary, err := os.CreateTemp(filepath.Dir(path), ".policy-*") // mode 0600
	if err != nil {
		return fmt.Errorf("keep the last good policy: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("keep the last good policy: %w", err), os.Remove(temporary.Name()))
		}
	}()
	if _, err = temporary.Write(text); err != nil {
		return errors.Join(err, temporary.Close())
	}
	if err = temporary.Sync(); err != nil {
		return errors.Join(err, temporary.Close())
	}
	if err = temporary.Close(); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}

// loadLastGood is for a start without Redis. A file that cannot be used is
// reported and changes nothing.
func (s *Source) loadLastGood() {
	s.loading.Lock()
	defer s.loading.Unlock()
	text, err := os.ReadFile(s.o.LastGood)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			s.o.Log.Error("the last good policy cannot be read", "error", err)
		}
		return
	}
	set, err := Parse(text)
	if err != nil {
		s.o.Log.Error("the last good policy is broken; remove the file", "file", s.o.LastGood, "error", err)
		return
	}
	problem := s.Status().Problem
	s.swap(set, text, FromDisk)
	s.note(problem)
}
