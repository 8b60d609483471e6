package store_test

import (
	"fmt"
	"testing"
	"time"

	"gatehouse/control/store"
	"gatehouse/control/store/storetest"
)

func blocked(policy, source string, n int64, at time.Time) store.CSPReport {
	return store.CSPReport{
		Policy: policy, Disposition: "report", Directive: "script-src-elem", Blocked: source, Page: "app.example/shop", Reports: n, First: at, Last: at,
	}
}

func TestReportsAreCountedIntoTheirGroups(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		add := func(r ...store.CSPReport) {
			t.Helper()
			if err := s.AddCSPReports(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		add(blocked("base", "inline", 1, noon), blocked("base", "https://cdn.example", 2, noon))
		add(blocked("base", "inline", 4, noon.Add(time.Hour)), blocked("shop", "inline", 1, noon))
		found, err := s.CSPReports(t.Context(), "base", 10)
		if err != nil || len(found) != 2 {
			t.Fatalf("%v, %+v", err, found)
		}
		want := blocked("base", "inline", 5, noon)
		want.Last = noon.Add(time.Hour)
		if found[0] != want {
			t.Errorf("got %+v, want %+v", found[0], want)
		}
		all, err := s.CSPReports(t.Context(), "", 2)
		if err != nil || len(all) != 2 {
			t.Errorf("%v, %+v", err, all)
		}
	})
}

func TestGroupsAreBoundedAndOldOnesGiveWay(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		var many []store.CSPReport
		for i := range store.MaxCSPGroups + 3 {
			many = append(many, blocked("base", fmt.Sprintf("https://h%d.example", i), 1, noon))
		}
		if err := s.AddCSPReports(t.Context(), many); err != nil {
			t.Fatal(err)
		}
		found, err := s.CSPReports(t.Context(), "", store.MaxCSPGroups+10)
		if err != nil || len(found) != store.MaxCSPGroups+1 || found[0].Directive != store.OtherCSP || found[0].Reports != 3 {
			t.Fatalf("%v: %d groups, the first %+v", err, len(found), found[0])
		}
		later := noon.Add(100 * 24 * time.Hour)
		if err := s.AddCSPReports(t.Context(), []store.CSPReport{blocked("base", "https://new.example", 1, later)}); err != nil {
			t.Fatal(err)
		}
		if found, err = s.CSPReports(t.Context(), "", 10); err != nil || len(found) != 1 || found[0].Blocked != "https://new.example" {
			t.Errorf("%v, %+v", err, found)
		}
	})
}
