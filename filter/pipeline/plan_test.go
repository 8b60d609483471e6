package pipeline_test

import (
	"cmp"
	"slices"
	"testing"

	"gatehouse/filter/abi"
	"gatehouse/filter/pipeline"
	"gatehouse/filter/policy"
)

var plannedPolicies = []policy.Policy{ //nolint:gochecknoglobals // a table
	{Headers: &policy.Headers{Preset: "strict"}, CORS: &policy.CORS{AllowOrigins: []string{"https://a.example"}, AllowCredentials: true, ExposeHeaders: []string{"etag"}}},
	{Headers: &policy.Headers{Preset: "strict"}},
	{Headers: &policy.Headers{Preset: "web-app"}, CORS: &policy.CORS{AllowOrigins: []string{"*"}}},
	{Headers: &policy.Headers{Preset: "api"}, CORS: &policy.CORS{AllowOrigins: []string{"https://a.example"}, Mode: "report"}},
	{Headers: &policy.Headers{Preset: "legacy-compatible"}, CORS: &policy.CORS{AllowOrigins: []string{"https://a.example"}}},
	{Headers: &policy.Headers{Preset: "strict", Mode: "report"}, CORS: &policy.CORS{AllowOrigins: []string{"https://a.example"}}},
	{Headers: &policy.Headers{Preset: "strict", Remove: []string{"etag"}, Existing: map[string]string{"content-security-policy": "merge"}}, CORS: &policy.CORS{AllowOrigins: []string{"https://a.example"}}},
	{Headers: &policy.Headers{Preset: "strict", Cookies: &policy.Cookies{Secure: new(bool)}}},
	{Headers: &policy.Headers{Set: map[string]string{"x-a": "1", "server": "ours"}, Remove: []string{"via"}}},
	{CORS: &policy.CORS{AllowOrigins: []string{"https://a.example"}}},
	{Headers: &policy.Headers{Preset: "strict"}, CSRF: &policy.CSRF{}},
	{Headers: &policy.Headers{Preset: "strict"}, CSRF: &policy.CSRF{}, CORS: &policy.CORS{AllowOrigins: []string{"https://a.example"}}},
}

// theirs are lines that upstreams send, odd ones too.
var theirs = [][2]string{ //nolint:gochecknoglobals // a table
	{"content-type", "text/html"}, {"content-type", "application/grpc"}, {"content-type", "application/grpc-web"}, {"content-type", ""}, {"content-type", "application/grpc+x, text/html"},
	{"vary", "Accept-Encoding"}, {"vary", "accept-encoding,Origin"}, {"vary", "*"}, {"vary", ""}, {"vary", "origin"},
	{"set-cookie", "a=1"}, {"set-cookie", "b=2; Secure"},
	{"server", "nginx"}, {"via", "1.1 v"}, {"x-powered-by", "PHP"}, {"x-runtime", "1"},
	{"x-frame-options", "SAMEORIGIN"}, {"strict-transport-security", "max-age=1"}, {"cache-control", "no-cache"}, {"content-security-policy", "default-src *"},
	{"access-control-allow-origin", "*"}, {"access-control-allow-credentials", "true"}, {"access-control-max-age", "5"}, {"access-control-expose-headers", "x"},
	{"x-a", "0"}, {"etag", "\"1\""}, {"etag", "\"1\""}, {"date", "now"}, {"x", ""},
}

// FuzzPlan holds what a policy's plan makes of a response to what Respond makes of it.
func FuzzPlan(f *testing.F) {
	f.Add(byte(0), byte(0), byte(0), []byte{0, 4, 11, 13, 24})
	f.Add(byte(0), byte(1), byte(3), []byte{0, 5, 15, 16, 19, 20, 21, 22})
	f.Add(byte(2), byte(0), byte(0), []byte{0, 6, 9, 10})
	f.Add(byte(4), byte(2), byte(1), []byte{1, 4, 18, 25, 26, 27})
	f.Add(byte(6), byte(0), byte(0), []byte{4, 8})
	f.Add(byte(10), byte(0), byte(0), []byte{0, 5})
	f.Add(byte(11), byte(0), byte(2), []byte{0, 6, 12})
	f.Add(byte(11), byte(4), byte(10), []byte{4})
	f.Fuzz(func(t *testing.T, which, status, request byte, lines []byte) {
		set, err := policy.Compile(policy.Config{
			Version: "v", DefaultPolicy: "p", IgnoreMetadata: true,
			Policies: map[string]policy.Policy{"p": plannedPolicies[int(which)%len(plannedPolicies)]},
		})
		if err != nil {
			t.Fatal(err)
		}
		head := [][2]string{{":status", []string{"200", "201", "204", "205", "206", "304", "404", "500", "101", "2000"}[int(status)%10]}}
		for _, b := range lines {
			head = append(head, theirs[int(b)%len(theirs)])
		}
		packed := string(abi.Pack(nil, head))
		begun := func() *pipeline.Exchange {
			r := [][2]string{{":method", "GET"}, {":path", "/"}, {":scheme", []string{"https", "http"}[request%2]}}
			for range int(request/2) % 3 {
				r = append(r, [2]string{"origin", []string{"https://a.example", "https://b.example"}[int(request/8)%2]})
			}
			return pipeline.Begin(set, pipeline.Request{Headers: r, EndOfStream: true})
		}
		x := begun()
		var out []byte
		for range 2 { // the second time in the same memory, and by what was kept of Vary
			var ok bool
			if out, ok = x.Plan(out, packed); !ok {
				return
			}
			got, ok := abi.Unpack(nil, string(out))
			if !ok {
				t.Fatalf("no packed map: %q", out)
			}
			var m abi.Map
			m.Load(packed)
			begun().Respond(&m)
			if want := byName(m.Lines()); !slices.Equal(byName(got), want) {
				t.Fatalf("the plan makes of %q\n%q, not\n%q", head, byName(got), want)
			}
		}
	})
}

// byName sorts lines by name, those of one name in their order.
func byName(lines [][2]string) [][2]string {
	lines = slices.Clone(lines)
	slices.SortStableFunc(lines, func(a, b [2]string) int { return cmp.Compare(a[0], b[0]) })
	return lines
}

func TestNearlyAllResponsesGoByAPlan(t *testing.T) {
	t.Parallel()
	set, err := policy.Compile(policy.Config{
		Version: "v", DefaultPolicy: "p", IgnoreMetadata: true, Policies: map[string]policy.Policy{"p": plannedPolicies[0]},
	})
	if err != nil {
		t.Fatal(err)
	}
	request := [][2]string{{":method", "GET"}, {":path", "/"}, {":scheme", "https"}, {"origin", "https://a.example"}}
	for name, test := range map[string]struct {
		lines   [][2]string
		planned bool
	}{
		"a success":           {[][2]string{{":status", "200"}, {"content-type", "text/html"}, {"server", "x"}, {"vary", "a"}}, true},
		"of no type":          {[][2]string{{":status", "201"}}, true},
		"a cookie":            {[][2]string{{":status", "200"}, {"set-cookie", "a=1"}}, false},
		"not modified":        {[][2]string{{":status", "304"}}, false},
		"a failure":           {[][2]string{{":status", "503"}}, false},
		"nothing to show":     {[][2]string{{":status", "204"}}, false},
		"gRPC":                {[][2]string{{":status", "200"}, {"content-type", "application/grpc"}}, false},
		"two lines of Vary":   {[][2]string{{":status", "200"}, {"vary", "a"}, {"vary", "b"}}, false},
		"very many lines":     {append([][2]string{{":status", "200"}}, slices.Repeat([][2]string{{"x", "1"}}, 40)...), false},
		"very many that go":   {append([][2]string{{":status", "200"}}, slices.Repeat([][2]string{{"via", "1"}}, 15)...), false},
		"no status":           {[][2]string{{"server", "x"}}, false},
		"a status that is 20": {[][2]string{{":status", "20"}}, false},
	} {
		x := pipeline.Begin(set, pipeline.Request{Headers: request, EndOfStream: true})
		if _, ok := x.Plan(nil, string(abi.Pack(nil, test.lines))); ok != test.planned {
			t.Errorf("%s: by a plan %v", name, ok)
		}
	}
	x := pipeline.Begin(set, pipeline.Request{Headers: request, EndOfStream: true})
	whole := string(abi.Pack(nil, [][2]string{{":status", "200"}, {"server", "x"}}))
	for n := range whole {
		if out, ok := x.Plan(nil, whole[:n]); ok || len(out) > 0 {
			t.Errorf("the first %d bytes of a map were taken for one", n)
		}
	}
}

func TestAPlannedResponseAllocatesNothingAndKeepsNothingOfTheLast(t *testing.T) {
	set, err := policy.Compile(policy.Config{
		Version: "v", DefaultPolicy: "p", IgnoreMetadata: true, Policies: map[string]policy.Policy{"p": plannedPolicies[0]},
	})
	if err != nil {
		t.Fatal(err)
	}
	from := func(origin string) pipeline.Request {
		return pipeline.Request{Headers: [][2]string{{":method", "GET"}, {":path", "/"}, {":scheme", "https"}, {"origin", origin}}, EndOfStream: true}
	}
	allowed, other := from("https://a.example"), from("https://b.example")
	packed := string(abi.Pack(nil, [][2]string{{":status", "200"}, {"content-type", "text/html"}, {"server", "x"}, {"vary", "a"}}))
	bare := string(abi.Pack(nil, [][2]string{{":status", "200"}}))
	var x pipeline.Exchange
	var out []byte
	var ok bool
	n := testing.AllocsPerRun(100, func() {
		x.Begin(set, &allowed)
		if out, ok = x.Plan(out, packed); !ok {
			t.Error("not by a plan")
		}
		x.Reset()
	})
	if n != 0 {
		t.Errorf("%v allocations a response", n)
	}
	x.Begin(set, &other)
	if out, ok = x.Plan(out, bare); !ok {
		t.Fatal("not by a plan")
	}
	lines, _ := abi.Unpack(nil, string(out))
	for _, line := range lines {
		if line[0] == "access-control-allow-origin" || line[0] == "content-type" || line[0] == "vary" && line[1] != "Origin" {
			t.Errorf("%q is of the last response", line)
		}
	}
}
