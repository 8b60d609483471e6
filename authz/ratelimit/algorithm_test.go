package ratelimit

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	dataaccesslog "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"gatehouse/authz/internal/redistest"
	"gatehouse/authz/limit"
)

func TestEachDescriptorIsCountedByItsAlgorithm(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 22, 59, 50, 0, time.UTC) // 10 s before December in Berlin
	config := mustParse(t, `
domain: d
descriptors:
  - {key: fixed, rate_limit: {unit: minute, requests_per_unit: 4, algorithm: fixed_window}}
  - {key: sliding, rate_limit: {unit: minute, requests_per_unit: 4, algorithm: sliding_window}}
  - {key: buckets, rate_limit: {unit: minute, requests_per_unit: 4, algorithm: two_bucket}}
  - {key: gcra, rate_limit: {unit: minute, requests_per_unit: 4, algorithm: gcra, burst: 2}}
  - {key: quota, rate_limit: {unit: month, requests_per_unit: 4, algorithm: quota, time_zone: Europe/Berlin}}
`)
	s := service(t, config, limit.NewWindows(redistest.Start(t).Client(), storeWithin, func() time.Time { return now }))
	answers := func() string {
		var all strings.Builder
		for _, key := range []string{"fixed", "sliding", "buckets", "gcra", "quota"} {
			passed := 0
			for range 6 {
				if should(t, s, ask("d", 1, descriptor(key, "x"))).GetOverallCode() == ok {
					passed++
				}
			}
			fmt.Fprintf(&all, "%s %d ", key, passed)
		}
		return all.String()
	}
	if got := answers(); got != "fixed 4 sliding 4 buckets 4 gcra 2 quota 4 " {
		t.Errorf("at first: %s", got)
	}
	now = now.Add(15 * time.Second)
	if got := answers(); got != "fixed 4 sliding 0 buckets 0 gcra 1 quota 4 " {
		t.Errorf("in another minute and month: %s", got)
	}
}

func TestKeysThatDoNotGoTogetherAreMistakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, limit, want string }{
		{"an algorithm that there is not", "unit: day, requests_per_unit: 1, algorithm: leaky", `algorithm: is "leaky"`},
		{"a burst of a fixed window", "unit: day, requests_per_unit: 1, burst: 2", "burst: is for algorithm: gcra"},
		{"a burst of nothing", "unit: day, requests_per_unit: 1, algorithm: gcra, burst: 0", "burst: is not a burst"},
		{"a time zone of a window", "unit: day, requests_per_unit: 1, time_zone: UTC", "time_zone: is for algorithm: quota"},
		{"a time zone that there is not", "unit: day, requests_per_unit: 1, algorithm: quota, time_zone: Europe/Atlantis", `time_zone: is "Europe/Atlantis"`},
		{"an empty time zone", "unit: day, requests_per_unit: 1, algorithm: quota, time_zone: ''", "time_zone: is empty"},
		{"a quota for an hour", "unit: hour, requests_per_unit: 1, algorithm: quota", "unit: is not one that a quota is for"},
		{"a slice of a log", "unit: day, requests_per_unit: 9, algorithm: sliding_window, lease: 3", "lease: is for fixed windows"},
		{"a log that is too long", "unit: day, requests_per_unit: 100001, algorithm: sliding_window", "is more than sliding_window remembers"},
		{"places that are too many", "unit: day, requests_per_unit: 10001, algorithm: concurrency", "is more places than concurrency has"},
		{"an algorithm of what is unlimited", "unlimited: true, algorithm: gcra", "counts nothing for what is unlimited"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse([]File{{Name: "a.yaml", Data: []byte("domain: d\ndescriptors:\n- {key: k, rate_limit: {" + c.limit + "}}\n")}})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

const placesOf2 = `
domain: d
descriptors:
  - {key: open, rate_limit: {unit: hour, requests_per_unit: 2, algorithm: concurrency}}
  - {key: never, rate_limit: {unit: hour, requests_per_unit: 0}}
`

// entryWith is what Envoy's access log makes of an answer's dynamic metadata.
func entryWith(metadata *structpb.Struct) *dataaccesslog.HTTPAccessLogEntry {
	return &dataaccesslog.HTTPAccessLogEntry{CommonProperties: &dataaccesslog.AccessLogCommon{
		Metadata: &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{FilterName: metadata}},
	}}
}

func TestAPlaceIsGivenBackByTheAccessLog(t *testing.T) {
	t.Parallel()
	w := limit.NewWindows(redistest.Start(t).Client(), storeWithin, nil)
	s := service(t, mustParse(t, placesOf2), w)
	releases := NewReleases(w, slog.New(slog.DiscardHandler))
	first := should(t, s, ask("d", 1, descriptor("open", "x")))
	second := should(t, s, ask("d", 1, descriptor("open", "x")))
	if got := should(t, s, ask("d", 1, descriptor("open", "x"))); got.GetOverallCode() != over || got.GetDynamicMetadata() != nil {
		t.Fatalf("a third of two: %v", got)
	}
	releases.Ended(entryWith(nil)) // of another request
	releases.Ended(entryWith(first.GetDynamicMetadata()))
	releases.Ended(entryWith(first.GetDynamicMetadata())) // the same, told twice
	releases.release(t.Context(), <-releases.waiting)
	if got := should(t, s, ask("d", 1, descriptor("open", "x"))); got.GetOverallCode() != ok {
		t.Fatalf("the place is not free: %v", got)
	}
	if got := should(t, s, ask("d", 1, descriptor("open", "x"))); got.GetOverallCode() != over {
		t.Fatalf("one end freed two places: %v", got)
	}
	forged := first.GetDynamicMetadata()
	forged.Fields[HoldsField] = structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{structpb.NewStringValue("1 x gh:l:members")}})
	releases.Ended(entryWith(forged))
	if len(releases.waiting) != 0 {
		t.Error("text that is no place is given back")
	}
	_ = second
}

func TestAPlaceOfACheckIsGivenBackByTheAccessLog(t *testing.T) {
	t.Parallel()
	w := limit.NewWindows(redistest.Start(t).Client(), storeWithin, nil)
	releases := NewReleases(w, slog.New(slog.DiscardHandler))
	take := func() limit.Result {
		t.Helper()
		results, err := w.Count(t.Context(), []limit.Request{{Key: "k", Spec: limit.Spec{Algorithm: limit.Concurrency, Requests: 2, Window: time.Hour}}})
		if err != nil {
			t.Fatal(err)
		}
		return results[0]
	}
	text := limit.WriteHolds([]limit.Hold{take().Hold, take().Hold})
	ended := func(text string) {
		releases.Ended(&dataaccesslog.HTTPAccessLogEntry{CommonProperties: &dataaccesslog.AccessLogCommon{
			Metadata: &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{
				"envoy.filters.http.ext_authz": {Fields: map[string]*structpb.Value{HoldsField: structpb.NewStringValue(text)}},
			}},
		}})
	}
	if take().Allowed {
		t.Fatal("a third of two")
	}
	for _, forged := range []string{"x", text + ",", text + ",1 x gh:l:members", strings.Repeat(text+",", 64) + text} {
		if ended(forged); len(releases.waiting) != 0 {
			t.Errorf("%.100q is given back", forged)
		}
	}
	ended(text)
	releases.release(t.Context(), <-releases.waiting)
	for i := range 3 {
		if got := take(); got.Allowed != (i < 2) {
			t.Errorf("request %d: %+v", i, got)
		}
	}
}

func TestARequestThatAnotherLimitRefusesKeepsNoPlace(t *testing.T) {
	t.Parallel()
	w := limit.NewWindows(redistest.Start(t).Client(), storeWithin, nil)
	s := service(t, mustParse(t, placesOf2), w)
	for range 3 {
		if got := should(t, s, ask("d", 1, descriptor("open", "x"), descriptor("never", "x"))); got.GetOverallCode() != over {
			t.Fatalf("%v", got)
		}
	}
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		in := ask("d", 0, descriptor("open", "x"))
		if got := should(t, s, in); got.GetOverallCode() == ok {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the places of refused requests are not free")
		}
	}
}
