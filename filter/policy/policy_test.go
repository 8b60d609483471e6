package policy

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"gatehouse/filter/verdict"
)

const good = `{
 "version": "v1", "hold_request_headers": true, "default_policy": "base",
 "rules": [
  {"hosts": ["*.shop.example"], "path_prefix": "/upload", "methods": ["POST"], "policy": "upload"},
  {"path": "/exact", "policy": "quiet"}
 ],
 "policies": {
  "base": {"headers": {"preset": "strict", "set": {"x-a": "1"}, "remove": ["x-b"]},
           "cors": {"allow_origins": ["https://a.example"], "allow_credentials": true, "allow_methods": ["PUT"],
                    "allow_headers": ["x-c"], "expose_headers": ["x-d"], "max_age": 0, "allow_private_network": true}},
  "upload": {"uploads": {"mode": "report", "allow": ["pdf", "png"], "max_file_size": 1024, "max_request_size": 4096, "max_files": 2}},
  "quiet": {"headers": {"mode": "report", "preset": "strict"}, "cors": {"mode": "off", "allow_origins": ["*"]}},
  "empty": {}
 }
}`

func TestParseReadsEveryKey(t *testing.T) {
	set, err := Parse([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if set.Version() != "v1" || !set.HoldRequestHeaders() || strings.Join(set.Names(), " ") != "base empty quiet upload" {
		t.Errorf("got %q %v %v", set.Version(), set.HoldRequestHeaders(), set.Names())
	}
	base, _ := set.Lookup("base")
	upload, _ := set.Lookup("upload")
	quiet, _ := set.Lookup("quiet")
	if base.Headers == nil || base.CORS == nil || base.Uploads != nil || base.HeadersReport {
		t.Errorf("base %+v", base)
	}
	if upload.Uploads == nil || !upload.UploadsReport {
		t.Errorf("upload %+v", upload)
	}
	if !quiet.HeadersReport || quiet.CORS != nil {
		t.Errorf("quiet %+v", quiet)
	}
}

func TestWhatControlMarshalsParsesToTheSame(t *testing.T) {
	r := &reader{}
	var c Config
	if err := json.Unmarshal([]byte(good), &c); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	parsed := r.config(parse(text))
	again, err := json.Marshal(parsed)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.errs) > 0 || string(again) != string(text) {
		t.Errorf("%v\n%s\n%s", r.errs, text, again)
	}
}

func TestSelectTakesTheFirstThatIsSet(t *testing.T) {
	set, err := Parse([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	upload := Selector{Method: "POST", Authority: "eu.shop.example:443", Path: "/upload/x?y"}
	with := func(q Selector, route, host string) Selector {
		q.Route, q.VirtualHost = route, host
		return q
	}
	tests := []struct {
		name string
		q    Selector
		want string
	}{
		{"route metadata wins", with(upload, "quiet", "base"), "quiet"},
		{"then the virtual host's", with(upload, "", "base"), "base"},
		{"then the first rule", upload, "upload"},
		{"a rule's method counts", Selector{Method: "GET", Authority: "eu.shop.example", Path: "/upload"}, "base"},
		{"a rule's host counts", Selector{Method: "POST", Authority: "shop.example", Path: "/upload"}, "base"},
		{"a rule's path counts", Selector{Method: "POST", Authority: "eu.shop.example", Path: "/uploads"}, "base"},
		{"an exact path", Selector{Method: "GET", Authority: "x", Path: "/exact?y"}, "quiet"},
		{"the default", Selector{Method: "GET", Authority: "x", Path: "/"}, "base"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := set.Select(&tt.q)
			if err != nil || p.Name != tt.want {
				t.Errorf("got %v, %v, want %s", p, err, tt.want)
			}
		})
	}
}

func TestSelectNeverChoosesSilentlyNothing(t *testing.T) {
	set, err := Parse([]byte(`{"default_policy":"a","policies":{"a":{}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []Selector{{Route: "b"}, {VirtualHost: "b"}, {Route: "b", VirtualHost: "a"}} {
		if p, err := set.Select(&q); err == nil {
			t.Errorf("%+v chose %v", q, p.Name)
		}
	}
	set, err = Parse([]byte(`{"policies":{"a":{}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := set.Select(&Selector{Path: "/"}); !errors.Is(err, ErrNoPolicy) {
		t.Errorf("got %v, want ErrNoPolicy", err)
	}
}

func TestParseNamesEachMistakeWithItsPlace(t *testing.T) {
	tests := []struct{ name, text, says string }{
		{"no JSON", `{`, "not JSON"},
		{"no object", `[]`, "configuration: must be an object"},
		{"no policies", `{}`, "policies: is empty"},
		{"an unknown key", `{"polices":{},"policies":{"a":{}}}`, "polices: is not a key here"},
		{"an unknown feature", `{"policies":{"a":{"header":{}}}}`, "policies.a.header: is not a key here"},
		{"a key twice", `{"policies":{"a":{"cors":{"allow_origins":["*"],"allow_origins":["*"]}}}}`, "policies.a.cors.allow_origins: stands twice"},
		{"a policy twice", `{"policies":{"a":{},"a":{}}}`, "policies.a: stands twice"},
		{"more gathered than a body may cost", `{"gather_body":262145,"policies":{"a":{}}}`, "gather_body: must be 0 to 262144 bytes"},
		{"gathered without held headers", `{"gather_body":4096,"policies":{"a":{}}}`, "gather_body: does nothing without hold_request_headers"},
		{"less than nothing gathered", `{"gather_body":-1,"policies":{"a":{}}}`, "gather_body: must be 0 to 262144 bytes"},
		{"a string for a boolean", `{"hold_request_headers":"yes","policies":{"a":{}}}`, "hold_request_headers: must be true or false"},
		{"a number for a string", `{"version":1,"policies":{"a":{}}}`, "version: must be a string"},
		{"a string for an array", `{"policies":{"a":{"cors":{"allow_origins":"*"}}}}`, "policies.a.cors.allow_origins: must be an array"},
		{"a number in an array", `{"policies":{"a":{"cors":{"allow_origins":[1]}}}}`, "policies.a.cors.allow_origins.0: must be a string"},
		{"a fraction", `{"policies":{"a":{"uploads":{"allow":["pdf"],"max_files":1.5}}}}`, "policies.a.uploads.max_files: must be a whole number"},
		{"null for an object", `{"policies":{"a":null}}`, "policies.a: must be an object"},
		{"an unknown mode", `{"policies":{"a":{"headers":{"mode":"on"}}}}`, `policies.a.headers.mode: "on" is no mode`},
		{"a default that does not exist", `{"default_policy":"b","policies":{"a":{}}}`, `default_policy: policy "b" does not exist`},
		{"a rule's policy that does not exist", `{"rules":[{"policy":"b"}],"policies":{"a":{}}}`, `rules.0.policy: policy "b" does not exist`},
		{"a rule without a policy", `{"rules":[{"path":"/"}],"policies":{"a":{}}}`, "rules.0.policy"},
		{"a rule that can never match", `{"rules":[{"path":"x","policy":"a"}],"policies":{"a":{}}}`, "rules.0: a path starts with /"},
		{"an unknown preset", `{"policies":{"a":{"headers":{"preset":"x"}}}}`, "policies.a.headers: preset"},
		{"a bad origin", `{"policies":{"a":{"cors":{"allow_origins":["https://A.example"]}}}}`, "policies.a.cors: allow_origins"},
		{"a bad name", `{"policies":{"a b":{}}}`, "policies.a b: a policy's name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Parse([]byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v\nwant %s", err, tt.says)
			}
		})
	}
}

func TestParseReportsAllMistakesTogether(t *testing.T) {
	_, err := Parse([]byte(`{"x":1,"default_policy":"b","rules":[{"policy":"c"}],"policies":{"a":{"headers":{"preset":"p","set":{"a b":"1"}}}}}`))
	if err == nil || strings.Count(err.Error(), "\n") != 4 {
		t.Errorf("got\n%v\nwant 5 lines", err)
	}
}

func TestParseRefusesAnEnormousText(t *testing.T) {
	if _, err := Parse(make([]byte, maxConfigBytes+1)); err == nil || !strings.Contains(err.Error(), "4 MiB") {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(`{"policies":{"a":{"cors":{"allow_origins":["https://*.a.example"],"max_age":1e3}}}}`))
	f.Add([]byte(`{"policies":{"a":{"headers":{"set":{"\u0000":"\r"}}}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := Parse(text)
		if (set == nil) == (err == nil) {
			t.Fatalf("set %v and error %v", set, err)
		}
		if err != nil {
			return
		}
		var c Config
		if err := json.Unmarshal(text, &c); err != nil {
			t.Fatalf("accepted what encoding/json refuses: %v", err)
		}
		for name := range c.Policies {
			if _, ok := set.Lookup(name); !ok {
				t.Fatalf("policy %q was lost", name)
			}
		}
	})
}

func TestWhichVerdictsArePublished(t *testing.T) {
	t.Parallel()
	pass := verdict.Verdict{Decision: verdict.Allow, Policy: "a"}
	tests := []struct {
		name      string
		verdict   verdict.Verdict
		status    int
		decisions bool
	}{
		{"a plain pass", pass, 200, false},
		{"a plain pass that the upstream refuses", pass, 404, false},
		{"a plain pass whose status is not known yet", pass, 0, false},
		{"a plain pass that a check behind could not judge", pass, 503, true},
		{"a refusal", verdict.Verdict{Decision: verdict.Deny}, 403, true},
		{"what would be one", verdict.Verdict{Decision: verdict.Report}, 200, true},
		{"an answered preflight", verdict.Verdict{Decision: verdict.Allow, Rule: "cors_preflight"}, 204, true},
		{"an inspected file", verdict.Verdict{Decision: verdict.Allow, Files: []verdict.File{{}}}, 200, true},
	}
	config := Config{Policies: map[string]Policy{"a": {}}}
	all, err := Compile(config)
	if err != nil {
		t.Fatal(err)
	}
	config.Verdicts = VerdictsDecisions
	decisions, err := Compile(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !all.Publishes(&tt.verdict, tt.status) {
				t.Error("is not told where all are")
			}
			if got := decisions.Publishes(&tt.verdict, tt.status); got != tt.decisions {
				t.Errorf("told where only decisions are: %v", got)
			}
		})
	}
}
