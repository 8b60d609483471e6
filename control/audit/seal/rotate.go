package seal

import (
	"context"
	"errors"
	"fmt"

	"gatehouse/control/store"
)

// Rewrapper is a store whose master key can be replaced; *store.Store is one.
type Rewrapper interface {
	RewrapSubjectKeys(ctx context.Context, oldID, newID string, rewrap func(name string, wrapped []byte) ([]byte, error)) (int, error)
}

// Rotate wraps all keys of a store anew, in one transaction, and returns how
// many there were. A control that still has the old master key seals nothing from
// then on, and its events wait, until it is started with the new one.
func Rotate(ctx context.Context, s Rewrapper, from, to Master) (int, error) {
	if from.id == "" || to.id == "" {
		return 0, errMasterForm
	}
	if from.id == to.id {
		return 0, fmt.Errorf("the old and the new master key are the same (%s): make a new one with `openssl rand -base64 32`", from.id)
	}
	n, err := s.RewrapSubjectKeys(ctx, from.id, to.id, func(name string, wrapped []byte) ([]byte, error) {
		key, err := from.unwrap(name, wrapped)
		if err != nil {
			return nil, err
		}
		return to.wrap(name, key)
	})
	if errors.Is(err, store.ErrMasterKey) {
		return 0, fmt.Errorf("%w than the old one given (%s): nothing was changed", err, from.id)
	}
	if err != nil {
		return 0, fmt.Errorf("rotate the master key: nothing was changed: %w", err)
	}
	return n, nil
}
