package limit

import (
	"crypto/rand"
	"errors"
	"fmt"
	"time"
	_ "time/tzdata" // a container without the database must not refuse a valid zone
)

// Period is what a Quota is for.
type Period string

// The periods.
const (
	Daily   Period = "day"
	Monthly Period = "month"
)

// ErrPeriod is in the chain of an error that says that a period or its time zone is
// not known.
var ErrPeriod = errors.New("impossible period")

// Calendar is a period as it is in a place: from midnight to midnight, on the clocks
// there. A day on which they are changed has 23 or 25 hours. The zero value is none.
type Calendar struct {
	Period Period
	// Zone is the place; nil means UTC.
	Zone *time.Location
}

// NewCalendar reads a period and the name of a time zone (IANA's, such as
// Europe/Berlin; empty is UTC). "Local" is none: it would not be the same for all
// replicas. The error is ErrPeriod.
func NewCalendar(period, zone string) (Calendar, error) {
	c := Calendar{Period: Period(period)}
	if c.Period != Daily && c.Period != Monthly {
		return Calendar{}, fmt.Errorf("%w: %.40q: write day or month", ErrPeriod, period)
	}
	if zone == "Local" {
		return Calendar{}, fmt.Errorf("%w: time zone %q is another on each machine: name the place", ErrPeriod, zone)
	}
	var err error
	if c.Zone, err = time.LoadLocation(zone); err != nil {
		return Calendar{}, fmt.Errorf("%w: time zone %.40q: write a name such as Europe/Berlin", ErrPeriod, zone)
	}
	return c, nil
}

// Bounds are the first instant of the period that now is in, and the first after it.
func (c Calendar) Bounds(now time.Time) (begins, ends time.Time) {
	zone := c.Zone
	if zone == nil {
		zone = time.UTC
	}
	year, month, day := now.In(zone).Date()
	if c.Period == Monthly {
		return midnight(year, month, 1, zone), midnight(year, month+1, 1, zone)
	}
	return midnight(year, month, day, zone), midnight(year, month, day+1, zone)
}

// midnight is the first instant of a date: where clocks are put forward at midnight, it
// is one o'clock.
func midnight(year int, month time.Month, day int, zone *time.Location) time.Time {
	t := time.Date(year, month, day, 0, 0, 0, 0, zone)
	// In the gap Date may give an instant of the day before.
	if want := time.Date(year, month, day, 12, 0, 0, 0, zone).Day(); t.Day() != want {
		_, end := t.ZoneBounds()
		return end
	}
	return t
}

// prepared gives quotas the period that now is in, and the places of concurrency their
// names; others are as they were.
func prepared(requests []Request, now func() time.Time) []Request {
	out, at := requests, time.Time{}
	for i := range requests {
		algorithm := requests[i].Spec.algorithm()
		if algorithm != Quota && algorithm != Concurrency {
			continue
		}
		if at.IsZero() {
			out, at = append([]Request(nil), requests...), now()
		}
		if algorithm == Concurrency {
			out[i].id = rand.Text()
			continue
		}
		begins, ends := out[i].Spec.Calendar.Bounds(at)
		out[i].Spec.Window, out[i].Spec.ends = ends.Sub(begins), ends.UnixMicro()
	}
	return out
}

// Prepare is what the script is asked for the requests, for who makes a larger one of it:
// with the periods of quotas, and the names of the places that Concurrency takes.
func (l *Limiter) Prepare(requests []Request) []Request { return prepared(requests, wallClock(l.now)) }

func wallClock(now func() time.Time) func() time.Time {
	if now == nil {
		return time.Now
	}
	return now
}
