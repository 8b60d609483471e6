package login

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// ledger is Accounts in memory, with the promises of a store.
type ledger struct {
	mu    sync.Mutex
	now   func() time.Time
	users map[string]User // by NameKey
	kept  []Credential
	asked map[string]AddressChange // by user id
	gone  error                    // what every call fails with
	// then runs once, after somebody was found by name: what happens meanwhile.
	then func()
}

func (l *ledger) lock() func() { l.mu.Lock(); return l.mu.Unlock }

func (l *ledger) complete(u User) User {
	for _, c := range l.kept {
		if c.UserID == u.ID && c.Active && (c.Kind == KindTOTP || c.Kind == KindPasskey) {
			u.SecondFactor = true
		}
	}
	return u
}

func (l *ledger) UserByName(_ context.Context, name string) (User, error) {
	defer l.meanwhile()
	defer l.lock()()
	if u, ok := l.users[NameKey(name)]; ok && l.gone == nil {
		return l.complete(u), nil
	}
	return User{}, orElse(l.gone, ErrNoUser)
}

func (l *ledger) meanwhile() {
	l.mu.Lock()
	then := l.then
	l.then = nil
	l.mu.Unlock()
	if then != nil {
		then()
	}
}

func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

func (l *ledger) Account(_ context.Context, id string) (User, error) {
	defer l.lock()()
	for _, u := range l.users {
		if u.ID == id && l.gone == nil {
			return l.complete(u), nil
		}
	}
	return User{}, orElse(l.gone, ErrNoUser)
}

func (l *ledger) edit(name string, fn func(*User)) {
	defer l.lock()()
	u := l.users[NameKey(name)]
	fn(&u)
	l.users[NameKey(name)] = u
}

func (l *ledger) AddAccount(_ context.Context, name, hash string) (User, error) {
	defer l.lock()()
	if _, ok := l.users[NameKey(name)]; ok || l.gone != nil {
		return User{}, orElse(l.gone, ErrNameTaken)
	}
	u := User{ID: fmt.Sprint("id-", len(l.users)+1), Name: name, PasswordHash: hash}
	l.users[NameKey(name)] = u
	return u, nil
}

func (l *ledger) AddLinkedAccount(ctx context.Context, name string, c Credential) (User, error) {
	u, err := l.AddAccount(ctx, name, NoPassword())
	if err == nil {
		c.UserID = u.ID
		err = l.AddCredentials(ctx, c)
	}
	return u, err
}

func (l *ledger) ReplacePasswordHash(_ context.Context, id, old, hash string) (bool, error) {
	defer l.lock()()
	for key, u := range l.users {
		if u.ID == id && u.PasswordHash == old {
			u.PasswordHash = hash
			l.users[key] = u
			return true, l.gone
		}
	}
	return false, l.gone
}

func (l *ledger) Credentials(_ context.Context, userID string) (list []Credential, err error) {
	defer l.lock()()
	for _, c := range l.kept {
		if c.UserID == userID && c.Kind != KindReset {
			list = append(list, c)
		}
	}
	return list, l.gone
}

func (l *ledger) Ending(_ context.Context, kind CredentialKind, after, until time.Time, afterID string, limit int) (list []Credential, err error) {
	defer l.lock()()
	for _, c := range l.kept {
		further := c.Expires.After(after) || afterID != "" && c.Expires.Equal(after) && c.ID > afterID
		if c.Kind == kind && c.Active && further && !c.Expires.After(until) {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b Credential) int { return cmp.Or(a.Expires.Compare(b.Expires), strings.Compare(a.ID, b.ID)) })
	return list[:min(len(list), limit)], l.gone
}

func (l *ledger) AddCredentials(_ context.Context, added ...Credential) error {
	defer l.lock()()
	for _, c := range added {
		c.Created = l.now()
		l.kept = append(l.kept, c)
	}
	return l.gone
}

func (l *ledger) ReplaceCredentials(_ context.Context, userID string, kind CredentialKind, added ...Credential) error {
	defer l.lock()()
	if l.gone != nil {
		return l.gone
	}
	l.kept = slices.DeleteFunc(l.kept, func(c Credential) bool { return c.UserID == userID && c.Kind == kind })
	for _, c := range added {
		c.Created = l.now()
		l.kept = append(l.kept, c)
	}
	return nil
}

func (l *ledger) Credential(_ context.Context, kind CredentialKind, lookup string) (Credential, error) {
	defer l.lock()()
	for _, c := range l.kept {
		if c.Kind == kind && c.Lookup == lookup && lookup != "" {
			return c, l.gone
		}
	}
	return Credential{}, orElse(l.gone, ErrNoCredential)
}

func (l *ledger) UseCredential(_ context.Context, id string, counter int64, data string) (bool, error) {
	defer l.lock()()
	for i, c := range l.kept {
		if c.ID == id && c.Counter < counter {
			l.kept[i].Counter, l.kept[i].Active, l.kept[i].Used = counter, true, l.now()
			if data != "" {
				l.kept[i].Data = data
			}
			return true, l.gone
		}
	}
	return false, l.gone
}

func (l *ledger) TouchCredential(_ context.Context, id string) error {
	defer l.lock()()
	for i, c := range l.kept {
		if c.ID == id {
			l.kept[i].Used = l.now()
		}
	}
	return l.gone
}

func (l *ledger) SpendCredential(ctx context.Context, kind CredentialKind, lookup string) (Credential, error) {
	c, err := l.Credential(ctx, kind, lookup)
	if err == nil {
		var n int64
		if n, err = l.RemoveCredentials(ctx, c.UserID, kind, c.ID); n == 0 && err == nil {
			err = ErrNoCredential
		}
	}
	return c, err
}

func (l *ledger) RemoveCredentials(_ context.Context, userID string, kind CredentialKind, id string) (n int64, err error) {
	defer l.lock()()
	var kept []Credential
	for _, c := range l.kept {
		if c.UserID == userID && c.Kind == kind && (id == "" || c.ID == id) {
			n++
			continue
		}
		kept = append(kept, c)
	}
	l.kept = kept
	return n, l.gone
}

func (l *ledger) BeginAddress(_ context.Context, c AddressChange) error {
	defer l.lock()()
	if l.asked == nil {
		l.asked = map[string]AddressChange{}
	}
	l.asked[c.UserID] = c
	return l.gone
}

func (l *ledger) PendingAddress(_ context.Context, userID string, now time.Time) (AddressChange, error) {
	defer l.lock()()
	if c, ok := l.asked[userID]; ok && now.Before(c.Expires) && l.gone == nil {
		return c, nil
	}
	return AddressChange{}, orElse(l.gone, ErrNoChange)
}

func (l *ledger) taken(userID, address string) bool {
	for _, u := range l.users {
		if u.ID != userID && strings.EqualFold(u.Email, address) {
			return true
		}
	}
	return false
}

func (l *ledger) AddressTaken(_ context.Context, userID, address string) (bool, error) {
	defer l.lock()()
	return l.taken(userID, address), l.gone
}

func (l *ledger) ConfirmAddress(ctx context.Context, userID, lookup string, now time.Time) (AddressChange, error) {
	c, err := l.PendingAddress(ctx, userID, now)
	if err != nil {
		return c, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, u := range l.users {
		if u.ID != userID || u.Email != c.Former || c.Lookup != lookup || l.taken(userID, c.Address) || l.asked[userID] != c {
			continue
		}
		u.Email = c.Address
		l.users[key] = u
		delete(l.asked, userID)
		l.kept = slices.DeleteFunc(l.kept, func(k Credential) bool { return k.UserID == userID && k.Kind == KindReset })
		return c, nil
	}
	return c, ErrNoChange
}

func (l *ledger) DropAddress(_ context.Context, userID, lookup string) (bool, error) {
	defer l.lock()()
	c, ok := l.asked[userID]
	if !ok || lookup != "" && c.Lookup != lookup {
		return false, l.gone
	}
	delete(l.asked, userID)
	return true, l.gone
}
