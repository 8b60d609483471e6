package datamap

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Period is a time by the calendar. The zero Period is none.
type Period struct {
	Years, Months, Days int
}

// maxPeriod bounds each part of a period.
const maxPeriod = 10_000

// ParsePeriod reads "10y", "6mo", "2w", "90d", and several in this order:
// "1y6mo".
func ParsePeriod(text string) (p Period, err error) {
	rest, units := text, []string{"y", "mo", "w", "d"}
	for rest != "" {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, err := strconv.Atoi(rest[:digits])
		if err != nil || n > maxPeriod {
			return Period{}, errors.New("is not a period")
		}
		rest = rest[digits:]
		unit := rest[:len(rest)-len(strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyz"))]
		rest = rest[len(unit):]
		for len(units) > 0 && units[0] != unit {
			units = units[1:]
		}
		if len(units) == 0 {
			return Period{}, errors.New("is not a period")
		}
		units = units[1:]
		switch unit {
		case "y":
			p.Years = n
		case "mo":
			p.Months = n
		case "w":
			p.Days = 7 * n
		default:
			p.Days += n
		}
	}
	if p.IsZero() {
		return Period{}, errors.New("is no time at all")
	}
	return p, nil
}

// IsZero says whether there is none.
func (p Period) IsZero() bool { return p == Period{} }

// After is the end of the period that begins at t.
func (p Period) After(t time.Time) time.Time { return t.AddDate(p.Years, p.Months, p.Days) }

// Exact is the period as a duration, if it has only days.
func (p Period) Exact() (time.Duration, bool) {
	return time.Duration(p.Days) * 24 * time.Hour, p.Years == 0 && p.Months == 0
}

// String is how it is told to people: "1 year 6 months".
func (p Period) String() string {
	var parts []string
	for _, part := range []struct {
		n    int
		unit string
	}{{p.Years, "year"}, {p.Months, "month"}, {p.Days, "day"}} {
		switch {
		case part.n == 1:
			parts = append(parts, "1 "+part.unit)
		case part.n > 1:
			parts = append(parts, fmt.Sprintf("%d %ss", part.n, part.unit))
		}
	}
	return strings.Join(parts, " ")
}
