package limit

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestLocalForgetsTheIdlestBeyondItsBudget(t *testing.T) {
	t.Parallel()
	c := newClock()
	local := NewLocal(40, c.now) // four counters of keyCost 8 and one entry of 2
	spec := Spec{Requests: 1, Window: time.Hour}
	admit := func(key string) bool {
		t.Helper()
		got, err := local.Admit([]Request{{Key: key, Spec: spec}})
		if err != nil {
			t.Fatal(err)
		}
		return Admitted(got)
	}
	for _, key := range []string{"a", "b", "c", "d"} {
		if !admit(key) {
			t.Fatalf("the first of %s", key)
		}
	}
	if admit("a") {
		t.Fatal("the second of a") // and a is now the most recently used
	}
	admit("e")
	if !admit("b") {
		t.Error("b was idle for longest and should have been forgotten")
	}
	if admit("a") {
		t.Error("a was in use and should have been kept")
	}
}

func TestLocalStaysWithinItsBudgetWhateverComes(t *testing.T) {
	t.Parallel()
	c := newClock()
	local := NewLocal(1000, c.now)
	for i := range 5000 {
		c.advance(time.Millisecond)
		_, err := local.Admit([]Request{
			{Key: strconv.Itoa(i % 300), Spec: Spec{Requests: 50, Window: time.Hour}},
			{Key: strconv.Itoa(i), Spec: Spec{Algorithm: GCRA, Requests: 50, Window: time.Hour}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if local.spent > 1000 || len(local.counters) != local.recent.Len() || len(local.counters) > 1000/keyCost {
			t.Fatalf("after %d calls: %d spent on %d counters (%d listed)", i, local.spent, len(local.counters), local.recent.Len())
		}
	}
}

func TestLocalAdmitsExactlyToTheLimitUnderManyCallers(t *testing.T) {
	t.Parallel()
	local := NewLocal(DefaultLocalBudget, newClock().now)
	var admitted atomic.Int64
	var callers sync.WaitGroup
	for range 16 {
		callers.Go(func() {
			for range 100 {
				got, err := local.Admit([]Request{{Key: "k", Spec: Spec{Requests: 100, Window: time.Hour}}})
				if err != nil {
					t.Error(err)
				}
				if Admitted(got) {
					admitted.Add(1)
				}
			}
		})
	}
	callers.Wait()
	if n := admitted.Load(); n != 100 {
		t.Errorf("%d admitted", n)
	}
}
