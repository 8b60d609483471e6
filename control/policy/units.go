package policy

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// rate is so many requests in a window, or in a calendar's period.
type rate struct {
	requests int64
	window   time.Duration
	period   string // day or month
}

// parseRate reads "100/60s", "10/s", "1000/1h", "1000/day" and "20000/month".
func parseRate(s string) (rate, error) {
	count, window, ok := strings.Cut(s, "/")
	if !ok {
		return rate{}, fmt.Errorf("has no window")
	}
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil || n < 1 {
		return rate{}, fmt.Errorf("does not begin with a positive whole number")
	}
	if window == "day" || window == "month" {
		return rate{requests: n, period: window}, nil
	}
	if window != "" && (window[0] < '0' || window[0] > '9') {
		window = "1" + window
	}
	w, err := parseDuration(window)
	if err != nil {
		return rate{}, fmt.Errorf("the window %w", err)
	}
	if w < time.Millisecond {
		return rate{}, fmt.Errorf("the window is shorter than a millisecond")
	}
	return rate{requests: n, window: w}, nil
}

// Rate is so many requests in a window, or in a calendar's Period: "day" or "month".
type Rate struct {
	Requests int64
	Window   time.Duration
	Period   string
}

// ParseRate reads a rate as limits have it in gatehouse.yaml.
func ParseRate(s string) (Rate, error) {
	r, err := parseRate(s)
	if err != nil {
		return Rate{}, fmt.Errorf("%.40q %w: write requests/window, such as 100/60s", s, err)
	}
	return Rate{r.requests, r.window, r.period}, nil
}

// parseDuration reads Go's durations, and "d" for days of 24 hours.
func parseDuration(s string) (time.Duration, error) {
	if days, rest, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseInt(days, 10, 64)
		if err != nil || n < 0 || n > 100_000 {
			return 0, fmt.Errorf("is not a duration")
		}
		d := time.Duration(n) * 24 * time.Hour
		if rest == "" {
			return d, nil
		}
		more, err := parseDuration(rest)
		if err != nil || more > math.MaxInt64-d {
			return 0, fmt.Errorf("is not a duration")
		}
		return d + more, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("is not a duration")
	}
	if d <= 0 {
		return 0, fmt.Errorf("is not positive")
	}
	return d, nil
}

// parseSize reads a number of bytes: "20MiB" (powers of 1024), "1MB" (powers of
// 1000), "512B" or "512".
func parseSize(s string) (int64, error) {
	digits := strings.TrimRightFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	unit, ok := sizeUnit(strings.TrimSpace(s[len(digits):]))
	if !ok {
		return 0, fmt.Errorf("has no unit of size")
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case err != nil:
		return 0, fmt.Errorf("does not begin with a whole number")
	case n < 1:
		return 0, fmt.Errorf("is not positive")
	case n > math.MaxInt64/unit:
		return 0, fmt.Errorf("is too large")
	}
	return n * unit, nil
}

func sizeUnit(unit string) (int64, bool) {
	switch unit {
	case "", "B":
		return 1, true
	case "kB", "KB":
		return 1000, true
	case "MB":
		return 1000 * 1000, true
	case "GB":
		return 1000 * 1000 * 1000, true
	case "KiB":
		return 1 << 10, true
	case "MiB":
		return 1 << 20, true
	case "GiB":
		return 1 << 30, true
	}
	return 0, false
}
