package control

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// keptPolicies is how many good policies are kept to go back to.
const keptPolicies = 20

// historyStamp is how the names begin; they sort by time.
const historyStamp = "20060102T150405.000Z"

// history keeps the sources of the last good policies, by the time at which
// they went live: "20260102T030405.000Z-0123456789abcdef.yaml".
type history struct{ dir string }

func (h history) list() ([]string, error) {
	entries, err := os.ReadDir(h.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("list the kept policies: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && strings.HasSuffix(e.Name(), ".yaml") {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// newest is the policy that went live last; its version is empty if there is
// none.
func (h history) newest() (version string, source []byte, err error) {
	names, err := h.list()
	if err != nil || len(names) == 0 {
		return "", nil, err
	}
	name := names[len(names)-1]
	_, version, _ = strings.Cut(strings.TrimSuffix(name, ".yaml"), "-")
	if source, err = os.ReadFile(filepath.Join(h.dir, name)); err != nil {
		return "", nil, fmt.Errorf("read a kept policy: %w", err)
	}
	return version, source, nil
}

// keep adds a policy, unless it is the newest already, and drops the oldest
// above keptPolicies.
func (h history) keep(version string, source []byte, now time.Time) error {
	newest, _, err := h.newest()
	if err != nil || newest == version {
		return err
	}
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return fmt.Errorf("keep the policy: %w", err)
	}
	name := filepath.Join(h.dir, now.UTC().Format(historyStamp)+"-"+version+".yaml")
	if err := os.WriteFile(name+".new", source, 0o600); err != nil {
		return fmt.Errorf("keep the policy: %w", err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		return fmt.Errorf("keep the policy: %w", err)
	}
	return h.drop()
}

func (h history) drop() error {
	names, err := h.list()
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names[:max(0, len(names)-keptPolicies)] {
		errs = append(errs, os.Remove(filepath.Join(h.dir, name)))
	}
	return errors.Join(errs...)
}
