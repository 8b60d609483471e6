package seal_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/authz/event/box"
	"gatehouse/authz/secret"
	"gatehouse/control/audit/seal"
	"gatehouse/control/store"
	"gatehouse/control/store/storetest"
)

func master(t *testing.T, fill byte) seal.Master {
	t.Helper()
	m, err := seal.ParseMaster(secret.New(hex.AppendEncode(nil, bytes.Repeat([]byte{fill}, 32))))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// clock stands still until it is moved.
type clock struct{ at atomic.Int64 }

func newClock(t time.Time) *clock {
	c := &clock{}
	c.at.Store(t.UnixMilli())
	return c
}

func (c *clock) now() time.Time       { return time.UnixMilli(c.at.Load()).UTC() }
func (c *clock) move(d time.Duration) { c.at.Add(d.Milliseconds()) }

var november = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func ring(t *testing.T, s seal.Store, change func(*seal.Options)) *seal.Keyring {
	t.Helper()
	o := seal.Options{Store: s, Master: master(t, 1), Now: newClock(november).now}
	if change != nil {
		change(&o)
	}
	k, err := seal.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

const (
	anna = "u:anna-anna-anna-anna-aa"
	ben  = "u:benn-benn-benn-benn-bb"
)

var fields = map[string]string{"name": "Anna Testfrau", "ip": "203.0.113.77"}

// sealed is a text that must not show what is in it.
func sealed(t *testing.T, k *seal.Keyring, subject string) string {
	t.Helper()
	text, err := k.Seal(t.Context(), subject, fields)
	if err != nil || text == "" {
		t.Fatalf("%q %v", text, err)
	}
	for _, value := range fields {
		if strings.Contains(text, value) || strings.Contains(text, base64.RawURLEncoding.EncodeToString([]byte(value))) {
			t.Fatalf("%s shows %s", text, value)
		}
	}
	return text
}

func expectFields(t *testing.T, k *seal.Keyring, text, subject string) {
	t.Helper()
	if got, err := k.Open(t.Context(), text, subject); err != nil || !maps.Equal(got, fields) {
		t.Errorf("%v %v", got, err)
	}
}

func TestFieldsOpenForTheirSubjectInAnotherProcessToo(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		first := ring(t, s, nil)
		ofAnna, ofNobody := sealed(t, first, anna), sealed(t, first, "")
		second := ring(t, s, nil)
		expectFields(t, second, ofAnna, anna)
		expectFields(t, second, ofNobody, "")
		expectFields(t, second, sealed(t, second, "n:a-name-somebody-typed"), "n:a-name-somebody-typed")
		for subject, want := range map[string]error{ben: seal.ErrNoKey, "": seal.ErrText, "n:x": seal.ErrText} {
			if _, err := second.Open(t.Context(), ofAnna, subject); !errors.Is(err, want) {
				t.Errorf("%q: %v", subject, err)
			}
		}
		sealed(t, second, ben)
		if _, err := second.Open(t.Context(), ofAnna, ben); !errors.Is(err, box.ErrClosed) {
			t.Errorf("%v", err)
		}
		if live, err := s.LiveSubjectKeys(t.Context(), ""); err != nil || !slices.Equal(live, []string{"m:2026-11", anna, ben}) {
			t.Errorf("%v %v", live, err)
		}
	})
}

func TestDestroyingAKeyMakesAllThatItSealedUnreadableForGood(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k := ring(t, s, nil)
		texts := []string{sealed(t, k, anna), sealed(t, k, anna)}
		ofBen := sealed(t, k, ben)
		for range 2 { // twice is once
			if err := k.Destroy(t.Context(), anna); err != nil {
				t.Fatal(err)
			}
		}
		for name, k := range map[string]*seal.Keyring{"here": k, "in another process": ring(t, s, nil)} {
			for _, text := range texts {
				if got, err := k.Open(t.Context(), text, anna); !errors.Is(err, seal.ErrShredded) || got != nil {
					t.Errorf("%s: %v %v", name, got, err)
				}
			}
			if text, err := k.Seal(t.Context(), anna, fields); !errors.Is(err, seal.ErrShredded) || text != "" {
				t.Errorf("%s: sealed again: %q %v", name, text, err)
			}
			expectFields(t, k, ofBen, ben)
			some, err := k.SealAll(t.Context(), []seal.Item{{anna, fields}, {ben, fields}, {ben, nil}})
			if err != nil || some[0] != "" || some[1] == "" || some[2] != "" {
				t.Errorf("%s: %q %v", name, some, err)
			}
		}
		if err := k.Destroy(t.Context(), "m:2026-11"); err == nil {
			t.Error("a month is no subject")
		}
	})
}

func TestWhoNeverHadAKeyGetsNoneAfterBeingErased(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k := ring(t, s, nil)
		if err := k.Destroy(t.Context(), anna); err != nil {
			t.Fatal(err)
		}
		if _, err := k.Seal(t.Context(), anna, fields); !errors.Is(err, seal.ErrShredded) {
			t.Errorf("%v", err)
		}
	})
}

func TestAMonthsKeyGoesWhenItsRetentionIsOver(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		at := newClock(november)
		k := ring(t, s, func(o *seal.Options) { o.Now = at.now })
		inNovember, ofAnna := sealed(t, k, ""), sealed(t, k, anna)
		at.move(20 * 24 * time.Hour)
		inDecember := sealed(t, k, "")
		end := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC).Add(30 * 24 * time.Hour)
		for _, c := range []struct {
			at   time.Time
			want []string
		}{{november, nil}, {end.Add(-time.Millisecond), nil}, {end, []string{"m:2026-11"}}, {end, nil}} {
			if got, err := k.Expire(t.Context(), c.at, 30*24*time.Hour); err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%s: %v %v", c.at, got, err)
			}
		}
		if _, err := k.Open(t.Context(), inNovember, ""); !errors.Is(err, seal.ErrShredded) {
			t.Errorf("%v", err)
		}
		expectFields(t, k, inDecember, "")
		expectFields(t, k, ofAnna, anna)
	})
}

func TestTheMasterKeyIsReplacedWithoutLosingAnything(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		at := newClock(november)
		old := ring(t, s, func(o *seal.Options) { o.Now = at.now })
		ofAnna, ofBen, ofNobody := sealed(t, old, anna), sealed(t, old, ben), sealed(t, old, "")
		if err := old.Destroy(t.Context(), ben); err != nil {
			t.Fatal(err)
		}
		if _, err := seal.Rotate(t.Context(), s, master(t, 3), master(t, 2)); !errors.Is(err, store.ErrMasterKey) {
			t.Errorf("the wrong old key: %v", err)
		}
		if _, err := seal.Rotate(t.Context(), s, master(t, 1), master(t, 1)); err == nil {
			t.Error("the same key is accepted")
		}
		for _, again := range []bool{false, true} {
			if r, err := seal.Rotate(t.Context(), s, master(t, 1), master(t, 2)); err != nil || r.Keys != 2 || r.Wrapped != again {
				t.Fatalf("%+v %v", r, err)
			}
		}
		next := ring(t, s, func(o *seal.Options) { o.Master = master(t, 2) })
		expectFields(t, next, ofAnna, anna)
		expectFields(t, next, ofNobody, "")
		if _, err := next.Open(t.Context(), ofBen, ben); !errors.Is(err, seal.ErrShredded) {
			t.Errorf("%v", err)
		}
		if _, err := seal.New(t.Context(), seal.Options{Store: s, Master: master(t, 1)}); err == nil || !strings.Contains(err.Error(), seal.MasterKeyName) {
			t.Errorf("the old key opens the store: %v", err)
		}
		at.move(2 * seal.DefaultCacheFor)
		if _, err := old.Seal(t.Context(), anna, fields); err == nil {
			t.Error("a control with the old key goes on")
		}
		if _, err := old.Seal(t.Context(), "u:somebody-new", fields); err == nil {
			t.Error("a control with the old key makes new keys")
		}
	})
}

func TestAKeyringGoesOnWithTheMasterKeyThatItsOwnWasRotatedTo(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		var now atomic.Pointer[seal.Master] // what the file has
		set := func(fill byte) { m := master(t, fill); now.Store(&m) }
		set(1)
		var taken []string
		k := ring(t, s, func(o *seal.Options) {
			o.CacheFor = time.Nanosecond // every key is asked for again
			o.Now = time.Now
			o.Renew = func() (seal.Master, error) { return *now.Load(), nil }
			o.Renewed = func(id string) { taken = append(taken, id) }
		})
		ofAnna := sealed(t, k, anna)
		if _, err := seal.Rotate(t.Context(), s, master(t, 1), master(t, 2)); err != nil {
			t.Fatal(err)
		}
		for _, fill := range []byte{1, 3} { // not there yet; somebody else's
			set(fill)
			if _, err := k.Open(t.Context(), ofAnna, anna); !errors.Is(err, box.ErrClosed) {
				t.Errorf("with key %d in the file: %v", fill, err)
			}
			if _, err := k.Seal(t.Context(), "u:somebody-new", fields); !errors.Is(err, store.ErrMasterKey) {
				t.Errorf("with key %d in the file: %v", fill, err)
			}
		}
		set(2)
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				if _, err := k.Seal(t.Context(), fmt.Sprintf("u:somebody-%d", i), fields); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		expectFields(t, k, ofAnna, anna)
		if want := master(t, 2); len(taken) != 1 || taken[0] != want.ID() {
			t.Errorf("taken in use: %v", taken)
		}
		if kept, err := s.SubjectKeys(t.Context(), []string{"u:somebody-new"}); err != nil || len(kept) > 0 {
			t.Errorf("a key under a master key that is not the store's: %v %v", kept, err)
		}
	})
}

// counting is a store that counts what it is asked, and fails on demand.
type counting struct {
	seal.Store
	reads, adds atomic.Int64
	down        atomic.Bool
	// afterRead is called between reading and returning.
	afterRead func()
}

var errDown = errors.New("the store is away")

func (c *counting) SubjectKeys(ctx context.Context, names []string) (map[string]store.SubjectKey, error) {
	if c.down.Load() {
		return nil, errDown
	}
	c.reads.Add(1)
	keys, err := c.Store.SubjectKeys(ctx, names)
	if c.afterRead != nil {
		c.afterRead()
	}
	return keys, err
}

func (c *counting) AddSubjectKeys(ctx context.Context, id string, keys []store.SubjectKey) error {
	if c.down.Load() {
		return errDown
	}
	c.adds.Add(1)
	return c.Store.AddSubjectKeys(ctx, id, keys)
}

func sqlite(t *testing.T) *counting {
	t.Helper()
	return &counting{Store: storetest.Open(t, "sqlite:"+t.TempDir()+"/gatehouse.db")}
}

func TestABatchTakesFewQuestionsAndTheNextOneNone(t *testing.T) {
	t.Parallel()
	s := sqlite(t)
	k := ring(t, s, nil)
	var items []seal.Item
	for i := range 500 {
		items = append(items, seal.Item{Subject: fmt.Sprint("u:", i%100), Fields: fields}, seal.Item{Fields: fields})
	}
	for range 2 {
		if _, err := k.SealAll(t.Context(), items); err != nil {
			t.Fatal(err)
		}
		if s.reads.Load() != 2 || s.adds.Load() != 1 {
			t.Errorf("%d reads, %d writes", s.reads.Load(), s.adds.Load())
		}
	}
}

func TestTheCacheIsBoundedAndAsksAgainInTime(t *testing.T) {
	t.Parallel()
	s := sqlite(t)
	at := newClock(november)
	k := ring(t, s, func(o *seal.Options) { o.Cache, o.CacheFor, o.Now = 2, time.Minute, at.now })
	questions := func(subjects ...string) int64 {
		t.Helper()
		before := s.reads.Load()
		for _, subject := range subjects {
			sealed(t, k, subject)
		}
		return s.reads.Load() - before
	}
	questions("u:1", "u:2", "u:3") // the third pushes the first out
	if n := questions("u:3", "u:2"); n != 0 {
		t.Errorf("%d questions for what was used last", n)
	}
	if n := questions("u:1"); n != 1 {
		t.Errorf("%d questions for what was pushed out", n)
	}
	at.move(time.Minute)
	if n := questions("u:2"); n != 1 {
		t.Errorf("%d questions after a minute", n)
	}
}

func TestAnotherControlsDestructionIsSeenWhenTheCacheIsOver(t *testing.T) {
	t.Parallel()
	s := sqlite(t)
	at := newClock(november)
	here := ring(t, s, func(o *seal.Options) { o.Now = at.now })
	text := sealed(t, here, anna)
	if err := ring(t, s, nil).Destroy(t.Context(), anna); err != nil {
		t.Fatal(err)
	}
	at.move(seal.DefaultCacheFor)
	if _, err := here.Open(t.Context(), text, anna); !errors.Is(err, seal.ErrShredded) {
		t.Errorf("%v", err)
	}
}

func TestAKeyThatIsReadWhileItIsDestroyedIsNotRemembered(t *testing.T) {
	t.Parallel()
	s := sqlite(t)
	k := ring(t, s, nil)
	text := sealed(t, ring(t, s, nil), anna)
	var once sync.Once
	s.afterRead = func() {
		once.Do(func() {
			if err := k.Destroy(t.Context(), anna); err != nil {
				t.Error(err)
			}
		})
	}
	if _, err := k.Open(t.Context(), text, anna); err != nil {
		t.Errorf("read before it was destroyed: %v", err)
	}
	if _, err := k.Open(t.Context(), text, anna); !errors.Is(err, seal.ErrShredded) {
		t.Errorf("%v", err)
	}
}

func TestWithoutTheStoreNothingIsSealedAndNothingPasses(t *testing.T) {
	t.Parallel()
	s := sqlite(t)
	k := ring(t, s, nil)
	sealed(t, k, ben)
	s.down.Store(true)
	if texts, err := k.SealAll(t.Context(), []seal.Item{{ben, fields}, {anna, fields}}); !errors.Is(err, errDown) || texts != nil {
		t.Errorf("%q %v", texts, err)
	}
	s.down.Store(false)
	sealed(t, k, anna)
}

func TestTextsThatWereNotMadeHereAreRefused(t *testing.T) {
	t.Parallel()
	k := ring(t, sqlite(t), nil)
	good := sealed(t, k, "")
	for text, want := range map[string]error{
		"":                                  seal.ErrText,
		"203.0.113.7":                       seal.ErrText,
		"s1.2026-11":                        seal.ErrText,
		"s1.2026-13.AAAA":                   seal.ErrText,
		"s1.s.%%":                           seal.ErrText,
		"t1.AAAA":                           seal.ErrText,
		"s1.2026-11.AAAA":                   box.ErrClosed,
		good[:len(good)-4]:                  box.ErrClosed,
		"s1.2031-01." + good[len(good)-60:]: seal.ErrNoKey,
	} {
		if _, err := k.Open(t.Context(), text, anna); !errors.Is(err, want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestAMasterKeyIsThirtyTwoBytesInHexadecimalOrBase64(t *testing.T) {
	t.Parallel()
	key := bytes.Repeat([]byte{0xfb}, 32) // has both of base64's odd characters
	id := ""
	for _, text := range []string{
		hex.EncodeToString(key), strings.ToUpper(hex.EncodeToString(key)), base64.StdEncoding.EncodeToString(key),
		base64.RawStdEncoding.EncodeToString(key), base64.URLEncoding.EncodeToString(key), base64.RawURLEncoding.EncodeToString(key) + " ",
	} {
		m, err := seal.ParseMaster(secret.New([]byte(text)))
		if err != nil || len(m.ID()) != 16 || (id != "" && m.ID() != id) {
			t.Errorf("%s: %q %v", text, m.ID(), err)
		}
		id = m.ID()
	}
	for _, text := range []string{"", "hunter2", hex.EncodeToString(key[1:]), strings.Repeat("z", 64), base64.StdEncoding.EncodeToString(append(key, 1))} {
		if _, err := seal.ParseMaster(secret.New([]byte(text))); err == nil || (text != "" && strings.Contains(err.Error(), text)) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := seal.New(t.Context(), seal.Options{Store: sqlite(t)}); err == nil {
		t.Error("a keyring without a master key")
	}
}

func BenchmarkSealAll(b *testing.B) {
	m, err := seal.ParseMaster(secret.New(hex.AppendEncode(nil, bytes.Repeat([]byte{1}, 32))))
	if err != nil {
		b.Fatal(err)
	}
	k, err := seal.New(b.Context(), seal.Options{Store: storetest.Open(b, "sqlite:"+b.TempDir()+"/gatehouse.db"), Master: m})
	if err != nil {
		b.Fatal(err)
	}
	items := make([]seal.Item, 512)
	for i := range items {
		items[i] = seal.Item{Subject: fmt.Sprint("u:", i%50), Fields: fields}
	}
	for b.Loop() {
		if _, err := k.SealAll(b.Context(), items); err != nil {
			b.Fatal(err)
		}
	}
}
