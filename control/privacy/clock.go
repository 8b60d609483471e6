package privacy

import "time"

// The periods of Art. 12(3).
const (
	firstMonths  = 1
	extendMonths = 3 // the first and two further ones
)

// deadline is the last second of a period of calendar months that begins with an
// event (Regulation 1182/71 Art. 3(1) and (2)(c)): the day of the same number, or
// the month's last where there is none. That a period which ends on a weekend or
// a holiday goes on to the next working day (Art. 3(4)) is not made use of:
// holidays differ, and who is early is never late.
func deadline(received time.Time, months int, in *time.Location) time.Time {
	year, month, day := received.In(in).Date()
	last := time.Date(year, month+time.Month(months)+1, 0, 0, 0, 0, 0, in).Day()
	return time.Date(year, month+time.Month(months), min(day, last), 23, 59, 59, 0, in).UTC()
}

// workBy is the last day of work on or before a deadline, at the same time of day.
func workBy(due time.Time, in *time.Location) time.Time {
	local := due.In(in)
	switch local.Weekday() {
	case time.Saturday:
		local = local.AddDate(0, 0, -1)
	case time.Sunday:
		local = local.AddDate(0, 0, -2)
	}
	return local.UTC()
}

// breachWithin is how long a controller has to notify the authority after having
// become aware (Art. 33(1)). Hours run through nights and weekends.
const breachWithin = 72 * time.Hour

// warnings are when somebody is told of a request's deadline; the last is that
// it has passed.
func warnings() []time.Duration {
	const day = 24 * time.Hour
	return []time.Duration{14 * day, 7 * day, day, 0}
}

// reminders are when somebody is told of a breach's clock, from awareness; the
// last is that it has run out.
func reminders() []time.Duration {
	return []time.Duration{24 * time.Hour, 48 * time.Hour, 66 * time.Hour, breachWithin}
}
