package posture

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
)

// limited asks a limited route and notes its RateLimit fields.
func (p *probe) limited(ctx context.Context, t *trial, base string, route Route, header map[string]string) (answered, bool) {
	a, err := p.send(ctx, request{base: base, route: route, header: header})
	if err != nil {
		t.unknown("%s%s: %v", base, route.Path, err)
		return a, false
	}
	for _, name := range []string{"RateLimit-Policy", "RateLimit"} {
		value := t.field(base, route, a, name)
		t.want(value != "", "%s is missing", name)
	}
	return a, true
}

func limitFields(ctx context.Context, p *probe, t *trial) {
	if !p.target.Routes.ByIP.Known() {
		t.fail("no route is limited by address")
		return
	}
	a, ok := p.limited(ctx, t, p.open(), p.target.Routes.ByIP, nil)
	if ok && a.status == 429 {
		t.field(p.open(), p.target.Routes.ByIP, a, "Retry-After")
		t.want(a.header.Get("Retry-After") != "", "a refusal does not say when to come again")
	}
}

var remainingIn = regexp.MustCompile(`;r=(\d+)`)

// remaining is what is left of the first limit of a RateLimit field.
func remaining(field string) (int, bool) {
	m := remainingIn.FindStringSubmatch(field)
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	return n, err == nil
}

// countedInRedis looks for the counter and for its effect.
func countedInRedis(ctx context.Context, p *probe, t *trial) {
	if !p.target.Routes.ByIP.Known() {
		t.unknown("no route is limited by address")
		return
	}
	if !p.needsRedis(t) {
		return
	}
	var left [2]int
	for i := range left {
		a, ok := p.limited(ctx, t, p.open(), p.target.Routes.ByIP, nil)
		if !ok {
			return
		}
		if left[i], ok = remaining(a.header.Get("RateLimit")); !ok {
			return // told already
		}
	}
	// A window may end between the two, and others may ask as well.
	if left[1] >= left[0] && left[0] > 0 {
		t.unknown("the first request left %d, the next one %d: a window ended in between; ask again", left[0], left[1])
	}
	seen, _, err := p.scan(ctx, "gh:l:*", func(string) bool { return true })
	if err != nil {
		t.unknown("SCAN: %v", err)
		return
	}
	t.saw("SCAN gh:l:*", fmt.Sprintf("%d counters", seen), "Redis")
	t.want(seen > 0, "Redis has no counter: the limits are counted somewhere else")
}

func limitedByUser(ctx context.Context, p *probe, t *trial) {
	if !p.target.Routes.ByUser.Known() {
		t.absent("no route is limited by user")
		return
	}
	if c, ok := p.shared(ctx, t); ok {
		p.limited(ctx, t, p.site(), p.target.Routes.ByUser, bearer(c.token))
	}
}
