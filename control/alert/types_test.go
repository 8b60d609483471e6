package alert

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/event"
)

func compiledOf(t testing.TB, when string) *compiled {
	t.Helper()
	rules, err := compile([]Rule{{Name: "r", When: when, Window: time.Minute}})
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	return &rules[0]
}

func TestTheTypesThatAConditionIsForAreReadOffIt(t *testing.T) {
	t.Parallel()
	for when, want := range map[string]string{
		`event.type == "a"`:                             "a",
		`"a" == event.type`:                             "a",
		`event.type in ["a", "b"]`:                      "a b",
		`event.type in []`:                              "",
		`event.type == "a" && event.status == 1`:        "a",
		`event.status == 1 && (event.type == "a")`:      "a",
		`event.type == "a" || event.type == "b"`:        "a b",
		`event.type == "a" && event.type == "b"`:        "",
		`event.type in ["a", "b"] && event.type != "a"`: "a b", // too many is right as well
		`(event.type == "a" || event.type == "b") && event.host == "h" || event.type == "c"`: "a b c",
		`event.status == 1 ? event.type == "a" : event.type == "b"`:                          "a b",
		`event.type == "a" ? true : false`:                                                   "a",
		`false`:                                                                              "",
		`true`:                                                                               "any",
		`event.status == 1`:                                                                  "any",
		`event.type == "a" || event.status == 1`:                                             "any",
		`!(event.type == "a")`:                                                               "any",
		`event.type != "a"`:                                                                  "any",
		`event.type == event.host`:                                                           "any",
		`event.type in ["a", event.host]`:                                                    "any",
		`event.host in ["a"]`:                                                                "any",
		`event.type.startsWith("a")`:                                                         "any",
		`["a"].exists(x, x == event.type)`:                                                   "any",
		`(event.type == "a") == true`:                                                        "any",
		`event.detail["type"] == "a"`:                                                        "any",
	} {
		set := compiledOf(t, when).types
		got := "any"
		if set != nil {
			var names []string
			for name := range maps.Keys(set) {
				names = append(names, string(name))
			}
			slices.Sort(names)
			got = strings.Join(names, " ")
		}
		if got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
	}
}

func TestARuleIsAskedAboutTheEventsThatItCanBeTrueFor(t *testing.T) {
	t.Parallel()
	rules, err := compile(append(Defaults(), Rule{Name: "all", When: "event.status == 500", Window: time.Minute}))
	if err != nil {
		t.Fatal(err)
	}
	x := newIndex(rules)
	for kind, want := range map[event.Type][]string{
		event.RequestAllowed:         {"all"},
		event.AuthenticationAttempt:  {"failed-sign-ins", "failed-sign-ins-of-user", "all"},
		event.SubjectRequestReceived: {"data-access-request", "all"},
		"of a later version":         {"all"},
	} {
		var got []string
		for _, r := range x.of(kind) {
			got = append(got, r.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", kind, got, want)
		}
	}
}

// FuzzTheIndexHidesNoRule holds the index to its promise: whatever the condition,
// an event for which it is true is of a type under which the rule is found.
func FuzzTheIndexHidesNoRule(f *testing.F) {
	f.Add(`event.type == "a" || event.detail["k"] == "v"`, "a", "h")
	f.Add(`(event.host == "h" ? event.type == "a" : true) && event.type in ["a", "b"]`, "b", "x")
	f.Add(`event.type == "a" && event.detail["none"] == "" || event.host == "h"`, "c", "h")
	f.Add(`false || !(event.type in ["a"])`, "b", "")
	f.Fuzz(func(t *testing.T, when, kind, host string) {
		rules, err := compile([]Rule{{Name: "r", When: when, Window: time.Minute}})
		if err != nil {
			return
		}
		e := event.Event{Type: event.Type(kind), Host: host, Detail: map[string]string{"k": "v"}}
		if rules[0].matches(&fields{&e}) && len(newIndex(rules).of(e.Type)) == 0 {
			t.Errorf("%s is true for type %q, and is for %v", when, kind, rules[0].types)
		}
	})
}

func TestAConditionThatCanCostMuchIsCutShort(t *testing.T) {
	t.Parallel()
	detail := map[string]string{}
	for i := range 300 {
		detail[strings.Repeat("k", i)] = "v"
	}
	e := event.Event{Path: strings.Repeat("/", 1000), Detail: detail}
	for when, want := range map[string]bool{
		`event.path.contains("/")`:                                         true,
		`event.detail.exists(k, k == "kk")`:                                true,
		`event.detail.all(a, event.detail.all(b, size(a) + size(b) >= 0))`: false, // 90,000 steps
	} {
		if got := compiledOf(t, when).matches(&fields{&e}); got != want {
			t.Errorf("%s: %v, want %v", when, got, want)
		}
	}
	env, err := environment()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range Defaults() {
		condition, issues := env.Compile(r.When)
		if issues.Err() != nil || !cheap(env, condition) {
			t.Errorf("%s is not cheap", r.Name)
		}
	}
}
