package secret

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// counting counts what it is asked.
type counting struct {
	asked atomic.Int64
	of    Finder
}

func (c *counting) Find(text string) []Found {
	c.asked.Add(1)
	return c.of.Find(text)
}

const rare = "m4rk-of-a-rule"

func TestAGuardTakesOutWhatIsFoundAndLooksAtCleanTextOnce(t *testing.T) {
	t.Parallel()
	finder := &counting{of: findsMark(rare)}
	g := NewGuard(finder, nil)
	for range 3 {
		if got := g.Clean("here", "/a/"+rare+"/b/"+rare); got != "/a/[redacted:mark]/b/[redacted:mark]" {
			t.Errorf("%q", got)
		}
	}
	finder.asked.Store(0)
	for range 3 {
		if got := g.Clean("here", "/a/0123456789abcdef"); got != "/a/0123456789abcdef" {
			t.Errorf("%q", got)
		}
	}
	if n := finder.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestOrdinaryTextIsNotLookedAt(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"":                           false,
		"/api/v1/orders/17":          false,
		"the upload is no PDF":       false,
		"123456789012345":            false,
		"abcdefghijklmnopqrst":       false,
		"0190f3a4-1111-7222-8333-44": true, // no whole UUID
		"/users/0190f3a4-1111-7222-8333-444455556666/photo": false,
		"/x/AKIA0123456789ABCDEF":                           true,
		"?q=abc123def456":                                   true,
	} {
		if got := disordered(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// encoded finds something that is no part of the text.
type encoded struct{}

func (encoded) Find(text string) []Found {
	if strings.Contains(text, "[redacted") {
		return nil
	}
	return []Found{{Rule: "hidden", Line: 1, Secret: New([]byte("elsewhere"))}}
}

// endless finds something in everything.
type endless struct{}

func (endless) Find(string) []Found {
	return []Found{{Rule: "endless", Line: 1, Secret: New([]byte("e"))}}
}

func TestWhatCannotBeTakenOutTakesTheWholeText(t *testing.T) {
	t.Parallel()
	if got := NewGuard(encoded{}, nil).Clean("here", "bTRyay1vZi1hLXJ1bGU"); got != "[redacted:hidden]" {
		t.Errorf("%q", got)
	}
	if got := NewGuard(endless{}, nil).Clean("here", "abc123def456e"); got != "[redacted:endless]" {
		t.Errorf("%q", got)
	}
}

func TestARuleIsReportedOnceAMinuteWithTheRestCounted(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	g := NewGuard(findsMark(rare), func() time.Time { return now })
	var heard []Detection
	g.Report("early", "before anybody listened to "+token)
	stop := g.Listen(func(d Detection) { heard = append(heard, d) })
	second := g.Listen(func(Detection) { t.Error("the second listener heard it as well") })
	for range 5 {
		g.Report("a", "log")
	}
	g.Report("b", "log")
	now = now.Add(quietFor)
	g.Report("a", "event")
	want := []Detection{
		{"early", "before anybody listened to ghs_[redacted]", 1},
		{"a", "log", 1},
		{"b", "log", 1},
		{"a", "event", 5},
	}
	if len(heard) != len(want) {
		t.Fatalf("%+v", heard)
	}
	for i := range want {
		if heard[i] != want[i] {
			t.Errorf("%+v, want %+v", heard[i], want[i])
		}
	}
	second()
	stop()
	g.Report("c", "log")
	if len(heard) != len(want) {
		t.Error("it was told after it had stopped")
	}
	g.Listen(func(d Detection) { heard = append(heard, d) })
	if len(heard) != len(want)+1 {
		t.Error("the next listener was not told of what came in between")
	}
}

func TestWhatAGuardKeepsIsBounded(t *testing.T) {
	t.Parallel()
	g := NewGuard(findsMark(rare), nil)
	for i := range 2 * maxRules {
		g.Report(strings.Repeat("r", i%17)+string(rune('a'+i%26))+time.Duration(i).String(), strings.Repeat("p", 1000))
	}
	if len(g.rules) > maxRules || len(g.waiting) > maxWaiting || len(g.waiting[0].Place) > maxPlace {
		t.Errorf("%d rules, %d waiting, a place of %d bytes", len(g.rules), len(g.waiting), len(g.waiting[0].Place))
	}
	for i := range 2 * maxRemembered {
		g.clean.add(time.Duration(i).String())
	}
	if len(g.clean.set) > maxRemembered {
		t.Errorf("%d texts", len(g.clean.set))
	}
}

func TestARuleThatFailsOrNoTimeHidesTheText(t *testing.T) {
	t.Parallel()
	g := NewGuard(broken{}, nil)
	for range 2 {
		if got := g.Clean("here", "/a/"+rare); got != Unscanned {
			t.Errorf("%q", got)
		}
	}
	g = NewGuard(findsMark(rare), nil)
	g.Clean("here", "/known/0123456789abcdef")
	for text, want := range map[string]string{
		"/known/0123456789abcdef": "/known/0123456789abcdef", "/other/0123456789abcdef": Unscanned, "/plain/path": "/plain/path",
	} {
		if got := g.Hurry(text); got != want {
			t.Errorf("in a hurry: %q", got)
		}
	}
}

func TestNoGuardLetsEverythingThrough(t *testing.T) {
	t.Parallel()
	var g *Guard
	g.Report("a", "b")
	g.Listen(nil)()
	if g.Clean("here", rare) != rare || g.Hurry(rare) != rare || g.Finder() != nil {
		t.Error("it did something")
	}
}
