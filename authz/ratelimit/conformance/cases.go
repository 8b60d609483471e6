package conformance

import "fmt"

// Cases are all cases.
func Cases() []Case {
	var all []Case
	all = append(all, units()...)
	for _, group := range [][]Case{matching, wildcards, sharing, hits, several, replacing, shadows, quotas, overrides, global, metadata} {
		all = append(all, group...)
	}
	return all
}

// units are the same for each unit, in small and in capital letters.
func units() []Case {
	var all []Case
	for _, unit := range []string{"second", "minute", "hour", "day", "week", "month", "year"} {
		ok := func(n int) string { return fmt.Sprintf("OK: ok %d of 2/%s [2 %d]", n, unit, n) }
		over := fmt.Sprintf("OVER_LIMIT: over 0 of 2/%s [2 0]", unit)
		all = append(all, Case{
			Name:        "two a " + unit + " are counted down and the third is over",
			Descriptors: fmt.Sprintf("[{key: k, rate_limit: {unit: %s, requests_per_unit: 2}}]", unit),
			Steps:       []Step{{"k=a", ok(1)}, {"k=a", ok(0)}, {"k=a", over}, {"k=a", over}, {"k=b", ok(1)}},
		})
	}
	for _, unit := range []string{"SECOND", "Minute", "HOUR", "Day", "WEEK", "Month", "YEAR"} {
		all = append(all, Case{
			Name:        "nothing is allowed a " + unit,
			Descriptors: fmt.Sprintf("[{key: k, rate_limit: {unit: %s, requests_per_unit: 0}}]", unit),
			Steps:       []Step{{"k=a", fmt.Sprintf("OVER_LIMIT: over 0 of 0/%s [0 0]", lower(unit))}},
		})
	}
	return all
}

func lower(s string) string {
	b := []byte(s)
	for i := range b {
		b[i] |= 0x20
	}
	return string(b)
}

const none = "OK: ok none"

var matching = []Case{
	{"an exact value goes before any value", Plain, `
- {key: a, rate_limit: {unit: day, requests_per_unit: 10}}
- {key: a, value: b, rate_limit: {unit: day, requests_per_unit: 5}}`, []Step{
		{"a=b", "OK: ok 4 of 5/day [5 4]"}, {"a=c", "OK: ok 9 of 10/day [10 9]"}, {"a=b", "OK: ok 3 of 5/day [5 3]"},
	}},
	{"an exact value goes before any value whatever the order", Plain, `
- {key: a, value: b, rate_limit: {unit: day, requests_per_unit: 5}}
- {key: a, rate_limit: {unit: day, requests_per_unit: 10}}`, []Step{
		{"a=b", "OK: ok 4 of 5/day [5 4]"}, {"a=c", "OK: ok 9 of 10/day [10 9]"},
	}},
	{"each value has its own counter", Plain, "[{key: a, rate_limit: {unit: day, requests_per_unit: 1}}]", []Step{
		{"a=1", "OK: ok 0 of 1/day [1 0]"}, {"a=2", "OK: ok 0 of 1/day [1 0]"}, {"a=1", "OVER_LIMIT: over 0 of 1/day [1 0]"},
	}},
	{"an empty value is a value", Plain, "[{key: a, rate_limit: {unit: day, requests_per_unit: 1}}]", []Step{
		{"a", "OK: ok 0 of 1/day [1 0]"}, {"a", "OVER_LIMIT: over 0 of 1/day [1 0]"}, {"a=x", "OK: ok 0 of 1/day [1 0]"},
	}},
	{"an unknown key has no limit", Plain, "[{key: a, rate_limit: {unit: day, requests_per_unit: 1}}]", []Step{{"b=1", none}, {"b=1", none}}},
	{"keys are told apart by case", Plain, "[{key: a, rate_limit: {unit: day, requests_per_unit: 1}}]", []Step{{"A=1", none}}},
	{"values are told apart by case", Plain, "[{key: a, value: x, rate_limit: {unit: day, requests_per_unit: 1}}]", []Step{{"a=X", none}}},
	{"another value than the only one has no limit", Plain, "[{key: a, value: x, rate_limit: {unit: day, requests_per_unit: 1}}]", []Step{{"a=y", none}}},
	{"a descriptor without a limit allows all", Plain, "[{key: a, value: x}, {key: a, rate_limit: {unit: day, requests_per_unit: 1}}]", []Step{
		{"a=x", none}, {"a=x", none}, {"a=y", "OK: ok 0 of 1/day [1 0]"},
	}},
	{"a parent's limit does not apply to more entries", Plain, "[{key: a, rate_limit: {unit: day, requests_per_unit: 1}}]", []Step{{"a=1, b=2", none}}},
	{"a child's limit does not apply to fewer entries", Plain, `
- key: a
  descriptors: [{key: b, rate_limit: {unit: day, requests_per_unit: 1}}]`, []Step{
		{"a=1", none}, {"a=1, b=2", "OK: ok 0 of 1/day [1 0]"}, {"b=2", none}, {"b=2, a=1", none},
	}},
	{"a parent and its child have limits of their own", Plain, `
- key: a
  rate_limit: {unit: day, requests_per_unit: 9}
  descriptors: [{key: b, rate_limit: {unit: day, requests_per_unit: 2}}]`, []Step{
		{"a=1", "OK: ok 8 of 9/day [9 8]"}, {"a=1, b=2", "OK: ok 1 of 2/day [2 1]"}, {"a=1", "OK: ok 7 of 9/day [9 7]"},
	}},
	{"counters of nested limits are by all values", Plain, `
- key: a
  descriptors: [{key: b, rate_limit: {unit: day, requests_per_unit: 2}}]`, []Step{
		{"a=1, b=1", "OK: ok 1 of 2/day [2 1]"}, {"a=2, b=1", "OK: ok 1 of 2/day [2 1]"}, {"a=1, b=1", "OK: ok 0 of 2/day [2 0]"},
	}},
	{"the exact value of a level hides its default, also without what comes below", Plain, `
- {key: a, value: x}
- key: a
  descriptors: [{key: b, rate_limit: {unit: day, requests_per_unit: 2}}]`, []Step{
		{"a=x, b=1", none}, {"a=y, b=1", "OK: ok 1 of 2/day [2 1]"},
	}},
	{"five levels", Plain, `
- key: a
  descriptors:
  - key: b
    descriptors:
    - key: c
      descriptors:
      - key: d
        descriptors: [{key: e, rate_limit: {unit: day, requests_per_unit: 2}}]`, []Step{
		{"a=1, b=2, c=3, d=4, e=5", "OK: ok 1 of 2/day [2 1]"}, {"a=1, b=2, c=3, d=4", none},
	}},
	{"the same key on two levels", Plain, `
- key: a
  descriptors: [{key: a, rate_limit: {unit: day, requests_per_unit: 2}}]`, []Step{{"a=1, a=1", "OK: ok 1 of 2/day [2 1]"}, {"a=1", none}}},
	{"key and value are joined by an underscore", Plain, "[{key: a, value: b, rate_limit: {unit: day, requests_per_unit: 2}}]", []Step{
		{"a_b=", "OK: ok 1 of 2/day [2 1]"}, {"a_b=c", "OK: ok 1 of 2/day [2 1]"},
	}},
	{"a value that is a number", Plain, "[{key: status, value: 404, rate_limit: {unit: day, requests_per_unit: 2}}]", []Step{{"status=404", "OK: ok 1 of 2/day [2 1]"}}},
	{"a value with spaces and slashes", Plain, `[{key: path, value: "/a b/c", rate_limit: {unit: day, requests_per_unit: 2}}]`, []Step{{"path=/a b/c", "OK: ok 1 of 2/day [2 1]"}}},
	{"an unlimited descriptor", Plain, "[{key: a, rate_limit: {unlimited: true}}]", []Step{{"a=1", "OK: ok unlimited"}, {"a=1 +1000", "OK: ok unlimited"}}},
	{"an unlimited value beside a limited key", Plain, `
- {key: a, value: vip, rate_limit: {unlimited: true}}
- {key: a, rate_limit: {unit: day, requests_per_unit: 1}}`, []Step{{"a=vip", "OK: ok unlimited"}, {"a=x", "OK: ok 0 of 1/day [1 0]"}}},
	{"a limit with a name", Plain, "[{key: a, rate_limit: {name: n, unit: day, requests_per_unit: 1}}]", []Step{{"a=1", "OK: ok 0 of 1/day n [1 0]"}}},
	{"the largest limit", Plain, "[{key: a, rate_limit: {unit: day, requests_per_unit: 4294967295}}]", []Step{{"a=1", "OK: ok 4294967294 of 4294967295/day [4294967295 4294967294]"}}},
	{"no descriptors are configured", Plain, "[]", []Step{{"a=1", none}}},
	{"no descriptor is asked for", Plain, "[{key: a, rate_limit: {unit: day, requests_per_unit: 1}}]", []Step{{"", "error"}}},
	{"detailed_metric changes no verdict", Plain, "[{key: a, detailed_metric: true, rate_limit: {unit: day, requests_per_unit: 1}}]", []Step{
		{"a=1", "OK: ok 0 of 1/day [1 0]"}, {"a=1", "OVER_LIMIT: over 0 of 1/day [1 0]"}, {"a=2", "OK: ok 0 of 1/day [1 0]"},
	}},
	{"value_to_metric changes no verdict", Plain, `
- key: a
  value_to_metric: true
  descriptors: [{key: b, value_to_metric: true, rate_limit: {unit: day, requests_per_unit: 1}}]`, []Step{
		{"a=1, b=1", "OK: ok 0 of 1/day [1 0]"}, {"a=1, b=1", "OVER_LIMIT: over 0 of 1/day [1 0]"}, {"a=1, b=2", "OK: ok 0 of 1/day [1 0]"},
	}},
}

var wildcards = []Case{
	{"a star at the end, with a counter for each value", Plain, `[{key: a, value: "x*", rate_limit: {unit: day, requests_per_unit: 1}}]`, []Step{
		{"a=x1", "OK: ok 0 of 1/day [1 0]"}, {"a=x2", "OK: ok 0 of 1/day [1 0]"}, {"a=x1", "OVER_LIMIT: over 0 of 1/day [1 0]"}, {"a=y", none},
	}},
	{"a star stands for nothing too", Plain, `[{key: a, value: "x*", rate_limit: {unit: day, requests_per_unit: 1}}]`, []Step{{"a=x", "OK: ok 0 of 1/day [1 0]"}}},
	{"a star in the middle", Plain, `[{key: p, value: "/api/*/action", rate_limit: {unit: day, requests_per_unit: 1}}]`, []Step{
		{"p=/api/1/action", "OK: ok 0 of 1/day [1 0]"}, {"p=/api/1/other", none}, {"p=/api/action", none}, {"p=/api//action", "OK: ok 0 of 1/day [1 0]"},
	}},
	{"two stars", Plain, `[{key: p, value: "/a/*/b/*/c", rate_limit: {unit: day, requests_per_unit: 1}}]`, []Step{
		{"p=/a/1/b/2/c", "OK: ok 0 of 1/day [1 0]"}, {"p=/a/1/2/c", none}, {"p=/a/1/b/c", none},
	}},
	{"a star at the start", Plain, `[{key: p, value: "*.css", rate_limit: {unit: day, requests_per_unit: 1}}]`, []Step{{"p=a.css", "OK: ok 0 of 1/day [1 0]"}, {"p=a.js", none}}},
	{"a star alone", Plain, `[{key: p, value: "*", rate_limit: {unit: day, requests_per_unit: 1}}]`, []Step{{"p=a", "OK: ok 0 of 1/day [1 0]"}, {"p", "OK: ok 0 of 1/day [1 0]"}}},
	{"an exact value goes before a star", Plain, `
- {key: a, value: "x*", rate_limit: {unit: day, requests_per_unit: 9}}
- {key: a, value: x1, rate_limit: {unit: day, requests_per_unit: 2}}`, []Step{{"a=x1", "OK: ok 1 of 2/day [2 1]"}, {"a=x2", "OK: ok 8 of 9/day [9 8]"}}},
	{"a star goes before any value", Plain, `
- {key: a, rate_limit: {unit: day, requests_per_unit: 9}}
- {key: a, value: "x*", rate_limit: {unit: day, requests_per_unit: 2}}`, []Step{{"a=x1", "OK: ok 1 of 2/day [2 1]"}, {"a=y", "OK: ok 8 of 9/day [9 8]"}}},
	{"the first star that matches", Plain, `
- {key: a, value: "x*", rate_limit: {unit: day, requests_per_unit: 2}}
- {key: a, value: "xy*", rate_limit: {unit: day, requests_per_unit: 9}}`, []Step{{"a=xyz", "OK: ok 1 of 2/day [2 1]"}}},
	{"a star above a nested limit", Plain, `
- key: a
  value: "x*"
  descriptors: [{key: b, rate_limit: {unit: day, requests_per_unit: 1}}]`, []Step{
		{"a=x1, b=1", "OK: ok 0 of 1/day [1 0]"}, {"a=x2, b=1", "OK: ok 0 of 1/day [1 0]"}, {"a=y, b=1", none},
	}},
	{"a star on both levels", Plain, `
- key: a
  value: "x*"
  descriptors: [{key: b, value: "y*", rate_limit: {unit: day, requests_per_unit: 1}}]`, []Step{{"a=x1, b=y1", "OK: ok 0 of 1/day [1 0]"}, {"a=x1, b=z", none}}},
	{"an unlimited star", Plain, `
- {key: a, value: "x*", rate_limit: {unlimited: true}}
- {key: a, rate_limit: {unit: day, requests_per_unit: 1}}`, []Step{{"a=x1", "OK: ok unlimited"}, {"a=y", "OK: ok 0 of 1/day [1 0]"}}},
}

var sharing = []Case{
	{"all values of a star share a counter", Plain, `[{key: a, value: "x*", share_threshold: true, rate_limit: {unit: day, requests_per_unit: 2}}]`, []Step{
		{"a=x1", "OK: ok 1 of 2/day [2 1]"}, {"a=x2", "OK: ok 0 of 2/day [2 0]"}, {"a=x3", "OVER_LIMIT: over 0 of 2/day [2 0]"},
	}},
	{"a star in the middle is shared", Plain, `[{key: a, value: "x*y", share_threshold: true, rate_limit: {unit: day, requests_per_unit: 2}}]`, []Step{
		{"a=x1y", "OK: ok 1 of 2/day [2 1]"}, {"a=x2y", "OK: ok 0 of 2/day [2 0]"}, {"a=x3", none},
	}},
	{"an exact value has no share in the star's counter", Plain, `
- {key: a, value: "x*", share_threshold: true, rate_limit: {unit: day, requests_per_unit: 2}}
- {key: a, value: x1, rate_limit: {unit: day, requests_per_unit: 2}}`, []Step{{"a=x1", "OK: ok 1 of 2/day [2 1]"}, {"a=x2", "OK: ok 1 of 2/day [2 1]"}, {"a=x3", "OK: ok 0 of 2/day [2 0]"}}},
	{"a shared level above one that is not", Plain, `
- key: a
  value: "x*"
  share_threshold: true
  descriptors: [{key: b, rate_limit: {unit: day, requests_per_unit: 2}}]`, []Step{
		{"a=x1, b=1", "OK: ok 1 of 2/day [2 1]"}, {"a=x2, b=1", "OK: ok 0 of 2/day [2 0]"}, {"a=x2, b=2", "OK: ok 1 of 2/day [2 1]"},
	}},
	{"a level that is not shared above one that is", Plain, `
- key: a
  descriptors: [{key: b, value: "y*", share_threshold: true, rate_limit: {unit: day, requests_per_unit: 2}}]`, []Step{
		{"a=1, b=y1", "OK: ok 1 of 2/day [2 1]"}, {"a=1, b=y2", "OK: ok 0 of 2/day [2 0]"}, {"a=2, b=y3", "OK: ok 1 of 2/day [2 1]"},
	}},
	{"two stars of which one is shared", Plain, `
- {key: a, value: "x*", share_threshold: true, rate_limit: {unit: day, requests_per_unit: 2}}
- {key: a, value: "y*", rate_limit: {unit: day, requests_per_unit: 2}}`, []Step{
		{"a=x1", "OK: ok 1 of 2/day [2 1]"}, {"a=x2", "OK: ok 0 of 2/day [2 0]"}, {"a=y1", "OK: ok 1 of 2/day [2 1]"}, {"a=y2", "OK: ok 1 of 2/day [2 1]"},
	}},
	{"a shared star with metrics by value", Plain, `[{key: a, value: "x*", share_threshold: true, value_to_metric: true, rate_limit: {unit: day, requests_per_unit: 2}}]`, []Step{
		{"a=x1", "OK: ok 1 of 2/day [2 1]"}, {"a=x2", "OK: ok 0 of 2/day [2 0]"},
	}},
	{"a shared star with detailed metrics", Plain, `[{key: a, value: "x*", share_threshold: true, detailed_metric: true, rate_limit: {unit: day, requests_per_unit: 2}}]`, []Step{
		{"a=x1", "OK: ok 1 of 2/day [2 1]"}, {"a=x2", "OK: ok 0 of 2/day [2 0]"},
	}},
}

const five = "[{key: a, rate_limit: {unit: day, requests_per_unit: 5}}, {key: b, rate_limit: {unit: day, requests_per_unit: 5}}]"

var hits = []Case{
	{"hits of the request", Plain, five, []Step{{"a=1 +2", "OK: ok 3 of 5/day [5 3]"}, {"a=1 +3", "OK: ok 0 of 5/day [5 0]"}, {"a=1", "OVER_LIMIT: over 0 of 5/day [5 0]"}}},
	{"hits that do not fit are over and are counted", Plain, five, []Step{{"a=1 +4", "OK: ok 1 of 5/day [5 1]"}, {"a=1 +2", "OVER_LIMIT: over 0 of 5/day [5 0]"}, {"a=1", "OVER_LIMIT: over 0 of 5/day [5 0]"}}},
	{"more hits than the limit", Plain, five, []Step{{"a=1 +6", "OVER_LIMIT: over 0 of 5/day [5 0]"}, {"a=1", "OVER_LIMIT: over 0 of 5/day [5 0]"}}},
	{"exactly the limit", Plain, five, []Step{{"a=1 +5", "OK: ok 0 of 5/day [5 0]"}}},
	{"no hits of the request mean one", Plain, five, []Step{{"a=1 +0", "OK: ok 4 of 5/day [5 4]"}}},
	{"hits of the descriptor go before the request's", Plain, five, []Step{{"a=1(3) +1", "OK: ok 2 of 5/day [5 2]"}}},
	{"each descriptor has its hits", Plain, five, []Step{{"a=1(3); b=1 +2", "OK: ok 2 of 5/day; ok 3 of 5/day [5 2]"}}},
	{"a descriptor with no hits only asks", Plain, five, []Step{
		{"a=1(0)", "OK: ok 5 of 5/day [5 5]"}, {"a=1(0)", "OK: ok 5 of 5/day [5 5]"}, {"a=1", "OK: ok 4 of 5/day [5 4]"}, {"a=1(0)", "OK: ok 4 of 5/day [5 4]"},
	}},
	{"who only asks is over if it is, and not at the limit", Plain, five, []Step{
		{"a=1 +5", "OK: ok 0 of 5/day [5 0]"}, {"a=1(0)", "OK: ok 0 of 5/day [5 0]"}, {"a=1", "OVER_LIMIT: over 0 of 5/day [5 0]"}, {"a=1(0)", "OVER_LIMIT: over 0 of 5/day [5 0]"},
	}},
	{"hits of a shared counter add up", Plain, `[{key: a, value: "x*", share_threshold: true, rate_limit: {unit: day, requests_per_unit: 5}}]`, []Step{{"a=x1 +2", "OK: ok 3 of 5/day [5 3]"}, {"a=x2 +3", "OK: ok 0 of 5/day [5 0]"}}},
}

const oneAndFive = "[{key: a, rate_limit: {unit: day, requests_per_unit: 1}}, {key: b, rate_limit: {unit: hour, requests_per_unit: 5}}, {key: free, rate_limit: {unlimited: true}}]"

var several = []Case{
	{"one that is over is enough, and all are counted", Plain, oneAndFive, []Step{
		{"a=1; b=1", "OK: ok 0 of 1/day; ok 4 of 5/hour [1 0]"}, {"a=1; b=1", "OVER_LIMIT: over 0 of 1/day; ok 3 of 5/hour [1 0]"}, {"b=1", "OK: ok 2 of 5/hour [5 2]"},
	}},
	{"the order of the answers is the order of the request", Plain, oneAndFive, []Step{{"b=1; a=1", "OK: ok 4 of 5/hour; ok 0 of 1/day [1 0]"}}},
	{"what has no limit stands among what has", Plain, oneAndFive, []Step{{"x=1; a=1; free=1", "OK: ok none; ok 0 of 1/day; ok unlimited [1 0]"}}},
	{"nothing but unlimited has no headers", Plain, oneAndFive, []Step{{"free=1; x=1", "OK: ok unlimited; ok none"}}},
	{"the same descriptor twice counts twice", Plain, oneAndFive, []Step{{"b=1; b=1", "OK: ok 4 of 5/hour; ok 3 of 5/hour [5 3]"}}},
	{"the headers are of the limit with the least left", Plain, oneAndFive, []Step{{"b=1 +4", "OK: ok 1 of 5/hour [5 1]"}, {"b=1; b=2", "OK: ok 0 of 5/hour; ok 4 of 5/hour [5 0]"}}},
	{"the headers are of the last limit that is over", Plain, oneAndFive, []Step{{"a=1; b=1 +9", "OVER_LIMIT: over 0 of 1/day; over 0 of 5/hour [5 0]"}}},
	{"the first of equal ones gives the headers", Plain, oneAndFive, []Step{{"a=1; b=1(5)", "OK: ok 0 of 1/day; ok 0 of 5/hour [1 0]"}}},
}

const replaced = `
- {key: a, rate_limit: {name: general, unit: day, requests_per_unit: 1}}
- {key: b, rate_limit: {name: special, replaces: [{name: general}], unit: day, requests_per_unit: 5}}
- {key: c, rate_limit: {name: third, replaces: [{name: special}, {name: general}], unit: day, requests_per_unit: 7}}
- {key: u, rate_limit: {unlimited: true, name: free, replaces: [{name: general}]}}`

var replacing = []Case{
	{"a limit that is replaced does not count", Plain, replaced, []Step{
		{"a=1; b=1", "OK: ok none; ok 4 of 5/day special [5 4]"}, {"a=1; b=1", "OK: ok none; ok 3 of 5/day special [5 3]"}, {"a=1", "OK: ok 0 of 1/day general [1 0]"},
	}},
	{"whatever the order", Plain, replaced, []Step{{"b=1; a=1", "OK: ok 4 of 5/day special; ok none [5 4]"}}},
	{"two are replaced by one", Plain, replaced, []Step{{"a=1; b=1; c=1", "OK: ok none; ok none; ok 6 of 7/day third [7 6]"}}},
	{"what is replaced still replaces", Plain, replaced, []Step{{"a=1; b=1; c=1", "OK: ok none; ok none; ok 6 of 7/day third [7 6]"}}},
	{"an unlimited one replaces", Plain, replaced, []Step{{"a=1; u=1", "OK: ok none; ok unlimited"}}},
	{"a replacement that is not asked for replaces nothing", Plain, replaced, []Step{{"a=1; x=1", "OK: ok 0 of 1/day general; ok none [1 0]"}}},
}

const shadowed = `
- {key: s, shadow_mode: true, rate_limit: {unit: day, requests_per_unit: 1}}
- {key: a, rate_limit: {unit: day, requests_per_unit: 1}}
- {key: t, shadow_mode: false, rate_limit: {unit: day, requests_per_unit: 1}}`

var shadows = []Case{
	{"a shadow is counted and never over", Plain, shadowed, []Step{{"s=1", "OK: ok 0 of 1/day [1 0]"}, {"s=1", "OK: ok 0 of 1/day [1 0]"}, {"s=1", "OK: ok 0 of 1/day [1 0]"}}},
	{"a shadow beside a limit", Plain, shadowed, []Step{{"s=1; a=1 +2", "OVER_LIMIT: ok 0 of 1/day; over 0 of 1/day [1 0]"}}},
	{"a shadow's parent that is none", Plain, `
- key: s
  shadow_mode: true
  descriptors: [{key: b, rate_limit: {unit: day, requests_per_unit: 1}}]`, []Step{{"s=1, b=1", "OK: ok 0 of 1/day [1 0]"}, {"s=1, b=1", "OVER_LIMIT: over 0 of 1/day [1 0]"}}},
	{"no shadow said out loud", Plain, shadowed, []Step{{"t=1 +2", "OVER_LIMIT: over 0 of 1/day [1 0]"}}},
}

const quotaed = `
- {key: q, quota_mode: true, rate_limit: {unit: day, requests_per_unit: 1}}
- {key: r, quota_mode: true, rate_limit: {unit: day, requests_per_unit: 3}}
- {key: a, rate_limit: {unit: day, requests_per_unit: 5}}`

var quotas = []Case{
	{"a quota alone refuses when it is used up", Plain, quotaed, []Step{{"q=1", "OK: ok 0 of 1/day [1 0]"}, {"q=1", "OVER_LIMIT: over 0 of 1/day [1 0]"}}},
	{"one of two quotas is enough to pass", Plain, quotaed, []Step{
		{"q=1; r=1", "OK: ok 0 of 1/day; ok 2 of 3/day [1 0]"}, {"q=1; r=1", "OK: over 0 of 1/day; ok 1 of 3/day [1 0]"},
		{"q=1; r=1", "OK: over 0 of 1/day; ok 0 of 3/day [1 0]"}, {"q=1; r=1", "OVER_LIMIT: over 0 of 1/day; over 0 of 3/day [1 0]"},
	}},
	{"all quotas are used up although a limit is not", Plain, quotaed, []Step{{"q=1; a=1", "OK: ok 0 of 1/day; ok 4 of 5/day [1 0]"}, {"q=1; a=1", "OVER_LIMIT: over 0 of 1/day; ok 3 of 5/day [1 0]"}}},
	{"a limit refuses although a quota is left", Plain, quotaed, []Step{{"r=1(1); a=1(9)", "OVER_LIMIT: ok 2 of 3/day; over 0 of 5/day [5 0]"}}},
}

var overrides = []Case{
	{"a limit in the request goes before the file's", Plain, five, []Step{{"a=1[2/hour]", "OK: ok 1 of 2/hour [2 1]"}, {"a=1[2/hour]", "OK: ok 0 of 2/hour [2 0]"}, {"a=1[2/hour]", "OVER_LIMIT: over 0 of 2/hour [2 0]"}}},
	{"a limit in the request where the file has none", Plain, five, []Step{{"x=1[1/minute]", "OK: ok 0 of 1/minute [1 0]"}}},
	{"a limit in the request is no shadow", Plain, shadowed, []Step{{"s=1[1/day] +2", "OVER_LIMIT: over 0 of 1/day [1 0]"}}},
	{"a limit in the request with its hits", Plain, five, []Step{{"a=1(2)[3/hour]", "OK: ok 1 of 3/hour [3 1]"}}},
	{"a limit of nothing in the request", Plain, five, []Step{{"a=1[0/hour]", "OVER_LIMIT: over 0 of 0/hour [0 0]"}}},
	{"with another limit in the request the count goes on", Plain, five, []Step{{"a=1[5/day]", "OK: ok 4 of 5/day [5 4]"}, {"a=1[9/day]", "OK: ok 7 of 9/day [9 7]"}, {"a=1", "OK: ok 2 of 5/day [5 2]"}}},
}

var global = []Case{
	{"all is a shadow", Shadow, five, []Step{{"a=1 +6", "OK: over 0 of 5/day [5 0]"}, {"a=1", "OK: over 0 of 5/day [5 0]"}}},
	{"all is a quota", Quota, five, []Step{{"a=1(6); b=1", "OK: over 0 of 5/day; ok 4 of 5/day [5 0]"}, {"a=1; b=1(9)", "OVER_LIMIT: over 0 of 5/day; over 0 of 5/day [5 0]"}}},
}

var metadata = []Case{
	{"metadata of a rule that admits", Metadata, "[{key: a, metadata: {tier: gold, n: 1}, rate_limit: {unit: day, requests_per_unit: 1}}]", []Step{
		{"a=1", "OK: ok 0 of 1/day [1 0] map[n:1 tier:gold]"}, {"a=1", "OVER_LIMIT: over 0 of 1/day [1 0]"},
	}},
	{"metadata of two rules is merged, the first goes before", Metadata, `
- {key: a, metadata: {x: {p: 1}, y: a}, rate_limit: {unit: day, requests_per_unit: 1}}
- {key: b, metadata: {x: {q: 2}, y: b}, rate_limit: {unit: day, requests_per_unit: 5}}`, []Step{
		{"a=1; b=1", "OK: ok 0 of 1/day; ok 4 of 5/day [1 0] map[x:map[p:1 q:2] y:a]"},
	}},
	{"no metadata", Metadata, five, []Step{{"a=1", "OK: ok 4 of 5/day [5 4]"}}},
}
