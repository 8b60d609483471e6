package login

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
)

// people is a UserStore in memory; a name in broken cannot be looked up.
type people struct {
	users  map[string]User
	broken map[string]bool
}

func (p people) UserByName(_ context.Context, name string) (User, error) {
	if p.broken[name] {
		return User{}, errors.New("the database is away")
	}
	if user, ok := p.users[name]; ok {
		return user, nil
	}
	return User{}, ErrNoUser
}

// counted is an argon2id that counts how often it runs, and with which costs.
type counted struct {
	runs   atomic.Int64
	params atomic.Value
}

func (c *counted) derive(password, salt []byte, p Params, n int) []byte {
	c.runs.Add(1)
	c.params.Store(p)
	return argon2id(password, salt, p, n)
}

func newPeople(t testing.TB) people {
	t.Helper()
	phc, err := NewHasher(cheap, 1024).Hash(context.Background(), password)
	if err != nil {
		t.Fatal(err)
	}
	return people{
		users: map[string]User{
			"alice": {ID: "u-1", Name: "alice", PasswordHash: phc, Roles: []string{"admin"}},
			"carol": {ID: "u-3", Name: "carol", PasswordHash: phc, Disabled: true},
			"dave":  {ID: "u-4", Name: "dave", PasswordHash: "not a hash"},
		},
		broken: map[string]bool{"erin": true},
	}
}

func TestWhoProvesWhoTheyAreAndWhoDoesNot(t *testing.T) {
	t.Parallel()
	store := newPeople(t)
	for _, test := range []struct {
		name, user, password string
		reason               Reason
		id                   string
		hashes               int64
	}{
		{"the right password", "alice", password, "", "u-1", 1},
		{"a name with space around it", " alice ", password, "", "u-1", 1},
		{"a wrong password", "alice", "wrong password", ReasonWrongPassword, "u-1", 1},
		{"an unknown name costs the same hash", "nobody", password, ReasonUnknownUser, "", 1},
		{"another letter case is another name", "Alice", password, ReasonUnknownUser, "", 1},
		{"a disabled user costs the same hash", "carol", password, ReasonDisabled, "u-3", 1},
		{"a disabled user with a wrong password", "carol", "wrong password", ReasonWrongPassword, "u-3", 1},
		{"an empty name", " ", password, ReasonMalformedName, "", 0},
		{"a name that cannot be", "a\x00", password, ReasonMalformedName, "", 0},
		{"a short password", "alice", "short", ReasonMalformedPassword, "", 0},
		{"a long password", "alice", strings.Repeat("x", MaxPassword+1), ReasonMalformedPassword, "", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var c counted
			user, err := NewAuthenticator(store, newHasher(cheap, 1024, c.derive)).Authenticate(context.Background(), test.user, test.password)
			var failure *Failure
			switch {
			case test.reason == "" && (err != nil || user.ID != test.id):
				t.Errorf("%+v, %v", user, err)
			case test.reason != "" && (!errors.As(err, &failure) || failure.Reason != test.reason || failure.UserID != test.id || user.ID != ""):
				t.Errorf("%+v, %v", user, err)
			}
			if n := c.runs.Load(); n != test.hashes {
				t.Errorf("%d hashes, want %d", n, test.hashes)
			}
			if p := c.params.Load(); test.hashes > 0 && p != cheap {
				t.Errorf("the hash cost %+v", p)
			}
		})
	}
}

func TestWhatCannotBeKnownIsUnavailableNotFailed(t *testing.T) {
	t.Parallel()
	store := newPeople(t)
	a := NewAuthenticator(store, NewHasher(cheap, 1024))
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	busy := NewHasher(cheap, 64)
	if !busy.memory.TryAcquire(64) {
		t.Fatal("the hasher has no memory")
	}
	for name, err := range map[string]error{
		"the store is away":                  second(a.Authenticate(context.Background(), "erin", password)),
		"the stored hash is unusable":        second(a.Authenticate(context.Background(), "dave", password)),
		"busy, for a known name":             second(NewAuthenticator(store, busy).Authenticate(canceled, "alice", password)),
		"busy, for an unknown name the same": second(NewAuthenticator(store, busy).Authenticate(canceled, "nobody", password)),
	} {
		var failure *Failure
		if !errors.Is(err, ErrUnavailable) || errors.As(err, &failure) {
			t.Errorf("%s: %v", name, err)
		}
		if strings.HasPrefix(name, "busy") && !errors.Is(err, ErrBusy) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second(_ User, err error) error { return err }
