package pipeline

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"gatehouse/filter/abi"
	"gatehouse/filter/policy"
	"gatehouse/filter/verdict"
)

const config = `{
 "version": "v1", "hold_request_headers": true, "default_policy": "base",
 "policies": {
  "base": {"headers": {"preset": "strict"}, "cors": {"allow_origins": ["https://a.example"]}},
  "upload": {"uploads": {"allow": ["txt"], "max_file_size": 100000}},
  "report": {"uploads": {"mode": "report", "allow": ["txt"]}, "cors": {"mode": "report", "allow_origins": ["https://a.example"]}}
 }
}`

func set(t testing.TB) *policy.Set {
	t.Helper()
	s, err := policy.Parse([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func request(name, method string, lines ...[2]string) Request {
	head := [][2]string{{":method", method}, {":path", "/"}, {":authority", "x"}, {":scheme", "http"}, {"x-request-id", "r-1"}}
	return Request{RoutePolicy: name, Headers: append(head, lines...)}
}

type view http.Header

func (v view) Status() int                 { return 200 }
func (v view) Values(name string) []string { return http.Header(v).Values(name) }

func (v view) Value(name string) (string, bool) {
	return http.Header(v).Get(name), len(v.Values(name)) > 0
}
func (v view) SetLines(name string, values []string) {
	v[http.CanonicalHeaderKey(name)] = values
}
func (v view) Set(name, value string) { http.Header(v).Set(name, value) }
func (v view) Remove(name string)     { http.Header(v).Del(name) }

func begin(t *testing.T, name, length string) *Exchange {
	t.Helper()
	lines := [][2]string{{"content-type", "text/plain"}}
	if length != "" {
		lines = append(lines, [2]string{"content-length", length})
	}
	x := Begin(set(t), request(name, "POST", lines...))
	if x.Reply() != nil || !x.Inspecting() {
		t.Fatalf("not inspecting: %+v", x.Verdict())
	}
	return x
}

func TestAnUnknownPolicyRefusesAndSaysWhichOnlyInTheVerdict(t *testing.T) {
	x := Begin(set(t), request("nope", "GET"))
	if x.Reply() == nil || x.Reply().Status != 503 || x.Verdict().Rule != "unknown_policy" {
		t.Fatalf("got %+v, %+v", x.Reply(), x.Verdict())
	}
	if strings.Contains(string(x.Reply().Body), "nope") || !strings.Contains(x.Verdict().Reason, "nope") {
		t.Errorf("body %s, reason %s", x.Reply().Body, x.Verdict().Reason)
	}
	x.Respond(view{}) // there is no policy to write: nothing happens
}

func TestReservedHeadersAreDroppedInEverySpelling(t *testing.T) {
	x := Begin(set(t), request("base", "GET",
		[2]string{"x-gatehouse-subject", "a"}, [2]string{"X-Gatehouse-New", "a"}, [2]string{"x_gatehouse_subject", "a"},
		[2]string{"x-gatehouses", "kept"}, [2]string{"x-gatehouse", "kept"}))
	want := []string{"x-gatehouse-subject", "X-Gatehouse-New", "x_gatehouse_subject"}
	if !slices.Equal(x.Drop(), want) {
		t.Errorf("drops %q, want %q", x.Drop(), want)
	}
}

func TestTheVerdictComesWithTheLastByteOfAStatedLength(t *testing.T) {
	x := begin(t, "upload", "5")
	if !x.HoldHeaders() {
		t.Error("the headers may leave before the verdict")
	}
	if !x.Body([]byte("he")) {
		t.Error("let go before the end")
	}
	if x.Body([]byte("llo")) || x.Inspecting() || x.Reply() != nil {
		t.Errorf("the last byte did not bring the verdict: %+v", x.Verdict())
	}
	if len(x.Verdict().Files) != 1 {
		t.Errorf("files %+v", x.Verdict().Files)
	}
}

func TestTheVerdictComesAtTheEndOfAnUnknownLength(t *testing.T) {
	x := begin(t, "upload", "")
	x.Body([]byte("\x7fELF\x00\x00"))
	if x.Reply() != nil {
		t.Fatal("judged before the type could be known")
	}
	x.End()
	if x.Reply() == nil || x.Reply().Status != 415 || x.Verdict().Decision != verdict.Deny {
		t.Errorf("got %+v", x.Verdict())
	}
	x.End() // a second end changes nothing
	if x.Body([]byte("more")) {
		t.Error("holds after the verdict")
	}
}

func TestReportLetsThroughAndRecords(t *testing.T) {
	x := begin(t, "report", "")
	x.Body([]byte("\x7fELF\x00\x00"))
	x.End()
	if x.Reply() != nil || x.Verdict().Decision != verdict.Report || x.Verdict().Rule != "type_mismatch" {
		t.Errorf("got %+v", x.Verdict())
	}
	x = Begin(set(t), request("report", "OPTIONS", [2]string{"origin", "https://b.example"}, [2]string{"access-control-request-method", "PUT"}))
	if x.Reply() != nil || x.Verdict().Decision != verdict.Report || x.Verdict().Rule != "cors_origin" {
		t.Errorf("got %+v", x.Verdict())
	}
}

func TestSeveralContentTypesAreAmbiguous(t *testing.T) {
	x := Begin(set(t), request("upload", "POST", [2]string{"content-type", "text/plain"}, [2]string{"content-type", "application/json"}))
	if x.Reply() == nil || x.Verdict().Rule != "content_type_ambiguous" {
		t.Errorf("got %+v", x.Verdict())
	}
}

func TestARequestWithoutABodyIsNotInspected(t *testing.T) {
	r := request("upload", "POST")
	r.EndOfStream = true
	if x := Begin(set(t), r); x.Inspecting() || x.Reply() != nil || x.HoldHeaders() {
		t.Errorf("got %+v", x.Verdict())
	}
	// Over HTTP/2 the end may come on its own.
	x := Begin(set(t), request("upload", "POST"))
	x.Body(nil)
	x.End()
	if x.Reply() != nil {
		t.Errorf("an empty body: %+v", x.Verdict())
	}
}

func TestAFailureOfTheFilterItselfRefuses(t *testing.T) {
	early := &Exchange{}
	early.Failed(set(t), "why")
	for name, x := range map[string]*Exchange{"before it began": early, "later": begin(t, "upload", "")} {
		if name == "later" {
			x.Fail("why")
		}
		if x.Reply() == nil || x.Reply().Status != 503 || x.Inspecting() || x.Verdict().Reason != "why" {
			t.Errorf("%s: %+v", name, x.Verdict())
		}
	}
}

func TestRespondSharesWithTheAllowedOriginOnly(t *testing.T) {
	for origin, want := range map[string]string{"https://a.example": "https://a.example", "https://b.example": "", "": ""} {
		lines := [][2]string{{"origin", origin}}
		if origin == "" {
			lines = nil
		}
		x := Begin(set(t), request("base", "GET", lines...))
		got := http.Header{"Access-Control-Allow-Origin": {"*"}, "Vary": {"Accept"}}
		x.Respond(view(got))
		if got.Get("Access-Control-Allow-Origin") != want || got.Get("Vary") != "Accept, Origin" {
			t.Errorf("%q: %v", origin, got)
		}
	}
}

func TestTLSIsWhatTheProxySaysElseTheScheme(t *testing.T) {
	tests := []struct {
		scheme, proto string
		want          bool
	}{{"https", "", true}, {"http", "", false}, {"http", "https", true}, {"https", "http", false}}
	for _, tt := range tests {
		var h head
		h.read([][2]string{{":scheme", tt.scheme}, {"x-forwarded-proto", tt.proto}})
		if h.tls() != tt.want {
			t.Errorf("%+v", tt)
		}
	}
}

// rich is a request as a browser's page of another origin sends it.
func rich(t testing.TB) (*policy.Set, Request) {
	r := request("base", "GET", [2]string{"origin", "https://a.example"}, [2]string{"accept", "*/*"}, [2]string{"user-agent", "x"},
		[2]string{"sec-fetch-site", "cross-site"}, [2]string{"sec-fetch-mode", "cors"}, [2]string{"sec-fetch-dest", "empty"})
	r.EndOfStream = true
	return set(t), r
}

func TestARequestAllocatesNothingOnceThereWasOne(t *testing.T) {
	s, r := rich(t)
	var x Exchange
	var response abi.Map
	answer := string(abi.Pack(nil, [][2]string{{":status", "200"}, {"content-type", "text/html"}, {"server", "x"}, {"vary", "Accept-Encoding"}, {"x-powered-by", "y"},
		{"access-control-allow-origin", "*"}}))
	var told counting
	n := testing.AllocsPerRun(100, func() {
		x.Begin(s, &r)
		response.Load(answer)
		x.Respond(&response)
		if err := response.Tell(&told); err != nil {
			t.Error(err)
		}
		x.Reset()
	})
	if n != 0 {
		t.Errorf("%v allocations a request", n)
	}
	if got := response.Values("access-control-allow-origin"); len(got) != 1 || got[0] != "https://a.example" {
		t.Errorf("%q", response.Lines())
	}
}

func TestNothingOfOneRequestIsLeftInTheNext(t *testing.T) {
	s, r := rich(t)
	var x Exchange
	x.Begin(s, &r)
	x.Fail("first")
	x.Reset()
	next := request("base", "GET")
	x.Begin(s, &next)
	if x.Reply() != nil || x.Verdict().Decision != verdict.Allow || x.Verdict().Reason != "" {
		t.Errorf("%+v", x.Verdict())
	}
	got := http.Header{}
	x.Respond(view(got))
	if got.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("the next answer goes to the origin of the last: %v", got)
	}
}

// The merged value of the last Vary is kept, but nothing of where it came from.
func TestVaryIsMergedForEachAnswerAsIfItWereTheFirst(t *testing.T) {
	t.Parallel()
	s, r := rich(t)
	var x Exchange
	for i, test := range []struct{ have, want string }{
		{"Accept-Encoding", "Accept-Encoding, Origin"},
		{"Accept-Encoding", "Accept-Encoding, Origin"},
		{"Accept-Language", "Accept-Language, Origin"},
		{"Accept-Encoding", "Accept-Encoding, Origin"},
		{"", "Origin"},
		{"accept, origin", "accept, origin"},
		{"*", "*"},
		{"Accept-Language", "Accept-Language, Origin"},
	} {
		memory := abi.Pack(nil, [][2]string{{":status", "200"}, {"vary", test.have}})
		var response abi.Map
		if !response.Load(unsafe.String(&memory[0], len(memory))) {
			t.Fatal("no map")
		}
		x.Begin(s, &r)
		x.Respond(&response)
		if got := response.Values("vary"); len(got) != 1 || got[0] != test.want {
			t.Errorf("answer %d: %q instead of %q", i, got, test.want)
		}
		x.Reset()
		clear(memory) // the host's next answer comes here
	}
}

func BenchmarkCORSRequest(b *testing.B) {
	s := set(b)
	r := request("base", "GET", [2]string{"origin", "https://a.example"}, [2]string{"accept", "*/*"}, [2]string{"user-agent", "x"})
	r.EndOfStream = true
	v := view(http.Header{})
	b.ReportAllocs()
	for b.Loop() {
		Begin(s, r).Respond(v)
	}
}

// counting is a host that only counts.
type counting int

func (c *counting) Remove(string) error          { *c++; return nil }
func (c *counting) Replace(string, string) error { *c++; return nil }
func (c *counting) Add(string, string) error     { *c++; return nil }
func (c *counting) ReplaceAll([][2]string) error { *c++; return nil }

func BenchmarkARequestOnceThereWasOne(b *testing.B) {
	s, r := rich(b)
	var x Exchange
	var response abi.Map
	answer := string(abi.Pack(nil, [][2]string{{":status", "200"}, {"content-type", "text/html"}, {"content-length", "11"}, {"date", "x"}}))
	asked := string(abi.Pack(nil, r.Headers))
	var request abi.Map
	var told counting
	b.ReportAllocs()
	for b.Loop() {
		request.Load(asked)
		r.Headers = request.Lines()
		x.Begin(s, &r)
		response.Load(answer)
		x.Respond(&response)
		_ = response.Tell(&told)
		x.Reset()
	}
}

func (v view) RemoveAll(names *abi.Names, but ...string) {
	for _, name := range names.List() {
		if !slices.Contains(but, name) {
			v.Remove(name)
		}
	}
}
