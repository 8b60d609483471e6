package policy

import (
	"testing"
	"time"
)

func TestRates(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]rate{
		"100/60s": {100, time.Minute, ""}, "10/s": {10, time.Second, ""}, "1000/1h": {1000, time.Hour, ""},
		"5/m": {5, time.Minute, ""}, "7/d": {7, 24 * time.Hour, ""}, "1/1h30m": {1, 90 * time.Minute, ""}, "3/250ms": {3, 250 * time.Millisecond, ""},
		"1000/day": {1000, 0, "day"}, "20000/month": {20000, 0, "month"},
	} {
		if got, err := parseRate(text); err != nil || got != want {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
	for _, text := range []string{"", "/", "100", "100/", "/s", "0/s", "-1/s", "1.5/s", "1/0s", "1/-1s", "1/1us", "1/x", "9999999999999999999/s", "1/2/s", "1/2day", "1/week", "1/Day", "0/day"} {
		if got, err := parseRate(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

func TestDurations(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"30m": 30 * time.Minute, "1d": 24 * time.Hour, "1d12h": 36 * time.Hour, "90s": 90 * time.Second, "1.5h": 90 * time.Minute,
	} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
	for _, text := range []string{"", "30", "0s", "-1s", "d", "1w", "1 h", "-1d", "1d-1h", "106751d25h", "99999999999d"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"20MiB": 20 << 20, "1MB": 1_000_000, "512": 512, "512B": 512, "1 GiB": 1 << 30, "2KB": 2000, "2kB": 2000, "1KiB": 1024, "1GB": 1e9,
	} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%s: %d %v", text, got, err)
		}
	}
	for _, text := range []string{"", "MiB", "0", "-1", "1.5MiB", "1mib", "1TB", "9223372036854775807KiB", "99999999999999999999"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q is read as %d", text, got)
		}
	}
}

func TestSuggestionsNameTheNearestWordOrAll(t *testing.T) {
	t.Parallel()
	known := []string{"headers", "cors", "session", "limits", "uploads"}
	for word, want := range map[string]string{
		"header": "did you mean headers?", "Cors": "did you mean cors?", "sesion": "did you mean session?",
		"limtis": "did you mean limits?", "upload": "did you mean uploads?",
		"rate_limiting": "write one of cors, headers, limits, session, uploads",
	} {
		if got := suggest(word, known, "key"); got != want {
			t.Errorf("%s: %s", word, got)
		}
	}
	if got := suggest("x", nil, "policy"); got != "there is no policy here" {
		t.Error(got)
	}
}

func TestEditDistance(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "axc", 1}, {"abc", "abcd", 1}, {"kitten", "sitting", 3}} {
		if got := editDistance(tc.a, tc.b); got != tc.want || editDistance(tc.b, tc.a) != tc.want {
			t.Errorf("%s, %s: %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}
