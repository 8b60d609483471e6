package seal

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/authz/event/box"
	"gatehouse/control/store"
)

const (
	// DefaultCache is the number of keys that are kept in memory.
	DefaultCache = 10_000
	// DefaultCacheFor is how long one is kept before the store is asked again
	// whether it still is.
	DefaultCacheFor = time.Minute
	// DefaultRetention of a month's key, from the month's end.
	DefaultRetention = 90 * 24 * time.Hour
)

// Store is where the keys are; *store.Store is one.
type Store interface {
	ClaimMasterKey(ctx context.Context, id string) (string, error)
	SubjectKeys(ctx context.Context, names []string) (map[string]store.SubjectKey, error)
	AddSubjectKeys(ctx context.Context, masterID string, keys []store.SubjectKey) error
	DestroySubjectKey(ctx context.Context, name string) error
	LiveSubjectKeys(ctx context.Context, prefix string) ([]string, error)
}

// Options of a Keyring; Store and Master are needed.
type Options struct {
	Store  Store
	Master Master
	// Renew gives the master key as it is now. It is asked when the store's keys
	// are under another one than Master, because it was rotated; nil asks nobody.
	Renew func() (Master, error)
	// Renewed, which may be nil, hears of a master key that was taken in use so.
	Renewed  func(id string)
	Cache    int              // keys; 0 means DefaultCache
	CacheFor time.Duration    // 0 means DefaultCacheFor
	Now      func() time.Time // nil means time.Now
}

// Keyring seals and opens. It is safe for concurrent use.
type Keyring struct {
	store Store
	now   func() time.Time
	cache *cache

	master   atomic.Pointer[Master]
	renewing sync.Mutex
	renew    func() (Master, error)
	renewed  func(id string)
}

// ErrShredded says that the key was destroyed: what it sealed can never be read
// again, and nothing more is sealed for that subject.
var ErrShredded = errors.New("the key of this subject was destroyed")

// ErrNoKey says that the store has never had the key: the text is from elsewhere,
// or the store is.
var ErrNoKey = errors.New("the store has no key for this subject")

// New opens the keyring of a store. A store whose keys are wrapped by another
// master key is an error.
func New(ctx context.Context, o Options) (*Keyring, error) {
	if o.Master.id == "" {
		return nil, errMasterForm
	}
	has, err := o.Store.ClaimMasterKey(ctx, o.Master.id)
	if err != nil {
		return nil, err
	}
	if has != o.Master.id {
		return nil, fmt.Errorf("the store's keys are under the master key %s, and %s names %s: name the file of the right one", has, MasterKeyName+"_FILE", o.Master.id)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	k := &Keyring{
		store: o.Store, now: o.Now, renew: o.Renew, renewed: o.Renewed,
		cache: newCache(cmp.Or(o.Cache, DefaultCache), cmp.Or(o.CacheFor, DefaultCacheFor), o.Now),
	}
	k.master.Store(&o.Master)
	return k, nil
}

// Item is what one event has to seal. A Subject that is not one ("u:...") is
// nobody's, and its fields go under the key of the month.
type Item struct {
	Subject string
	Fields  map[string]string
}

// Seal encrypts the fields of one event. ErrShredded if the subject's key was
// destroyed.
func (k *Keyring) Seal(ctx context.Context, subject string, fields map[string]string) (string, error) {
	texts, err := k.SealAll(ctx, []Item{{subject, fields}})
	if err == nil && texts[0] == "" && len(fields) > 0 {
		err = ErrShredded
	}
	if err != nil {
		return "", err
	}
	return texts[0], nil
}

// SealAll is Seal for many, in their order, with few questions to the store.
// Without fields, or with the key destroyed, the text is empty. After an error
// nothing is sealed.
func (k *Keyring) SealAll(ctx context.Context, items []Item) ([]string, error) {
	month := monthKey(k.now())
	names := make([]string, len(items))
	needed := map[string]bool{}
	for i, item := range items {
		if len(item.Fields) == 0 {
			continue
		}
		names[i] = month
		if IsSubject(item.Subject) {
			names[i] = item.Subject
		}
		needed[names[i]] = true
	}
	keys, err := k.keys(ctx, slices.Sorted(maps.Keys(needed)), true)
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(items))
	for i, item := range items {
		key := keys[names[i]]
		if names[i] == "" || key == nil {
			continue
		}
		if texts[i], err = sealText(key, names[i], item.Fields); err != nil {
			return nil, err
		}
	}
	return texts, nil
}

// Open decrypts what Seal has made for that subject. ErrShredded once the key was
// destroyed, ErrNoKey if there never was one, and box.ErrClosed for a text that
// is damaged or somebody else's.
func (k *Keyring) Open(ctx context.Context, text, subject string) (map[string]string, error) {
	name, sealed, err := parseText(text, subject)
	if err != nil {
		return nil, err
	}
	keys, err := k.keys(ctx, []string{name}, false)
	if err != nil {
		return nil, err
	}
	key, known := keys[name]
	switch {
	case !known:
		return nil, fmt.Errorf("%w: %s", ErrNoKey, name)
	case key == nil:
		return nil, fmt.Errorf("%w: %s", ErrShredded, name)
	}
	return box.OpenFields(key, sealed, textPurpose+name)
}

// Destroy destroys the subject's key and makes sure that there will be no other.
// Doing it again, or for a subject that has no key, is no error. After an error
// the key may be destroyed or not: do it again.
func (k *Keyring) Destroy(ctx context.Context, subject string) error {
	if !IsSubject(subject) {
		return fmt.Errorf("destroy the key of %.40q: this is no subject's pseudonym (u:...)", subject)
	}
	return k.destroy(ctx, subject)
}

// destroy forgets last: what was read from the store before is not remembered
// after.
func (k *Keyring) destroy(ctx context.Context, name string) error {
	defer k.cache.forget(name)
	return k.store.DestroySubjectKey(ctx, name)
}

// keys finds the keys of these names; with create, it makes those that are
// missing. A key that was destroyed is nil.
func (k *Keyring) keys(ctx context.Context, names []string, create bool) (map[string][]byte, error) {
	found, missing := k.cache.get(names)
	if len(missing) == 0 {
		return found, nil
	}
	master := k.master.Load()
	read, err := k.read(ctx, master, missing, create)
	if rotated := errors.Is(err, box.ErrClosed) || errors.Is(err, store.ErrMasterKey); rotated && k.takeNew(ctx, master) {
		read, err = k.read(ctx, k.master.Load(), missing, create)
	}
	if err != nil {
		return nil, err
	}
	maps.Copy(found, read)
	return found, nil
}

// takeNew takes the master key in use that the one called was has been rotated
// to, if that is known here. It says whether there is another one now.
func (k *Keyring) takeNew(ctx context.Context, was *Master) bool {
	if k.renew == nil {
		return false
	}
	k.renewing.Lock()
	defer k.renewing.Unlock()
	if k.master.Load() != was {
		return true // somebody was quicker
	}
	next, err := k.renew()
	if err != nil || next.id == was.id {
		return false // what was wrong is said by whoever asked
	}
	if has, err := k.store.ClaimMasterKey(ctx, next.id); err != nil || has != next.id {
		return false
	}
	k.master.Store(&next)
	if k.renewed != nil {
		k.renewed(next.id)
	}
	return true
}

// read is keys past the cache.
func (k *Keyring) read(ctx context.Context, master *Master, names []string, create bool) (map[string][]byte, error) {
	age := k.cache.age()
	kept, err := k.store.SubjectKeys(ctx, names)
	if err != nil {
		return nil, err
	}
	if create && len(kept) < len(names) {
		if kept, err = k.makeKeys(ctx, master, names, kept); err != nil {
			return nil, err
		}
	}
	if create && len(kept) < len(names) {
		return nil, fmt.Errorf("the store took %d keys and has them not", len(names)-len(kept))
	}
	found := make(map[string][]byte, len(kept))
	for name, row := range kept {
		if row.Wrapped == nil {
			found[name] = nil
			continue
		}
		if found[name], err = master.unwrap(name, row.Wrapped); err != nil {
			return nil, err
		}
		k.cache.put(name, found[name], age)
	}
	return found, nil
}

// makeKeys draws keys for the names that have none, and reads again: another
// control may have been quicker.
func (k *Keyring) makeKeys(ctx context.Context, master *Master, names []string, kept map[string]store.SubjectKey) (map[string]store.SubjectKey, error) {
	var fresh []store.SubjectKey
	for _, name := range names {
		if _, ok := kept[name]; ok {
			continue
		}
		key := make([]byte, box.KeySize)
		_, _ = rand.Read(key) // never fails: it ends the process instead
		wrapped, err := master.wrap(name, key)
		if err != nil {
			return nil, err
		}
		fresh = append(fresh, store.SubjectKey{Name: name, Wrapped: wrapped})
	}
	if err := k.store.AddSubjectKeys(ctx, master.id, fresh); err != nil {
		return nil, err
	}
	return k.store.SubjectKeys(ctx, names)
}
