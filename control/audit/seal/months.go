package seal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// monthKey is the name of the key for what is sealed at t without a subject. It
// is not the event's own time, which comes from outside: one from the year 9999
// would never expire.
func monthKey(t time.Time) string { return monthPrefix + t.UTC().Format(monthLayout) }

// monthEnd is the first instant after the month of a key.
func monthEnd(name string) (time.Time, bool) {
	text, ok := strings.CutPrefix(name, monthPrefix)
	if !ok {
		return time.Time{}, false
	}
	begin, err := time.Parse(monthLayout, text)
	return begin.AddDate(0, 1, 0), err == nil
}

// Expire destroys the keys of the months whose retention is over at now, and
// returns their names ("m:2026-11"); it is counted from the month's end, and 0
// means DefaultRetention. It goes on after a failure with the other
// months; what failed is done by the next call.
func (k *Keyring) Expire(ctx context.Context, now time.Time, retention time.Duration) (expired []string, err error) {
	names, err := k.store.LiveSubjectKeys(ctx, monthPrefix)
	if err != nil {
		return nil, fmt.Errorf("look for months whose retention is over: %w", err)
	}
	var errs []error
	for _, name := range names {
		end, ok := monthEnd(name)
		if !ok || now.Before(end.Add(cmp.Or(retention, DefaultRetention))) {
			continue
		}
		if err := k.destroy(ctx, name); err != nil {
			errs = append(errs, err)
			continue
		}
		expired = append(expired, name)
	}
	return expired, errors.Join(errs...)
}
