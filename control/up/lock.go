package up

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// lock keeps a second pack out of the same state folder. The kernel drops it
// with the process, so a killed pack never leaves a stale one.
type lock struct{ file *os.File }

// acquireLock takes the lock of a state folder or says who has it.
func acquireLock(stateDir string) (*lock, error) {
	file, err := os.OpenFile(filepath.Join(stateDir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the state folder: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder := readHolder(file)
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("another `gatehouse up`%s runs with the state folder %s; stop it first, or give this one a folder (--state-dir) and ports (--port-base) of its own", holder, stateDir)
		}
		return nil, fmt.Errorf("lock the state folder %s: %w", stateDir, err)
	}
	if err := writeHolder(file); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("write the lock of the state folder: %w", err)
	}
	return &lock{file: file}, nil
}

func (l *lock) release() error { return l.file.Close() }

func writeHolder(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	return err
}

func readHolder(file *os.File) string {
	data, err := io.ReadAll(io.LimitReader(file, 32))
	pid := strings.TrimSpace(string(data))
	if err != nil || pid == "" {
		return ""
	}
	return " (process " + pid + ")"
}
