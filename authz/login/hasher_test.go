package login

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// cheap costs next to nothing, for tests that are not about the costs.
var cheap = Params{MemoryKiB: 64, Passes: 1, Lanes: 1}

const password = "correct horse battery"

func TestAHashIsOfOWASPsCostsAndChecks(t *testing.T) {
	t.Parallel()
	phc, err := HashPassword(password)
	if err != nil || !strings.HasPrefix(phc, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("%q, %v", phc, err)
	}
	h := NewHasher(DefaultParams(), DefaultHashMemoryKiB)
	if check, err := h.Verify(context.Background(), password, phc); err != nil || !check.OK || check.Outdated {
		t.Errorf("%+v, %v", check, err)
	}
	if check, err := h.Verify(context.Background(), password+" ", phc); err != nil || check.OK {
		t.Errorf("another password: %+v, %v", check, err)
	}
}

// Made by the reference implementation (argon2-cffi 25.1 on libargon2), not by
// this code.
const foreignHash = "$argon2id$v=19$m=1024,t=3,p=2$eSzCP3SCbCpZGSW2XoKy3Q$cji+2FD9iHoSwGFju/e3w1H4/TzniMrEv4JOcRBq2QQ"

func TestAHashOfTheReferenceImplementationChecks(t *testing.T) {
	t.Parallel()
	h := NewHasher(DefaultParams(), DefaultHashMemoryKiB)
	check, err := h.Verify(context.Background(), password, foreignHash)
	if err != nil || !check.OK || !check.Outdated {
		t.Errorf("%+v, %v", check, err)
	}
}

func TestEachHashHasItsOwnSalt(t *testing.T) {
	t.Parallel()
	h := NewHasher(cheap, 1024)
	a, errA := h.Hash(context.Background(), password)
	b, errB := h.Hash(context.Background(), password)
	if errA != nil || errB != nil || a == b {
		t.Errorf("%s, %v and %s, %v", a, errA, b, errB)
	}
}

func TestOtherCostsAreOutdated(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	old, err := NewHasher(cheap, 1024).Hash(ctx, password)
	if err != nil {
		t.Fatal(err)
	}
	dearer := cheap
	dearer.Passes = 2
	if check, err := NewHasher(dearer, 1024).Verify(ctx, password, old); err != nil || !check.OK || !check.Outdated {
		t.Errorf("%+v, %v", check, err)
	}
}

func TestPasswordsAreBoundedAndNeverCut(t *testing.T) {
	t.Parallel()
	h := NewHasher(cheap, 1024)
	ctx := context.Background()
	for n, want := range map[int]error{MinPassword - 1: ErrPassword, MinPassword: nil, MaxPassword: nil, MaxPassword + 1: ErrPassword} {
		if _, err := h.Hash(ctx, strings.Repeat("x", n)); !errors.Is(err, want) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	long := strings.Repeat("x", MaxPassword)
	phc, err := h.Hash(ctx, long)
	if err != nil {
		t.Fatal(err)
	}
	if check, err := h.Verify(ctx, long[:MaxPassword-1]+"y", phc); err != nil || check.OK {
		t.Errorf("the last byte does not count: %+v, %v", check, err)
	}
}

func TestUnusableHashesAreRefused(t *testing.T) {
	t.Parallel()
	good, err := NewHasher(cheap, 1024).Hash(context.Background(), password)
	if err != nil {
		t.Fatal(err)
	}
	swap := func(old, with string) string { return strings.Replace(good, old, with, 1) }
	h := newHasher(cheap, 1024, func([]byte, []byte, Params, int) []byte {
		t.Error("an unusable hash was computed with")
		return nil
	})
	for name, phc := range map[string]string{
		"nothing":              "",
		"text":                 "password",
		"bcrypt":               "$2b$12$abcdefghijklmnopqrstuuM0bXKv1cX1bqC1lJ6d7b0Q1Zl1c1c1c",
		"argon2i":              swap("argon2id", "argon2i"),
		"an old version":       swap("v=19", "v=16"),
		"no memory":            swap("m=64", "m=0"),
		"less than the lanes":  swap("m=64", "m=7"),
		"memory without bound": swap("m=64", "m=4294967295"),
		"beyond 32 bits":       swap("m=64", "m=9999999999"),
		"no passes":            swap("t=1", "t=0"),
		"passes without bound": swap("t=1", "t=1000"),
		"many lanes":           swap("p=1", "p=200"),
		"a leading zero":       swap("m=64", "m=064"),
		"a negative cost":      swap("t=1", "t=-1"),
		"another order":        swap("m=64,t=1", "t=1,m=64"),
		"a short salt":         "$argon2id$v=19$m=64,t=1,p=1$YWJj$" + strings.Repeat("A", 43),
		"a short key":          "$argon2id$v=19$m=64,t=1,p=1$" + strings.Repeat("A", 22) + "$YWJj",
		"padding":              good + "=",
		"a line break":         good + "\n",
		"one part more":        good + "$AAAA",
		"without end":          good + strings.Repeat("A", 500),
	} {
		if check, err := h.Verify(context.Background(), password, phc); !errors.Is(err, ErrHash) || check.OK {
			t.Errorf("%s: %+v, %v", name, check, err)
		}
	}
}

func FuzzParseHash(f *testing.F) {
	f.Add(foreignHash)
	f.Add("$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5aw")
	f.Add("$argon2id$v=19$m=9999999999,t=1,p=1$$")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parseHash(text)
		if err != nil {
			return
		}
		if h.params.MemoryKiB > maxMemoryKiB || h.params.Passes > maxPasses || h.params.Lanes > maxLanes || h.params.Lanes == 0 {
			t.Errorf("%q has costs %+v", text, h.params)
		}
		if h.String() != text {
			t.Errorf("%q is written back as %q", text, h.String())
		}
	})
}

func TestChecksThatRunAtOnceStayWithinTheirMemory(t *testing.T) {
	t.Parallel()
	var running, most atomic.Int64
	arrived, release := make(chan struct{}, 20), make(chan struct{})
	h := newHasher(cheap, 4*64, func([]byte, []byte, Params, int) []byte {
		n := running.Add(1)
		for {
			m := most.Load()
			if n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		arrived <- struct{}{}
		<-release
		running.Add(-1)
		return make([]byte, newKeyBytes)
	})
	h.wait = time.Minute
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := h.Waste(context.Background(), password); err != nil {
				t.Error(err)
			}
		})
	}
	for range 4 {
		<-arrived
	}
	t.Run("and who waits too long is told so", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := h.Waste(ctx, password); !errors.Is(err, ErrBusy) {
			t.Errorf("%v", err)
		}
	})
	close(release)
	all.Wait()
	if most.Load() != 4 {
		t.Errorf("%d ran at once, want 4", most.Load())
	}
}

func TestAHashLargerThanTheMemoryRunsAlone(t *testing.T) {
	t.Parallel()
	phc, err := NewHasher(cheap, 1024).Hash(context.Background(), password)
	if err != nil {
		t.Fatal(err)
	}
	if check, err := NewHasher(cheap, 16).Verify(context.Background(), password, phc); err != nil || !check.OK {
		t.Errorf("%+v, %v", check, err)
	}
}
