package seal

import (
	"context"
	"errors"
	"fmt"

	"gatehouse/control/store"
)

// Rewrapper is a store whose master key can be replaced; *store.Store is one.
type Rewrapper interface {
	MasterKeyID(ctx context.Context) (string, error)
	EachSubjectKey(ctx context.Context, fn func(store.SubjectKey) error) error
	RewrapSubjectKeys(ctx context.Context, oldID, newID string, rewrap func(name string, wrapped []byte) ([]byte, error)) (int, error)
	DropOldKeys(ctx context.Context) error
}

// Rotation is what a rotation has to do, or has done.
type Rotation struct {
	// Keys that live in the store.
	Keys int
	// Wrapped says that they were under the new master key already: an earlier
	// rotation was cut off behind its last step but one.
	Wrapped bool
}

// PlanRotation reads and opens every key, and changes nothing.
func PlanRotation(ctx context.Context, s Rewrapper, from, to Master) (Rotation, error) {
	if from.id == "" || to.id == "" {
		return Rotation{}, errMasterForm
	}
	if from.id == to.id {
		return Rotation{}, fmt.Errorf("the old and the new master key are the same (%s): make a new one with `openssl rand -base64 32`", from.id)
	}
	has, err := s.MasterKeyID(ctx)
	if err != nil {
		return Rotation{}, err
	}
	now := from
	switch has {
	case from.id:
	case to.id:
		now = to
	case "":
		return Rotation{}, errors.New("the store has no master key yet: start control with the new one; there is nothing to rotate")
	default:
		return Rotation{}, fmt.Errorf("%w (%s) than the old one given (%s): nothing was changed; name the file of the right one", store.ErrMasterKey, has, from.id)
	}
	n, err := now.opens(ctx, s)
	if err != nil {
		return Rotation{}, err
	}
	return Rotation{Keys: n, Wrapped: has == to.id}, nil
}

// opens counts the keys that live, and is an error if one does not open.
func (m Master) opens(ctx context.Context, s Rewrapper) (n int, err error) {
	err = s.EachSubjectKey(ctx, func(k store.SubjectKey) error {
		n++
		_, err := m.unwrap(k.Name, k.Wrapped)
		return err
	})
	return n, err
}

// Rotate wraps all keys of a store anew, in one transaction, takes what the old
// master key had wrapped off the disk, and opens every key with the new one. Cut
// off anywhere, it has done all or nothing of the first, and is to be called
// again with the same keys.
//
// A keyring that still has the old master key reads and makes no keys from then
// on, until it is told the new one (Options.Renew) or opened anew.
func Rotate(ctx context.Context, s Rewrapper, from, to Master) (Rotation, error) {
	plan, err := PlanRotation(ctx, s, from, to)
	if err != nil {
		return Rotation{}, err
	}
	if !plan.Wrapped {
		if err := rewrap(ctx, s, from, to); err != nil {
			return Rotation{}, err
		}
	}
	if err := s.DropOldKeys(ctx); err != nil {
		return plan, fmt.Errorf("the keys are under the new master key %s, and not all is cleared away: %w: rotate again with the same files", to.id, err)
	}
	plan.Keys, err = to.opens(ctx, s)
	return plan, err
}

func rewrap(ctx context.Context, s Rewrapper, from, to Master) error {
	_, err := s.RewrapSubjectKeys(ctx, from.id, to.id, func(name string, wrapped []byte) ([]byte, error) {
		key, err := from.unwrap(name, wrapped)
		if err != nil {
			return nil, err
		}
		return to.wrap(name, key)
	})
	if err != nil {
		return fmt.Errorf("rotate the master key: nothing was changed: %w", err)
	}
	return nil
}
