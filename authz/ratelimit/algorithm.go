package ratelimit

import (
	"fmt"
	"strings"

	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"github.com/goccy/go-yaml/ast"

	"gatehouse/authz/limit"
)

// How a rule counts: keys of rate_limit that envoyproxy/ratelimit does not have.
//
//	algorithm: fixed_window    as envoyproxy/ratelimit counts; it is the default
//	           sliding_window  an exact log of what was admitted
//	           two_bucket      the window before weighs by what is left of it
//	           gcra            with burst: how many at once after a rest
//	           quota           for a calendar's day or month, with time_zone
//	           concurrency     requests under way at once; unit is how long one may hold its place
type counting struct {
	algorithm limit.Algorithm
	burst     uint32
	zone      string
}

var algorithms = []limit.Algorithm{
	limit.FixedWindow, limit.SlidingWindow, limit.TwoBucket, limit.GCRA, limit.Quota, limit.Concurrency,
}

// counting reads one of the keys.
func (r *reader) counting(into *counting, name string, n ast.Node, where string) {
	switch name {
	case "algorithm":
		text := r.text(n, where)
		for _, a := range algorithms {
			if string(a) == text {
				into.algorithm = a
				return
			}
		}
		r.at(n, where, fmt.Sprintf("is %.40q", text), "write fixed_window, sliding_window, two_bucket, gcra, quota or concurrency")
	case "burst":
		if into.burst = r.count(n, where); into.burst == 0 {
			r.at(n, where, "is not a burst", "write how many requests pass at once after a rest, at least 1")
		}
	case "time_zone":
		if into.zone = r.text(n, where); into.zone == "" {
			r.at(n, where, "is empty", "write a name such as Europe/Berlin, or remove it for UTC")
		}
	}
}

// applies gives the rule its algorithm, and says which keys do not go together.
func (r *reader) applies(c counting, rule *Rule, n ast.Node, where string) {
	if c.algorithm == "" {
		c.algorithm = limit.FixedWindow
	} else if rule.Unlimited {
		r.at(n, where+".algorithm", "counts nothing for what is unlimited", "remove it, or unlimited")
	}
	rule.Algorithm, rule.Burst = c.algorithm, int64(c.burst)
	if c.burst != 0 && c.algorithm != limit.GCRA {
		r.at(n, where+".burst", "is for algorithm: gcra", "add that, or remove burst")
	}
	if c.zone != "" && c.algorithm != limit.Quota {
		r.at(n, where+".time_zone", "is for algorithm: quota", "add that, or remove time_zone")
	}
	if rule.Lease != 0 && c.algorithm != limit.FixedWindow {
		r.at(n, where+".lease", "is for fixed windows", "remove lease, or algorithm")
	}
	switch {
	case c.algorithm == limit.Quota:
		r.quota(c, rule, n, where)
	case c.algorithm == limit.SlidingWindow && rule.Requests > limit.MaxLogged:
		r.at(n, where+".requests_per_unit", "is more than sliding_window remembers", fmt.Sprintf("write at most %d, or algorithm: two_bucket", limit.MaxLogged))
	case c.algorithm == limit.Concurrency && rule.Requests > limit.MaxHeld:
		r.at(n, where+".requests_per_unit", "is more places than concurrency has", fmt.Sprintf("write at most %d", limit.MaxHeld))
	}
}

func (r *reader) quota(c counting, rule *Rule, n ast.Node, where string) {
	if rule.Unit != pb.RateLimitResponse_RateLimit_DAY && rule.Unit != pb.RateLimitResponse_RateLimit_MONTH {
		if !rule.Unlimited {
			r.at(n, where+".unit", "is not one that a quota is for", "write day or month")
		}
		return
	}
	calendar, err := limit.NewCalendar(strings.ToLower(rule.Unit.String()), c.zone)
	if err != nil {
		r.at(n, where+".time_zone", fmt.Sprintf("is %.40q", c.zone), "write a name of the time zone database, such as Europe/Berlin")
		return
	}
	rule.Calendar = calendar
}

// spec is the rule as it is counted.
func (r *Rule) spec() limit.Spec {
	algorithm := r.Algorithm
	if algorithm == "" {
		algorithm = limit.FixedWindow // a limit that the request brought along
	}
	return limit.Spec{
		Name: r.Name, Algorithm: algorithm, Requests: int64(r.Requests), Window: r.Window(), Burst: r.Burst, Calendar: r.Calendar,
	}
}
