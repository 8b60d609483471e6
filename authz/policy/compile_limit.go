package policy

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"gatehouse/authz/limit"
)

func (c *compiler) limits(where string, configs []Limit) []CompiledLimit {
	var limits []CompiledLimit
	scopes, names := map[string]bool{}, map[string]int{}
	for i, config := range configs {
		at := fmt.Sprintf("%s.limits[%d]", where, i)
		compiled, off := c.limit(at, config)
		if scopes[compiled.Scope] {
			c.found.add(at, "repeats a limit", "remove one, or give it another name")
		}
		scopes[compiled.Scope] = true
		if !off {
			limits = append(limits, compiled)
			names[compiled.Spec.Name]++
		}
	}
	for i := range limits {
		if name := limits[i].Spec.Name; names[name] > 1 {
			limits[i].Spec.Name = name + "-" + limits[i].by("-")
		}
	}
	return limits
}

func (c *compiler) limit(where string, config Limit) (CompiledLimit, bool) {
	c.text(where+".name", config.Name)
	compiled := CompiledLimit{
		OnRedisError: cmp.Or(config.OnRedisError, OnErrorDeny), Lease: limit.Auto,
		Spec: config.spec(),
	}
	var off bool
	compiled.Report, off = c.mode(where+".mode", config.Mode)
	c.by(where+".by", config.By, &compiled)
	c.rate(where, config, &compiled.Spec)
	if config.Lease != nil {
		compiled.Lease = *config.Lease
		c.lease(where+".lease", &compiled)
	}
	switch compiled.OnRedisError {
	case OnErrorDeny, OnErrorAllow, OnErrorLocal:
	default:
		c.found.add(where+".on_redis_error", fmt.Sprintf("is %.40q", compiled.OnRedisError), "write deny, allow or local")
	}
	compiled.Scope = compiled.scope()
	compiled.Key = limit.Key(compiled.Scope)
	return compiled, off
}

func (c *compiler) by(where string, by []string, limit *CompiledLimit) {
	if len(by) == 0 {
		c.found.add(where, "is empty", `write ["ip"], ["user"] or both`)
	}
	for _, part := range by {
		target := &limit.ByIP
		switch part {
		case "ip":
		case "user":
			target = &limit.ByUser
		default:
			c.found.add(where, fmt.Sprintf("has %.40q", part), "write ip or user")
			continue
		}
		if *target {
			c.found.add(where, "has "+part+" twice", "leave one")
		}
		*target = true
	}
}

func (c *compiler) rate(where string, config Limit, spec *limit.Spec) {
	if config.Requests < 1 || config.Requests > maxRequests {
		c.found.add(where+".requests", fmt.Sprintf("is %d", config.Requests), fmt.Sprintf("write 1 to %d", maxRequests))
	}
	if config.Burst < 0 || config.Burst > maxRequests {
		c.found.add(where+".burst", fmt.Sprintf("is %d", config.Burst), fmt.Sprintf("write 1 to %d", maxRequests))
	}
	if spec.Algorithm == limit.GCRA {
		spec.Burst = cmp.Or(config.Burst, config.Requests)
	} else if config.Burst != 0 {
		c.found.add(where+".burst", "is set, and only gcra has bursts", "remove it, or write algorithm gcra")
	}
	if spec.Algorithm == limit.Quota {
		c.quota(where, config, spec)
		return
	}
	if config.Period != "" {
		c.found.add(where+".period", fmt.Sprintf("is a calendar's %.40s, which only a quota is for", config.Period),
			"write algorithm quota, or a window such as 24h")
	} else if config.WindowMillis < 1 || config.WindowMillis > maxWindow.Milliseconds() {
		c.found.add(where+".window_ms", fmt.Sprintf("is %d", config.WindowMillis),
			fmt.Sprintf("write 1 to %d milliseconds", maxWindow.Milliseconds()))
	}
	if config.TimeZone != "" {
		c.found.add(where+".time_zone", "is set, and only a quota has a calendar", "remove it, or write algorithm quota")
	}
	c.remembers(where, config.Requests, spec.Algorithm)
}

// remembers looks at algorithms that keep something of each request.
func (c *compiler) remembers(where string, requests int64, algorithm limit.Algorithm) {
	switch algorithm {
	case limit.SlidingWindow:
		if requests > maxLogged {
			c.found.add(where+".requests", fmt.Sprintf("is %d, and sliding_window remembers each request", requests),
				fmt.Sprintf("write at most %d, or choose two_bucket, fixed_window or gcra", maxLogged))
		}
	case limit.Concurrency:
		if requests > limit.MaxHeld {
			c.found.add(where+".requests", fmt.Sprintf("is %d, and concurrency remembers each request", requests),
				fmt.Sprintf("write at most %d", limit.MaxHeld))
		}
	case limit.FixedWindow, limit.TwoBucket, limit.GCRA:
	default:
		c.found.add(where+".algorithm", fmt.Sprintf("is %.40q", algorithm),
			"write sliding_window, fixed_window, gcra, two_bucket, quota or concurrency")
	}
}

// quota has a calendar instead of a window.
func (c *compiler) quota(where string, config Limit, spec *limit.Spec) {
	if config.WindowMillis != 0 {
		c.found.add(where+".window_ms", "is a window, and a quota is for a calendar's day or month",
			"write the rate for a day or a month, such as 1000/day")
		return
	}
	spec.Window = 0
	if p := limit.Period(config.Period); p != limit.Daily && p != limit.Monthly {
		c.found.add(where+".period", fmt.Sprintf("is %.40q", config.Period), "write day or month")
		return
	}
	calendar, err := limit.NewCalendar(config.Period, config.TimeZone)
	if err != nil {
		c.found.add(where+".time_zone", fmt.Sprintf("is %.40q", config.TimeZone), "write a name of the time zone database, such as Europe/Berlin")
		return
	}
	spec.Calendar = calendar
}

// spec is what the limit counts, without the calendar of a quota.
func (l Limit) spec() limit.Spec {
	return limit.Spec{
		Name: l.Name, Algorithm: limit.Algorithm(cmp.Or(l.Algorithm, SlidingWindow)), Requests: l.Requests, Burst: l.Burst,
		Window: time.Duration(l.WindowMillis) * time.Millisecond,
	}
}

// Ahead says how replicas count a limit that is valid.
type Ahead struct {
	// Hits of a hot counter that each replica counts ahead: 0 asks Redis about each
	// request, and limit.Auto takes as many as it needs.
	Hits int64
	// Default: the limit does not say.
	Default bool
	// Why it is 0 by default.
	Why string
}

// Ahead is what Lease comes to.
func (l Limit) Ahead() Ahead {
	if l.Lease != nil {
		return Ahead{Hits: *l.Lease}
	}
	auto := limit.Request{Spec: l.spec(), Lease: limit.Auto}
	one := limit.Request{Spec: l.spec(), Lease: 1}
	switch {
	case auto.Leasable():
		return Ahead{Hits: limit.Auto, Default: true}
	case one.Leasable():
		return Ahead{Default: true, Why: "of so small a limit each request counts"}
	case l.Algorithm == Quota || l.Algorithm == Concurrency:
		return Ahead{Default: true, Why: fmt.Sprintf("%s is never counted ahead", l.Algorithm)}
	default:
		return Ahead{Default: true, Why: "its window, or the time in which it fills up, is below a second"}
	}
}

// lease looks at one that is told in numbers.
func (c *compiler) lease(where string, l *CompiledLimit) {
	most := max(l.Spec.Requests/4, 1)
	request := limit.Request{Spec: l.Spec, Lease: l.Lease}
	switch {
	case l.Lease == 0:
	case l.Lease < 0 || l.Lease > most:
		c.found.add(where, fmt.Sprintf("is %d", l.Lease),
			fmt.Sprintf("write 0 to %d, a quarter of the limit: it is what each replica may hold", most))
	case !request.Leasable():
		c.found.add(where, fmt.Sprintf("is %d, and %s of this kind is always counted in Redis", l.Lease, l.Spec.Algorithm),
			"remove it, or write an algorithm and a window of a second or more that counts ahead: sliding_window, gcra, two_bucket or fixed_window")
	}
}

func (l *CompiledLimit) by(separator string) string {
	var parts []string
	if l.ByIP {
		parts = append(parts, "ip")
	}
	if l.ByUser {
		parts = append(parts, "user")
	}
	return strings.Join(parts, separator)
}

func (l *CompiledLimit) scope() string {
	s := l.Spec
	scope := fmt.Sprintf("%s:%s:%.1s:%d:%d:%d", s.Name, l.by("-"), s.Algorithm, s.Requests, s.Window.Milliseconds(), s.Burst)
	if s.Algorithm == limit.Quota && s.Calendar.Zone != nil {
		scope += fmt.Sprintf(":%s:%s", s.Calendar.Period, s.Calendar.Zone)
	}
	return scope
}
