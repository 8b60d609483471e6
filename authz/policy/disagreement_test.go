package policy

import (
	"fmt"
	"strconv"
	"testing"
	"time"
)

type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func (c *clock) pass(d time.Duration) { c.now = c.now.Add(d) }

func newClock() *clock { return &clock{now: time.Unix(1_800_000_000, 0)} }

func TestADisagreementIsReportedOnceAndOnlyAfterFiveSeconds(t *testing.T) {
	c := newClock()
	d := NewDisagreement(c.Now)
	for second := range 20 {
		if got, want := d.Seen("v2", "v1"), second == 6; got != want {
			t.Errorf("after %d s: reported %v", second, got)
		}
		c.pass(time.Second)
	}
	if d.Active("v2") != 1 {
		t.Error("it is not active")
	}
}

func TestAStuckEnvoyIsNoticedAlthoughOthersAgree(t *testing.T) {
	// Those that agree do not call Seen at all; one foreign version does not
	// reset another's clock either.
	c := newClock()
	d := NewDisagreement(c.Now)
	reported := 0
	for i := range 10 {
		if d.Seen("v3", "v1") {
			reported++
		}
		if d.Seen("v3", fmt.Sprintf("passing-%d", i)) {
			t.Error("a version seen once was reported")
		}
		c.pass(time.Second)
	}
	if reported != 1 {
		t.Errorf("reported %d times", reported)
	}
}

func TestADisagreementEndsWhenTheVersionIsLoaded(t *testing.T) {
	c := newClock()
	d := NewDisagreement(c.Now)
	d.Seen("v1", "v2")
	c.pass(6 * time.Second)
	if !d.Seen("v1", "v2") {
		t.Fatal("not reported")
	}
	if d.Active("v2") != 0 {
		t.Error("active although v2 is loaded")
	}
	d.Seen("v2", "v1") // an Envoy that is behind, from now on
	c.pass(time.Second)
	if d.Seen("v2", "v1") {
		t.Error("the new disagreement took over the clock of the old one")
	}
}

func TestADisagreementIsForgottenAndBounded(t *testing.T) {
	c := newClock()
	d := NewDisagreement(c.Now)
	for i := range 1000 {
		d.Seen("v", strconv.Itoa(i))
	}
	if len(d.foreign) > maxForeign {
		t.Errorf("%d versions are remembered", len(d.foreign))
	}
	c.pass(time.Minute)
	if d.Seen("v", "late") || d.foreign["late"] == nil {
		t.Error("versions that ended made no room")
	}
	if d.Active("v") != 0 {
		t.Error("versions that ended are active")
	}
}
