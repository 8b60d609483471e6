package policy

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/limit"
)

const valid = `{
  "version": "v1",
  "default_policy": "base",
  "rules": [
    {"hosts": ["admin.example.com"], "policy": "admin"},
    {"path_prefix": "/upload", "methods": ["POST"], "policy": "upload"}
  ],
  "policies": {
    "base": {
      "session": {"require": "required", "max_idle_seconds": 1800},
      "limits": [
        {"name": "api_calls", "by": ["ip"], "requests": 100, "window_ms": 60000},
        {"name": "api_calls", "by": ["user"], "requests": 1000, "window_ms": 60000, "algorithm": "gcra", "burst": 50, "on_redis_error": "local"}
      ]
    },
    "admin": {"session": {"require": "required", "mode": "report"}},
    "upload": {
      "session": {"require": "required", "mode": "off"},
      "limits": [
        {"name": "api_calls", "by": ["ip"], "requests": 100, "window_ms": 60000},
        {"name": "off", "by": ["ip"], "requests": 1, "window_ms": 1000, "mode": "off"},
        {"name": "tried", "by": ["user", "ip"], "requests": 1, "window_ms": 1000, "mode": "report"}
      ]
    }
  },
  "sign_in": {"idle_seconds": 60}
}`

func mustParse(t testing.TB, text string) *Set {
	t.Helper()
	set, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestUsesAreNotedOftenEnoughForTheShortestIdleTime(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		seconds int
		want    time.Duration
	}{{0, time.Minute}, {3600, time.Minute}, {600, 30 * time.Second}, {5, time.Second}} {
		set := mustParse(t, fmt.Sprintf(`{"version":"v1","policies":{"p":{"session":{"require":"required","max_idle_seconds":%d}}},"sign_in":{}}`, tt.seconds))
		if got := set.SignIn().Note; got != tt.want {
			t.Errorf("a max_idle of %d s: uses are noted after %s, want %s", tt.seconds, got, tt.want)
		}
	}
}

func TestAPolicyIsCompiledToWhatCheckNeeds(t *testing.T) {
	set := mustParse(t, valid)
	if set.Version() != "v1" || set.Len() != 3 {
		t.Errorf("version %q with %d policies", set.Version(), set.Len())
	}
	if got, want := set.SignIn(), (Lifetimes{Idle: time.Minute, Absolute: 12 * time.Hour, Note: time.Minute}); got != want {
		t.Errorf("sign-in grants %+v, want %+v", got, want)
	}
	base, _ := set.Lookup("base")
	if got, want := base.Session, (SessionDemand{Require: SessionRequired, MaxIdle: 30 * time.Minute}); !reflect.DeepEqual(got, want) {
		t.Errorf("base demands %+v, want %+v", got, want)
	}
	user := base.Limits[1]
	want := limit.Spec{Name: "api_calls-user", Algorithm: limit.GCRA, Requests: 1000, Window: time.Minute, Burst: 50}
	if user.Spec != want || !user.ByUser || user.ByIP || user.OnRedisError != OnErrorLocal {
		t.Errorf("the user limit is %+v", user)
	}
	if ip := base.Limits[0]; ip.Spec.Algorithm != limit.SlidingWindow || ip.OnRedisError != OnErrorDeny || ip.Report {
		t.Errorf("the defaults of a limit are not sliding_window, deny, enforce: %+v", ip)
	}
	upload, _ := set.Lookup("upload")
	if upload.Session.Looks() || len(upload.Limits) != 2 || !upload.Limits[1].Report {
		t.Errorf("off and report are not carried out: %+v", upload)
	}
	if upload.Limits[0].Scope != base.Limits[0].Scope {
		t.Error("a limit of equal definition in two policies has two budgets")
	}
	if base.Limits[0].Scope == base.Limits[1].Scope {
		t.Error("two limits share one counter")
	}
}

func TestTheFirstRuleThatMatchesWins(t *testing.T) {
	set := mustParse(t, valid)
	for _, c := range []struct{ name, host, path, method, want string }{
		{"a host rule", "admin.example.com", "/upload", "POST", "admin"},
		{"a host in another letter case and with a port", "Admin.Example.COM:8443", "/", "GET", "admin"},
		{"a path on a segment boundary", "x", "/upload/a", "POST", "upload"},
		{"a path that only begins alike", "x", "/uploads", "POST", "base"},
		{"another method", "x", "/upload", "GET", "base"},
		{"nothing", "x", "/", "GET", "base"},
	} {
		got, ok := set.Select(c.host, c.path, c.method)
		if !ok || got.Name != c.want {
			t.Errorf("%s: got %+v, want %s", c.name, got, c.want)
		}
	}
}

func TestWithoutADefaultWhatNoRuleMatchesHasNoPolicy(t *testing.T) {
	set := mustParse(t, `{"version":"1","policies":{"a":{"session":{}}},"sign_in":{}}`)
	if p, ok := set.Select("x", "/", "GET"); ok {
		t.Errorf("got %+v", p)
	}
}

func TestEachMistakeIsNamedWithItsPlace(t *testing.T) {
	limits := func(s string) string {
		return `{"version":"1","policies":{"a":{"session":{},"limits":[` + s + `]}},"sign_in":{}}`
	}
	for _, c := range []struct{ name, text, want string }{
		{"no JSON", `{`, "(byte 1)"},
		{"an empty text", ``, "(byte 0)"},
		{"two documents", `{"version":"1","policies":{},"sign_in":{}} {}`, "(end)"},
		{"an array", `[]`, "(document): is an array"},
		{"null", `null`, "(document): is null"},
		{"no version", `{"policies":{},"sign_in":{}}`, "version: is \"\""},
		{"an unknown key", `{"version":"1","polices":{},"sign_in":{}}`, "polices: is not known here"},
		{"a key in another letter case", `{"Version":"1"}`, "Version: is not known here"},
		{"a key twice", `{"version":"1","version":"2"}`, "version: is there twice"},
		{"a policy twice", `{"version":"1","policies":{"a":{},"a":{}}}`, "policies.a: is there twice"},
		{"a number for a text", `{"version":1}`, "version: is a number"},
		{"a fraction", limits(`{"name":"n","by":["ip"],"requests":1.5,"window_ms":1}`), "requests: is 1.5"},
		{"a default that is not there", `{"version":"1","default_policy":"x","policies":{}}`, `default_policy: names "x"`},
		{"a rule without policy", `{"version":"1","rules":[{}],"policies":{}}`, "rules[0].policy: is missing"},
		{"a rule for no policy", `{"version":"1","rules":[{"policy":"x"}],"policies":{}}`, "rules[0].policy: names"},
		{"a rule with two paths", `{"version":"1","rules":[{"path":"/a","path_prefix":"/b","policy":"a"}],"policies":{"a":{}}}`, "rules[0]: "},
		{"a policy name with a space", `{"version":"1","policies":{"a b":{}}}`, `is "a b"`},
		{"an unknown requirement", `{"version":"1","policies":{"a":{"session":{"require":"yes"}}}}`, "policies.a.session.require"},
		{"an unknown mode", `{"version":"1","policies":{"a":{"session":{"mode":"on"}}}}`, "policies.a.session.mode"},
		{"a negative age", `{"version":"1","policies":{"a":{"session":{"max_age_seconds":-1}}}}`, "max_age_seconds: is -1"},
		{"a limit without key", limits(`{"name":"n","by":[],"requests":1,"window_ms":1}`), "limits[0].by: is empty"},
		{"a limit by something else", limits(`{"name":"n","by":["host"],"requests":1,"window_ms":1}`), `by: has "host"`},
		{"a limit by ip twice", limits(`{"name":"n","by":["ip","ip"],"requests":1,"window_ms":1}`), "has ip twice"},
		{"a limit of nothing", limits(`{"name":"n","by":["ip"],"requests":0,"window_ms":1}`), "requests: is 0"},
		{"a window of nothing", limits(`{"name":"n","by":["ip"],"requests":1,"window_ms":0}`), "window_ms: is 0"},
		{"a window without end", limits(`{"name":"n","by":["ip"],"requests":1,"window_ms":9223372036854775807}`), "window_ms: is 9223372036854775807"},
		{"a log without end", limits(`{"name":"n","by":["ip"],"requests":1000000,"window_ms":1}`), "sliding_window remembers"},
		{"an unknown algorithm", limits(`{"name":"n","by":["ip"],"requests":1,"window_ms":1,"algorithm":"leaky"}`), "algorithm: is"},
		{"a lease of a window that is too short", limits(`{"name":"n","by":["ip"],"requests":100,"window_ms":999,"lease":2}`), "always counted in Redis"},
		{"a lease of a bucket that is full too soon", limits(`{"name":"n","by":["ip"],"requests":100,"window_ms":60000,"algorithm":"gcra","burst":1,"lease":1}`), "always counted in Redis"},
		{"a lease of a calendar's quota", limits(`{"name":"n","by":["ip"],"requests":100,"period":"day","algorithm":"quota","lease":2}`), "always counted in Redis"},
		{"a lease of places", limits(`{"name":"n","by":["ip"],"requests":100,"window_ms":1000,"algorithm":"concurrency","lease":2}`), "always counted in Redis"},
		{"a lease of null", limits(`{"name":"n","by":["ip"],"requests":100,"window_ms":1000,"lease":null}`), "lease: is null"},
		{"a lease of more than a quarter", limits(`{"name":"n","by":["ip"],"requests":100,"window_ms":1,"algorithm":"fixed_window","lease":26}`), "a quarter"},
		{"a lease below none", limits(`{"name":"n","by":["ip"],"requests":100,"window_ms":1,"algorithm":"fixed_window","lease":-1}`), "a quarter"},
		{"a period without quota", limits(`{"name":"n","by":["ip"],"requests":1,"period":"day"}`), "period: is a calendar's day"},
		{"a quota without period", limits(`{"name":"n","by":["ip"],"requests":1,"algorithm":"quota"}`), "period: is"},
		{"a quota with a window", limits(`{"name":"n","by":["ip"],"requests":1,"window_ms":1,"algorithm":"quota"}`), "window_ms: is a window"},
		{"a quota of no place", limits(`{"name":"n","by":["ip"],"requests":1,"period":"day","time_zone":"Mars","algorithm":"quota"}`), "time_zone: is"},
		{"a place without quota", limits(`{"name":"n","by":["ip"],"requests":1,"window_ms":1,"time_zone":"UTC"}`), "time_zone: is set"},
		{"places without end", limits(`{"name":"n","by":["ip"],"requests":10001,"window_ms":1,"algorithm":"concurrency"}`), "concurrency remembers"},
		{"a burst without gcra", limits(`{"name":"n","by":["ip"],"requests":1,"window_ms":1,"burst":2}`), "only gcra"},
		{"an unknown outcome", limits(`{"name":"n","by":["ip"],"requests":1,"window_ms":1,"on_redis_error":"x"}`), "on_redis_error"},
		{"a limit twice", limits(`{"name":"n","by":["ip"],"requests":1,"window_ms":1},{"name":"n","by":["ip"],"requests":1,"window_ms":1}`), "repeats a limit"},
		{"a name with a quote", limits(`{"name":"n\"","by":["ip"],"requests":1,"window_ms":1}`), "limits[0].name"},
		{"a cap beyond the highest", `{"version":"1","policies":{},"sign_in":{"max_sessions":1001}}`, "sign_in.max_sessions"},
		{"no such overflow", `{"version":"1","policies":{},"sign_in":{"when_full":"newest"}}`, "sign_in.when_full"},
		{"no such binding", `{"version":"1","policies":{},"sign_in":{"bind":"ip"}}`, "sign_in.bind"},
		{"too many confirmations", `{"version":"1","policies":{},"sign_in":{"confirmed_by":6}}`, "sign_in.confirmed_by"},
		{"a policy's cap below none", `{"version":"1","policies":{"a":{"session":{"max_sessions":-1}}},"sign_in":{}}`, "policies.a.session.max_sessions"},
		{"no such cache", `{"version":"1","policies":{"a":{"session":{"cache":"no"}}},"sign_in":{}}`, "policies.a.session.cache"},
		{"idle beyond absolute", `{"version":"1","policies":{},"sign_in":{"idle_seconds":10,"absolute_seconds":5}}`, "shorter than idle"},
	} {
		t.Run(c.name, func(t *testing.T) {
			set, err := Parse([]byte(c.text))
			if set != nil || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestAllMistakesAreReportedAtOnce(t *testing.T) {
	_, err := Parse([]byte(`{"version":"1","default_policy":"x","rules":[{"policy":"y"}],
		"policies":{"a":{"session":{"require":"maybe"},"limits":[{"name":"n","by":["z"],"requests":0,"window_ms":0}]}}}`))
	var mistakes Mistakes
	if !errors.As(err, &mistakes) || len(mistakes) != 6 {
		t.Fatalf("got %v, want six mistakes", err)
	}
	var one Mistake
	if !errors.As(err, &one) {
		t.Error("the list cannot be walked")
	}
}

func TestUnknownKeysAreReportedTogether(t *testing.T) {
	_, err := Parse([]byte(`{"a":1,"b":{"c":[{}]},"policies":{"p":{"limit":[]}}}`))
	var mistakes Mistakes
	if !errors.As(err, &mistakes) || len(mistakes) != 3 {
		t.Errorf("got %v, want three mistakes", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(valid))
	f.Add([]byte(`{"version":"1","policies":{"a":{}}}`))
	f.Add([]byte(`[[[[[[[[[[[[[[[[[[[[[[`))
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := Parse(data)
		if (set == nil) == (err == nil) {
			t.Fatalf("set %v and error %v", set, err)
		}
		if set != nil {
			set.Select("host:1", "/path", "GET")
		}
	})
}

func TestReplicasCountAheadUnlessALimitSaysOtherwise(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, more string
		want       int64
		leasable   bool
	}{
		{"a sliding window", ``, limit.Auto, true},
		{"gcra", `,"algorithm":"gcra"`, limit.Auto, true},
		{"two buckets", `,"algorithm":"two_bucket"`, limit.Auto, true},
		{"a fixed window", `,"algorithm":"fixed_window"`, limit.Auto, true},
		{"places", `,"algorithm":"concurrency"`, limit.Auto, false},
		{"one that says so many", `,"lease":20`, 20, true},
		{"one that says none", `,"lease":0`, 0, false},
		{"places that say none", `,"algorithm":"concurrency","lease":0`, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			set, err := Parse([]byte(`{"version":"1","policies":{"a":{"limits":[{"name":"n","by":["ip"],"requests":100,"window_ms":60000` + c.more + `}]}}}`))
			if err != nil {
				t.Fatal(err)
			}
			p, _ := set.Lookup("a")
			l := p.Limits[0]
			r := limit.Request{Key: l.Key, Spec: l.Spec, Lease: l.Lease}
			if l.Lease != c.want || r.Leasable() != c.leasable {
				t.Errorf("a lease of %d, leasable: %v", l.Lease, r.Leasable())
			}
		})
	}
}
