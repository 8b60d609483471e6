package throttle_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/authz/internal/redistest"
	"gatehouse/authz/login/code"
	"gatehouse/authz/login/throttle"
)

type clock struct{ ms atomic.Int64 }

func (c *clock) now() time.Time           { return time.UnixMilli(c.ms.Load()) }
func (c *clock) forward(by time.Duration) { c.ms.Add(by.Milliseconds()) }

func open(t *testing.T) (*throttle.Throttle, *clock, *redistest.Server) {
	t.Helper()
	return openWith(t, throttle.Free{Account: 4, Address: 8, Pair: 2, Device: 3})
}

func openWith(t *testing.T, free throttle.Free) (*throttle.Throttle, *clock, *redistest.Server) {
	t.Helper()
	c := &clock{}
	c.ms.Store(1_800_000_000_000)
	server := redistest.Start(t)
	return throttle.New(server.Client(), []byte(code.NewToken()), c.now, free), c, server
}

func take(t *testing.T, th *throttle.Throttle, a throttle.Attempt) (*throttle.Taken, time.Duration) {
	t.Helper()
	taken, wait, err := th.Take(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return taken, wait
}

func TestWaitingDoublesFromHalfAMinuteToAnHour(t *testing.T) {
	t.Parallel()
	th, c, _ := openWith(t, throttle.Free{Account: 100, Address: 100, Pair: 2, Device: 3})
	a := throttle.Attempt{Account: "anna", Address: "192.0.2.1"}
	take(t, th, a)
	for n, want := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, time.Hour, time.Hour, time.Hour} {
		if _, wait := take(t, th, a); wait != 0 {
			t.Fatalf("attempt %d had to wait %s after waiting", n+2, wait)
		}
		if _, wait := take(t, th, a); wait != want {
			t.Fatalf("after attempt %d: %s, want %s", n+2, wait, want)
		}
		c.forward(want - time.Millisecond)
		if _, wait := take(t, th, a); wait != time.Millisecond {
			t.Fatalf("a refused attempt moved the time to %s", wait)
		}
		c.forward(time.Millisecond)
	}
}

func TestAStrangerDoesNotLockAKnownDeviceOut(t *testing.T) {
	t.Parallel()
	th, _, _ := open(t)
	for i := range 40 {
		take(t, th, throttle.Attempt{Account: "anna", Address: fmt.Sprintf("192.0.2.%d", i)})
	}
	if _, wait := take(t, th, throttle.Attempt{Account: "anna", Address: "198.51.100.1"}); wait == 0 {
		t.Error("forty failures did not slow the account down")
	}
	known := throttle.Attempt{Account: "anna", Address: "192.0.2.1", Device: "laptop"}
	taken, wait := take(t, th, known)
	if wait != 0 {
		t.Fatalf("the known device has to wait %s", wait)
	}
	if _, err := taken.Success(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, wait := take(t, th, throttle.Attempt{Account: "anna", Address: "198.51.100.1"}); wait == 0 {
		t.Error("the person's success let the attacker go on, and told of it")
	}
	for range 3 {
		take(t, th, known)
	}
	if _, wait := take(t, th, known); wait != throttle.First {
		t.Errorf("a known device may guess for ever: %s", wait)
	}
	if _, wait := take(t, th, throttle.Attempt{Account: "anna", Device: "phone"}); wait != 0 {
		t.Error("one device slowed another down")
	}
}

func TestAnAddressIsSlowedDownOverAllAccounts(t *testing.T) {
	t.Parallel()
	th, _, _ := open(t)
	for i := range 8 {
		if _, wait := take(t, th, throttle.Attempt{Account: fmt.Sprint("user", i), Address: "2001:db8::1"}); wait != 0 {
			t.Fatalf("attempt %d waits", i)
		}
	}
	if _, wait := take(t, th, throttle.Attempt{Account: "another", Address: "2001:db8::ffff:1"}); wait != throttle.First {
		t.Errorf("another address of the same network: %s", wait)
	}
	if _, wait := take(t, th, throttle.Attempt{Account: "another", Address: "2001:db8:0:1::1"}); wait != 0 {
		t.Errorf("another network: %s", wait)
	}
}

func TestASuccessClearsThePersonButNotTheAddress(t *testing.T) {
	t.Parallel()
	th, _, _ := open(t)
	a := throttle.Attempt{Account: "anna", Address: "192.0.2.1"}
	for range 20 {
		taken, wait := take(t, th, a)
		if wait != 0 {
			t.Fatal("successes count as failures")
		}
		if _, err := taken.Success(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 7 {
		take(t, th, throttle.Attempt{Account: fmt.Sprint("victim", i), Address: "192.0.2.1"})
	}
	taken, _ := take(t, th, a)
	if _, err := taken.Success(t.Context()); err != nil {
		t.Fatal(err)
	}
	take(t, th, throttle.Attempt{Account: "victim8", Address: "192.0.2.1"})
	if _, wait := take(t, th, throttle.Attempt{Account: "victim9", Address: "192.0.2.1"}); wait == 0 {
		t.Error("an attacker's own account washed their address clean")
	}
}

func TestWhatCouldNotBeJudgedDoesNotCount(t *testing.T) {
	t.Parallel()
	th, _, _ := open(t)
	for _, a := range []throttle.Attempt{{Account: "anna", Address: "192.0.2.1"}, {Account: "anna", Device: "laptop"}} {
		for range 20 {
			taken, wait := take(t, th, a)
			if wait != 0 {
				t.Fatal("it counts")
			}
			if err := taken.Undecided(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestManyAtOnceAreNoWayAround(t *testing.T) {
	t.Parallel()
	th, _, _ := open(t)
	var through atomic.Int32
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, wait, err := th.Take(t.Context(), throttle.Attempt{Account: "anna", Address: "192.0.2.1"}); err == nil && wait == 0 {
				through.Add(1)
			}
		})
	}
	all.Wait()
	if n := through.Load(); n != 2 {
		t.Errorf("%d of 50 attempts at once were let through, want 2", n)
	}
}

func TestRedisNamesNobody(t *testing.T) {
	t.Parallel()
	th, _, server := open(t)
	take(t, th, throttle.Attempt{Account: "anna", Address: "192.0.2.1"})
	take(t, th, throttle.Attempt{Account: "anna", Device: "laptop"})
	keys, err := server.Client().Keys(t.Context(), "*").Result()
	if err != nil || len(keys) != 4 {
		t.Fatalf("%v %v", keys, err)
	}
	for _, key := range keys {
		if strings.Contains(key, "anna") || strings.Contains(key, "192.0.2.1") || strings.Contains(key, "laptop") {
			t.Error(key)
		}
		if life := server.Client().PTTL(t.Context(), key).Val(); life <= 0 || life > 24*time.Hour {
			t.Errorf("%s lives %s", key, life)
		}
	}
}

func TestWithoutRedisNothingIsLetThrough(t *testing.T) {
	t.Parallel()
	th, _, server := open(t)
	server.Stop()
	for _, a := range []throttle.Attempt{{Account: "anna", Address: "192.0.2.1"}, {Account: "anna", Device: "laptop"}} {
		if _, _, err := th.Take(t.Context(), a); !errors.Is(err, throttle.ErrUnavailable) {
			t.Errorf("error %v", err)
		}
	}
}

func TestADeviceIsKnownByItsSignatureAlone(t *testing.T) {
	t.Parallel()
	th, c, _ := open(t)
	cookie := th.NewDevice("anna", "")
	if err := cookie.Valid(); err != nil || !cookie.Secure || !cookie.HttpOnly || cookie.Path != "/" || cookie.Domain != "" {
		t.Errorf("%v %v", err, cookie)
	}
	ask := func(account string, values ...string) string {
		r := httptest.NewRequest(http.MethodPost, "/", http.NoBody)
		for _, v := range values {
			r.AddCookie(&http.Cookie{Name: throttle.DeviceCookie, Value: v})
		}
		return th.Device(r, account)
	}
	id := ask("anna", cookie.Value)
	if id == "" {
		t.Fatal("its own cookie is not known")
	}
	if again := th.NewDevice("anna", id); ask("anna", again.Value) != id {
		t.Error("a device that signs in again is another one")
	}
	parts := strings.Split(cookie.Value, ".")
	for name, got := range map[string]string{
		"another's account": ask("bob", cookie.Value), "no cookie": ask("anna"), "two cookies": ask("anna", cookie.Value, cookie.Value),
		"a longer life": ask("anna", parts[0]+"."+parts[1]+".9999999999."+parts[3]), "another id": ask("anna", parts[0]+".x."+parts[2]+"."+parts[3]),
		"nonsense": ask("anna", "..."), "another version": ask("anna", "d2"+strings.TrimPrefix(cookie.Value, "d1")),
	} {
		if got != "" {
			t.Errorf("%s: known as %q", name, got)
		}
	}
	c.forward(throttle.DeviceLife)
	if ask("anna", cookie.Value) != "" {
		t.Error("it is known for ever")
	}
}
