package limit

import (
	"testing"
	"time"
)

func TestFieldsAreRenderedAsTheDraftWritesThem(t *testing.T) {
	t.Parallel()
	open := Result{Name: "api", Limit: 100, Window: time.Minute, Allowed: true, Remaining: 99, Reset: 59100 * time.Millisecond}
	refused := Result{Name: "burst", Limit: 5, Window: 1500 * time.Millisecond, RetryAfter: 100 * time.Millisecond, Reset: 100 * time.Millisecond}
	longer := Result{Name: "day", Limit: 1, Window: 24 * time.Hour, RetryAfter: 61001 * time.Millisecond}
	shadow := Result{Name: "shadow", Limit: 1, Window: time.Minute, Shadow: true, RetryAfter: time.Hour}
	for _, test := range []struct {
		name                 string
		results              []Result
		policy, state, retry string
	}{
		{"nothing gives no field", nil, "", "", ""},
		{"an open limit", []Result{open}, `"api";q=100;w=60`, `"api";r=99;t=60`, ""},
		{"a window of no whole seconds is left out", []Result{refused}, `"burst";q=5`, `"burst";r=0;t=1`, "1"},
		{"several limits are a list, the longest wait counts", []Result{open, refused, longer},
			`"api";q=100;w=60, "burst";q=5, "day";q=1;w=86400`, `"api";r=99;t=60, "burst";r=0;t=1, "day";r=0;t=0`, "62"},
		{"a shadow is not shown", []Result{shadow}, "", "", ""},
		{"a wait of nothing is still a second", []Result{{Name: "x"}}, `"x";q=0`, `"x";r=0;t=0`, "1"},
		{"a name is a structured string", []Result{{Name: "a\"b\\c\r\né", Allowed: true}}, `"a\"b\\c____";q=0`, `"a\"b\\c____";r=0;t=0`, ""},
		{"a number beyond sf-integer is cut", []Result{{Name: "x", Allowed: true, Limit: 1 << 62, Remaining: -1}},
			`"x";q=999999999999999`, `"x";r=0;t=0`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := PolicyField(test.results); got != test.policy {
				t.Errorf("%s: %s, want %s", PolicyHeader, got, test.policy)
			}
			if got := StateField(test.results); got != test.state {
				t.Errorf("%s: %s, want %s", StateHeader, got, test.state)
			}
			if got := RetryAfter(test.results); got != test.retry {
				t.Errorf("%s: %q, want %q", RetryAfterHeader, got, test.retry)
			}
		})
	}
}
