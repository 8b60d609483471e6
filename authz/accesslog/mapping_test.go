package accesslog

import (
	"encoding/json"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	dataaccesslog "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"gatehouse/authz/event"
	"gatehouse/filter/verdict"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func service(appended func(event.Event)) *Service {
	return New(Options{
		Append: appended, Client: func(address string) string { return "c:" + address },
		Now: func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler),
	})
}

func entry(change ...func(*dataaccesslog.HTTPAccessLogEntry)) *dataaccesslog.HTTPAccessLogEntry {
	e := &dataaccesslog.HTTPAccessLogEntry{
		CommonProperties: &dataaccesslog.AccessLogCommon{
			DownstreamRemoteAddress: address("203.0.113.7", 1234),
			StartTime:               timestamppb.New(noon.Add(-time.Second)),
			Duration:                durationpb.New(3 * time.Millisecond),
			RouteName:               "route-0",
			StreamId:                "stream-1",
		},
		Request: &dataaccesslog.HTTPRequestProperties{
			RequestMethod: corev3.RequestMethod_POST, Authority: "App.Example.com", Path: "/a/b?token=secret",
			RequestId: "r-1",
		},
		Response: &dataaccesslog.HTTPResponseProperties{
			ResponseCode: wrapperspb.UInt32(200), ResponseCodeDetails: "via_upstream",
		},
	}
	for _, c := range change {
		c(e)
	}
	return e
}

func address(ip string, port uint32) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: ip, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
	}}}
}

func withVerdict(v verdict.Verdict) func(*dataaccesslog.HTTPAccessLogEntry) {
	return withState(wrapperspb.Bytes(v.AppendJSON(nil)))
}

func withState(m proto.Message) func(*dataaccesslog.HTTPAccessLogEntry) {
	return func(e *dataaccesslog.HTTPAccessLogEntry) {
		packed, err := anypb.New(m)
		if err != nil {
			packed = nil
		}
		e.CommonProperties.FilterStateObjects = map[string]*anypb.Any{verdict.FilterState: packed}
	}
}

func withMetadata(pairs ...string) func(*dataaccesslog.HTTPAccessLogEntry) {
	return func(e *dataaccesslog.HTTPAccessLogEntry) {
		fields := map[string]*structpb.Value{}
		for i := 0; i < len(pairs); i += 2 {
			fields[pairs[i]] = structpb.NewStringValue(pairs[i+1])
		}
		e.CommonProperties.Metadata = &corev3.Metadata{
			FilterMetadata: map[string]*structpb.Struct{extAuthzNamespace: {Fields: fields}},
		}
	}
}

func withDetails(code uint32, details string) func(*dataaccesslog.HTTPAccessLogEntry) {
	return func(e *dataaccesslog.HTTPAccessLogEntry) {
		e.Response.ResponseCode, e.Response.ResponseCodeDetails = wrapperspb.UInt32(code), details
	}
}

func TestAnEntryBecomesTheEventOfWhatHappened(t *testing.T) {
	allowed := withMetadata("decision", "allow", "policy", "base", "policy_version", "v1")
	file := verdict.File{Name: "x.pdf", Declared: "application/pdf", Detected: "html", Size: 12}
	upload := verdict.Verdict{
		Decision: verdict.Deny, Policy: "base", Version: "v1", Feature: verdict.FeatureUploads,
		Rule: "upload_type_mismatch", Reason: "claims pdf, is html", Problem: verdict.UnsupportedFileType,
		Files: []verdict.File{file},
	}
	hashed := upload
	hashed.RuleID = "GH-TYP-002"
	hashed.Files = []verdict.File{{Name: "honest.pdf"}, {Name: "y.pdf", Sent: "../y.pdf", Detected: "exe", Size: 90_000, SHA256: "ab12", Hashed: 65_536, Offset: 131_072}}
	report := upload
	report.Decision = verdict.Report
	type entries = []func(*dataaccesslog.HTTPAccessLogEntry)
	for _, c := range []struct {
		name     string
		of       entries
		kind     event.Type
		outcome  event.Outcome
		severity event.Severity
		feature  string
		rule     string
		detail   map[string]string
	}{
		{"nobody objected", entries{allowed}, event.RequestAllowed, event.Allow, event.Info, "", "", nil},
		{"nobody was asked", nil, event.RequestAllowed, event.Allow, event.Info, "", "", nil},
		{"the filter refused a file", entries{allowed, withVerdict(upload)}, event.FileUploadRejected, event.Deny, event.Warning,
			"uploads", "upload_type_mismatch",
			map[string]string{"declared": "application/pdf", "detected": "html", "size": "12"}},
		{"the filter refused the second file", entries{allowed, withVerdict(hashed)}, event.FileUploadRejected, event.Deny, event.Warning,
			"uploads", "upload_type_mismatch",
			map[string]string{
				"detected": "exe", "size": "90000", "sha256": "ab12", "hashed": "65536", "offset": "131072", "files": "2", "rule_id": "GH-TYP-002",
			}},
		{"the filter reported a file", entries{allowed, withVerdict(report)}, event.FileUploadRejected, event.Report, event.Warning,
			"uploads", "upload_type_mismatch",
			map[string]string{"declared": "application/pdf", "detected": "html", "size": "12"}},
		{"the filter accepted two files", entries{allowed, withVerdict(verdict.Verdict{Decision: verdict.Allow, Files: []verdict.File{file, file}})},
			event.FileUploadAccepted, event.Allow, event.Info, "uploads", "",
			map[string]string{"declared": "application/pdf", "detected": "html", "size": "12", "files": "2"}},
		{"the filter refused an origin", entries{withVerdict(verdict.Verdict{Decision: verdict.Deny, Feature: verdict.FeatureCORS, Rule: "cors_origin"})},
			event.CORSRefused, event.Deny, event.Warning, "cors", "cors_origin", nil},
		{"the filter had no such policy", entries{withVerdict(verdict.Verdict{Decision: verdict.Deny, Feature: verdict.FeaturePolicy, Rule: "unknown_policy"})},
			event.PolicyUnknown, event.Deny, event.Critical, "policy", "unknown_policy", nil},
		{"a limit was exceeded", entries{withMetadata("decision", "deny", "feature", "limits", "rule", "limit_exceeded", "limit", "api_calls"),
			withDetails(429, "ext_authz_denied")},
			event.RateLimitExceeded, event.Deny, event.Warning, "limits", "limit_exceeded",
			map[string]string{"limit": "api_calls", "response_code_details": "ext_authz_denied"}},
		{"a limit would have been exceeded", entries{withMetadata("decision", "report", "feature", "limits", "rule", "limit_exceeded")},
			event.RateLimitExceeded, event.Report, event.Warning, "limits", "limit_exceeded", nil},
		{"a session was missing", entries{withMetadata("decision", "deny", "feature", "session", "rule", "session_required")},
			event.SessionRefused, event.Deny, event.Warning, "session", "session_required", nil},
		{"a session had expired", entries{withMetadata("decision", "deny", "feature", "session", "rule", "session_expired")},
			event.SessionExpired, event.Deny, event.Warning, "session", "session_expired", nil},
		{"a token after its rotation", entries{withMetadata("decision", "deny", "feature", "session", "rule", "session_replaced")},
			event.SessionRefused, event.Deny, event.Critical, "session", "session_replaced", nil},
		{"a token after its rotation, where that is only reported", entries{withMetadata("decision", "report", "feature", "session", "rule", "session_replaced")},
			event.SessionRefused, event.Report, event.Warning, "session", "session_replaced", nil},
		{"no consent", entries{withMetadata("decision", "deny", "feature", "consent", "rule", "consent_missing", "purpose", "news")},
			event.ConsentMissing, event.Deny, event.Warning, "consent", "consent_missing", map[string]string{"purpose": "news"}},
		{"nobody knows about a consent", entries{withMetadata("decision", "deny", "feature", "consent", "rule", "consent_unavailable", "purpose", "news")},
			event.CheckUnavailable, event.Deny, event.Critical, "consent", "consent_unavailable", map[string]string{"purpose": "news"}},
		{"Redis did not answer about a session", entries{withMetadata("decision", "deny", "feature", "session", "rule", "session_unavailable")},
			event.CheckUnavailable, event.Deny, event.Critical, "session", "session_unavailable", nil},
		{"Redis did not answer about a limit", entries{withMetadata("decision", "deny", "feature", "limits", "rule", "limits_unavailable")},
			event.CheckUnavailable, event.Deny, event.Critical, "limits", "limits_unavailable", nil},
		{"authz did not answer", entries{withDetails(503, "ext_authz_error")}, event.CheckUnavailable, event.Deny, event.Critical,
			"authz", "ext_authz_error", map[string]string{"response_code_details": "ext_authz_error"}},
		{"Envoy's own limit refused", entries{withDetails(429, "request_rate_limited")}, event.RateLimitExceeded, event.Deny, event.Warning,
			"limits", "request_rate_limited", map[string]string{"response_code_details": "request_rate_limited"}},
		{"Envoy refused the path", entries{withDetails(400, "path_normalization_failed")}, event.RequestDenied, event.Deny, event.Warning,
			"protocol", "path_normalization_failed", map[string]string{"response_code_details": "path_normalization_failed"}},
		{"Envoy's codec refused the request", entries{withDetails(400, "http1.invalid_url")}, event.RequestDenied, event.Deny, event.Warning,
			"protocol", "http1.invalid_url", map[string]string{"response_code_details": "http1.invalid_url"}},
		{"the client went away", entries{withDetails(0, "http2.remote_reset")}, event.RequestAllowed, event.Allow, event.Info,
			"", "", map[string]string{"response_code_details": "http2.remote_reset"}},
		{"the filter's machine had failed", entries{withDetails(503, "wasm_fail_stream")}, event.CheckUnavailable, event.Deny, event.Critical,
			"filter", "wasm_fail_stream", map[string]string{"response_code_details": "wasm_fail_stream"}},
		{"no upstream answered", entries{allowed, withDetails(503, "no_healthy_upstream")}, event.RequestAllowed, event.Allow, event.Info,
			"", "", map[string]string{"response_code_details": "no_healthy_upstream"}},
		{"a deny goes before a report", entries{withVerdict(report), withMetadata("decision", "deny", "feature", "limits", "rule", "limit_exceeded")},
			event.RateLimitExceeded, event.Deny, event.Warning, "limits", "limit_exceeded",
			map[string]string{"declared": "application/pdf", "detected": "html", "size": "12", "also": "report uploads upload_type_mismatch"}},
		{"a verdict that cannot be read", entries{withState(wrapperspb.String("{"))}, event.RequestAllowed, event.Allow, event.Info, "", "",
			map[string]string{"verdict": "unreadable"}},
		{"a verdict as a text", entries{withState(wrapperspb.String(`{"decision":"deny","feature":"cors","rule":"x"}`))},
			event.CORSRefused, event.Deny, event.Warning, "cors", "x", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := service(nil).convert(source{node: "n", logName: "l"}, entry(c.of...))
			if e.Type != c.kind || e.Outcome != c.outcome || e.Severity != c.severity || e.Feature != c.feature || e.Rule != c.rule {
				t.Errorf("got %s %s %s %s %s", e.Type, e.Outcome, e.Severity, e.Feature, e.Rule)
			}
			if !maps.Equal(e.Detail, c.detail) {
				t.Errorf("detail %v, want %v", e.Detail, c.detail)
			}
		})
	}
}

func TestAnEventTellsTheRequestWithoutItsSecrets(t *testing.T) {
	e := service(nil).convert(source{node: "envoy-1", logName: "l"}, entry(
		withMetadata("decision", "allow", "policy", "base", "policy_version", "v1", "subject", "u:abc")))
	want := event.Event{
		ID: e.ID, Time: noon.Add(-time.Second), Type: event.RequestAllowed, Severity: event.Info, Outcome: event.Allow,
		Source: "envoy", Instance: "envoy-1", RequestID: "r-1", Method: "POST", Host: "app.example.com", Path: "/a/b",
		Status: 200, Route: "route-0", Policy: "base", PolicyVersion: "v1", Subject: "u:abc", Client: "c:203.0.113.7",
	}
	got, _ := json.Marshal(e)
	wanted, _ := json.Marshal(want)
	if string(got) != string(wanted) {
		t.Errorf("got  %s\nwant %s", got, wanted)
	}
}

func TestWhatNamesAPersonIsKeptApartFromTheRest(t *testing.T) {
	upload := verdict.Verdict{
		Decision: verdict.Deny, Feature: verdict.FeatureUploads, Rule: "upload_type_mismatch",
		Files: []verdict.File{{Name: "her\x00 diagnosis.pdf", Sent: "../her\x00 diagnosis.pdf", Declared: "application/pdf", Detected: "html", Size: 12}},
	}
	e := service(nil).convert(source{}, entry(withVerdict(upload), func(e *dataaccesslog.HTTPAccessLogEntry) {
		e.Request.UserAgent = strings.Repeat("Agent/1 ", 200)
	}))
	if e.Personal["ip"] != "203.0.113.7" || e.Personal["filename"] != "her\ufffd diagnosis.pdf" || e.Personal["filename_sent"] != "../her\ufffd diagnosis.pdf" || len(e.Personal["user_agent"]) != maxHost {
		t.Errorf("%q", e.Personal)
	}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	for _, clear := range []string{"diagnosis", "Agent/1", `"203.0.113.7`} {
		if strings.Contains(string(text), clear) {
			t.Errorf("%s is in %s", clear, text)
		}
	}
}

func TestThePathIsTheOneThatTheClientAskedFor(t *testing.T) {
	e := service(nil).convert(source{}, entry(func(e *dataaccesslog.HTTPAccessLogEntry) {
		e.Request.OriginalPath, e.Request.Path = "/outside?x=1", "/rewritten"
	}))
	if e.Path != "/outside" {
		t.Errorf("got %q", e.Path)
	}
}

func TestTheSameEntryTwiceHasOneIDAndAnotherEntryAnother(t *testing.T) {
	s := service(nil)
	from := source{node: "n", logName: "l"}
	id := s.convert(from, entry()).ID
	if again := s.convert(from, entry()).ID; again != id {
		t.Error("the same entry has two IDs")
	}
	for name, change := range map[string]func(*dataaccesslog.HTTPAccessLogEntry){
		"another start": func(e *dataaccesslog.HTTPAccessLogEntry) {
			e.CommonProperties.StartTime = timestamppb.New(noon.Add(time.Nanosecond))
		},
		"another stream": func(e *dataaccesslog.HTTPAccessLogEntry) { e.CommonProperties.StreamId = "stream-2" },
	} {
		if s.convert(from, entry(change)).ID == id {
			t.Error(name + " has the same ID")
		}
	}
	if s.convert(source{node: "m", logName: "l"}, entry()).ID == id {
		t.Error("another Envoy has the same ID")
	}
}

// CVE-2024-45808: what a client writes must not forge lines of a log.
func TestLessonWhatIsLoggedForgesNoLine(t *testing.T) {
	hostile := "/a\r\nHTTP/1.1 200 OK \x1b[2J\u202e\u2028" + strings.Repeat("é", 2000)
	e := service(nil).convert(source{node: hostile}, entry(
		func(e *dataaccesslog.HTTPAccessLogEntry) {
			e.Request.Path, e.Request.Authority, e.Request.RequestId = hostile, hostile, hostile
			e.CommonProperties.RouteName = hostile
		},
		withVerdict(verdict.Verdict{
			Decision: verdict.Deny, Feature: verdict.Feature(hostile), Rule: hostile, Reason: hostile, Policy: hostile,
			Files: []verdict.File{{Name: hostile, Declared: hostile, Detected: hostile}},
		})))
	fields := []string{e.Path, e.Host, e.RequestID, e.Instance, e.Route, e.Feature, e.Rule, e.Reason, e.Policy}
	for _, value := range e.Detail {
		fields = append(fields, value)
	}
	for _, field := range fields {
		if field == "" || len(field) > maxPath || strings.ContainsAny(field, "\r\n\x1b\u202e\u2028") {
			t.Errorf("got %q", field)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("plain", 3)
	f.Add("\x00\xff\u202e", 2)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = max(0, min(limit, 1<<16))
		got := clean(s, limit)
		if len(got) > limit || strings.ContainsAny(got, "\r\n\x00\x1b") {
			t.Errorf("%q with %d gave %q", s, limit, got)
		}
	})
}

func FuzzVerdict(f *testing.F) {
	f.Add([]byte(`{"decision":"deny","files":[{"size":1}]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, text []byte) {
		e := service(nil).convert(source{}, entry(withState(wrapperspb.Bytes(text))))
		if e.Type == "" || e.Outcome == "" || e.Severity == "" || e.ID == "" {
			t.Errorf("%q gave %+v", text, e)
		}
	})
}
