package privacy

import (
	"testing"
	"time"
)

func TestADeadlineIsTheSameDayOfALaterMonth(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, received, want string
		months               int
		in                   *time.Location
	}{
		{"a plain month", "2026-03-10T09:00:00Z", "2026-04-10T23:59:59Z", 1, time.UTC},
		{"a month without that day ends with its last", "2026-01-31T09:00:00Z", "2026-02-28T23:59:59Z", 1, time.UTC},
		{"in a leap year", "2028-01-31T09:00:00Z", "2028-02-29T23:59:59Z", 1, time.UTC},
		{"from a short month to a long one", "2026-02-28T09:00:00Z", "2026-03-28T23:59:59Z", 1, time.UTC},
		{"over the year's end", "2026-12-31T23:59:59Z", "2027-01-31T23:59:59Z", 1, time.UTC},
		{"three months, as extended", "2026-11-30T00:00:00Z", "2027-02-28T23:59:59Z", 3, time.UTC},
		{"the day is the controller's, not UTC's", "2026-03-09T23:30:00Z", "2026-04-10T21:59:59Z", 1, berlin},
		{"over the change to summer time", "2026-03-15T09:00:00Z", "2026-04-15T21:59:59Z", 1, berlin},
	} {
		if got := deadline(at(t, test.received), test.months, test.in).Format(time.RFC3339); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func TestTheLastDayOfWorkIsNeverAfterTheDeadline(t *testing.T) {
	t.Parallel()
	for due, want := range map[string]string{
		"2026-04-10T23:59:59Z": "2026-04-10T23:59:59Z", // a Friday
		"2026-04-11T23:59:59Z": "2026-04-10T23:59:59Z",
		"2026-04-12T23:59:59Z": "2026-04-10T23:59:59Z",
		"2026-04-13T23:59:59Z": "2026-04-13T23:59:59Z",
	} {
		if got := workBy(at(t, due), time.UTC).Format(time.RFC3339); got != want {
			t.Errorf("%s: %s, want %s", due, got, want)
		}
	}
}

func TestADeadlineIsWithinTheMonthWhateverTheDay(t *testing.T) {
	t.Parallel()
	for day := at(t, "2027-01-01T12:00:00Z"); day.Year() < 2029; day = day.AddDate(0, 0, 1) {
		for _, months := range []int{firstMonths, extendMonths} {
			due := deadline(day, months, time.UTC)
			if want := (int(day.Month())+months-1)%12 + 1; int(due.Month()) != want {
				t.Fatalf("%s + %d months is %s", day, months, due)
			}
			if due.Day() != day.Day() && due.AddDate(0, 0, 1).Day() != 1 {
				t.Fatalf("%s + %d months is %s", day, months, due)
			}
		}
	}
}

func at(t testing.TB, text string) time.Time {
	t.Helper()
	found, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return found
}
