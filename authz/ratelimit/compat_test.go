package ratelimit

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/authz/internal/redistest"
	"gatehouse/authz/limit"
)

const measured = `
domain: d
descriptors:
  - {key: plain, rate_limit: {unit: day, requests_per_unit: 5}}
  - {key: fixed, value: v, rate_limit: {unit: day, requests_per_unit: 5}}
  - {key: detailed, detailed_metric: true, rate_limit: {unit: day, requests_per_unit: 5}}
  - key: route
    value_to_metric: true
    descriptors:
      - {key: method, rate_limit: {unit: day, requests_per_unit: 5}}
  - {key: shadow, shadow_mode: true, rate_limit: {unit: day, requests_per_unit: 1}}
`

func compatService(t *testing.T) (*Service, *prometheus.Registry) {
	t.Helper()
	s := service(t, mustParse(t, measured), limit.NewWindows(redistest.Start(t).Client(), storeWithin, func() time.Time { return noon }))
	reg := prometheus.NewRegistry()
	s.o.Compat = NewCompat(reg, DefaultNearRatio)
	return s, reg
}

func TestMetricsHaveEnvoyproxyRatelimitsNames(t *testing.T) {
	t.Parallel()
	s, reg := compatService(t)
	for range 7 {
		should(t, s, ask("d", 1, descriptor("plain", "10.0.0.1")))
	}
	should(t, s, ask("d", 5, descriptor("fixed", "v")))
	should(t, s, ask("d", 1, descriptor("detailed", "10.0.0.1")))
	should(t, s, ask("d", 1, descriptor("route", "a:b", "method", "GET")))
	should(t, s, ask("d", 2, descriptor("shadow", "x")))
	// At 0.8 of 5, the fifth hit is near the limit.
	got := gathered(t, reg)
	for series, want := range map[string]float64{
		"ratelimit_service_rate_limit_total_hits d plain ":             7,
		"ratelimit_service_rate_limit_within_limit d plain ":           5,
		"ratelimit_service_rate_limit_over_limit d plain ":             2,
		"ratelimit_service_rate_limit_near_limit d plain ":             1,
		"ratelimit_service_rate_limit_near_limit d fixed_v ":           1,
		"ratelimit_service_rate_limit_total_hits d detailed_10_0_0_1 ": 1,
		"ratelimit_service_rate_limit_total_hits d route_a_b method":   1,
		"ratelimit_service_rate_limit_over_limit d shadow ":            2,
		"ratelimit_service_rate_limit_shadow_mode d shadow ":           1,
		"ratelimit_service_total_requests ShouldRateLimit":             11,
		"ratelimit_service_should_rate_limit_error redis_error":        0,
	} {
		if n, ok := got[series]; !ok || n != want {
			t.Errorf("%s is %v, not %v; all: %v", series, n, want, got)
		}
	}
}

// gathered are all counters by name and labels.
func gathered(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			all[name] = m.GetCounter().GetValue()
		}
	}
	return all
}

func TestValuesOfRequestsMakeNoMoreSeriesThanThereMayBe(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	c := NewCompat(reg, 0.8)
	for i := range maxRuleSeries + 50 {
		c.rule(ruleSeries{"d", fmt.Sprint("v", i), "", ""}, 1, limit.Result{Limit: 1, Allowed: true})
	}
	got := gathered(t, reg)
	if len(got) > 5*(maxRuleSeries+1)+2 {
		t.Errorf("%d series", len(got))
	}
	if n := got["ratelimit_service_rate_limit_total_hits other other other"]; n != 50 {
		t.Errorf("other has %v", n)
	}
}

func TestFilesOfOneDomainAreTakenTogetherWhereTold(t *testing.T) {
	t.Parallel()
	files := []File{
		{Name: "a.yaml", Data: []byte("domain: d\ndescriptors:\n- {key: a, rate_limit: {unit: day, requests_per_unit: 1}}\n")},
		{Name: "b.yaml", Data: []byte("domain: d\ndescriptors:\n- {key: b, value: 'x*', rate_limit: {unit: day, requests_per_unit: 2}}\n")},
	}
	if _, err := Parse(files); err == nil || !strings.Contains(err.Error(), "is also the domain of a.yaml") {
		t.Errorf("%v", err)
	}
	config, err := ParseMerged(files)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ key, value, want string }{{"a", "1", "1/DAY"}, {"b", "xyz", "2/DAY"}} {
		if got := text(config.Find("d", descriptor(c.key, c.value))); got != c.want {
			t.Errorf("%s: %q", c.key, got)
		}
	}
	if _, err := ParseMerged(append(files, files[0])); err == nil || !strings.Contains(err.Error(), `repeat "a" of a.yaml`) {
		t.Errorf("%v", err)
	}
}
