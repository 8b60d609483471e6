package main

import (
	"errors"
	"testing"
	"time"
)

func TestRatiosAreTakenRoundByRound(t *testing.T) {
	t.Parallel()
	r := result{bare: []float64{100, 200, 400}, ours: []float64{50, 150, 100}}
	if got := r.ratio(); got != 0.5 {
		t.Errorf("ratio %v, want the median of 0.5, 0.75 and 0.25", got)
	}
}

func TestQuantilesOfTheLatencies(t *testing.T) {
	t.Parallel()
	var all []time.Duration
	for i := 100; i > 0; i-- {
		all = append(all, time.Duration(i)*time.Millisecond)
	}
	if p50, p99 := quantile(all, .5), quantile(all, .99); p50 != 51*time.Millisecond || p99 != 100*time.Millisecond {
		t.Errorf("p50 %v, p99 %v", p50, p99)
	}
}

func TestAWriterThatFailsIsNotCounted(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	if _, latencies, err := drive(3, time.Minute, func() error { return broken }); !errors.Is(err, broken) || len(latencies) != 0 {
		t.Errorf("%d %v", len(latencies), err)
	}
}

func TestAShortRunGivesFigures(t *testing.T) {
	t.Parallel()
	s := settings{rounds: 1, turn: 50 * time.Millisecond, rate: 200, probes: 3}
	r, err := compare(t.Context(), s, t.TempDir(), 4)
	if err != nil || r.ratio() <= 0 || len(r.latencies) == 0 {
		t.Errorf("%+v %v", r, err)
	}
	if found, err := searchable(t.Context(), s, t.TempDir()); err != nil || len(found) != 3 {
		t.Errorf("%v %v", found, err)
	}
}
