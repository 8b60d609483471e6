package accesslog

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	dataaccesslog "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"

	"gatehouse/authz/event"
	"gatehouse/filter/verdict"
)

// source is what identifies the sender of a stream.
type source struct {
	node, logName string
}

// finished tells the entry that ends a request from those that Envoy can be
// told to send at its start and in the middle.
func finished(entry *dataaccesslog.HTTPAccessLogEntry) bool {
	common := entry.GetCommonProperties()
	switch common.GetAccessLogType() {
	case dataaccesslog.AccessLogType_NotSet, dataaccesslog.AccessLogType_DownstreamEnd:
		// Deprecated in favour of the type, and still all that some Envoys set.
		return !common.GetIntermediateLogEntry() //nolint:staticcheck // see above
	default:
		return false
	}
}

// convert makes the event of an entry.
func (s *Service) convert(from source, entry *dataaccesslog.HTTPAccessLogEntry) event.Event {
	common, request := entry.GetCommonProperties(), entry.GetRequest()
	e := event.Event{
		ID:        identity(from, entry),
		Time:      s.when(common),
		Source:    "envoy",
		Instance:  clean(from.node, maxName),
		RequestID: clean(request.GetRequestId(), maxID),
		Method:    methodOf(request),
		Host:      strings.ToLower(clean(request.GetAuthority(), maxHost)),
		Path:      clean(withoutQuery(cmp.Or(request.GetOriginalPath(), request.GetPath())), maxPath),
		Status:    int(entry.GetResponse().GetResponseCode().GetValue()),
		Route:     clean(common.GetRouteName(), maxName),
	}
	e.Personal = map[string]string{}
	if address := common.GetDownstreamRemoteAddress().GetSocketAddress().GetAddress(); address != "" {
		e.Client = s.clientOf(address)
		set(e.Personal, event.PersonalIP, clean(address, maxName))
	}
	set(e.Personal, event.PersonalUserAgent, clean(request.GetUserAgent(), maxHost))
	s.judge(&e, entry)
	return e
}

func (s *Service) when(common *dataaccesslog.AccessLogCommon) time.Time {
	if common.GetStartTime() == nil {
		return s.now()
	}
	return common.GetStartTime().AsTime()
}

// identity is made of what no two requests of one Envoy share: the stream's id,
// the nanosecond of its start, the client's port, and how long it took.
func identity(from source, entry *dataaccesslog.HTTPAccessLogEntry) string {
	common := entry.GetCommonProperties()
	return event.DeriveID(from.node, from.logName, common.GetStreamId(), entry.GetRequest().GetRequestId(),
		common.GetStartTime().AsTime().Format(time.RFC3339Nano),
		common.GetDownstreamDirectRemoteAddress().GetSocketAddress().String(),
		common.GetDuration().String(), common.GetTimeToLastDownstreamTxByte().String(),
		entry.GetRequest().GetPath())
}

// judge fills in who decided what.
func (s *Service) judge(e *event.Event, entry *dataaccesslog.HTTPAccessLogEntry) {
	common := entry.GetCommonProperties()
	filter, readable := filterDecision(common)
	authz := authzDecision(common)
	details := entry.GetResponse().GetResponseCodeDetails()

	e.Subject = clean(authz.Subject, maxName)
	e.Policy = clean(cmp.Or(authz.Policy, filter.Policy), maxName)
	e.PolicyVersion = clean(cmp.Or(authz.Version, filter.Version), maxName)
	e.Detail = map[string]string{}
	if details != "" && details != "via_upstream" {
		e.Detail["response_code_details"] = clean(details, maxReason)
	}
	if !readable {
		e.Detail["verdict"] = "unreadable"
	}
	describeFiles(e, filter.Files)

	chief, other := filter, authz
	if authz.weight() > filter.weight() {
		chief, other = authz, filter
	}
	switch {
	case chief.weight() > 0:
		decided(e, chief, other)
	case byEnvoy(e, details):
	case len(filter.Files) > 0:
		e.Type, e.Outcome, e.Severity = event.FileUploadAccepted, event.Allow, event.Info
		e.Feature = string(verdict.FeatureUploads)
	default:
		e.Type, e.Outcome, e.Severity = event.RequestAllowed, event.Allow, event.Info
	}
	if len(e.Detail) == 0 {
		e.Detail = nil
	}
}

// describeFiles tells of the file that was refused, else of the first.
func describeFiles(e *event.Event, files []file) {
	if len(files) == 0 {
		return
	}
	chief := files[max(0, slices.IndexFunc(files, func(f file) bool { return f.SHA256 != "" }))]
	set(e.Personal, event.PersonalFilename, clean(chief.Name, maxHost))
	set(e.Personal, event.PersonalFilenameSent, clean(chief.Sent, maxHost))
	set(e.Detail, "declared", clean(chief.Declared, maxName))
	set(e.Detail, "detected", clean(chief.Detected, maxName))
	e.Detail["size"] = strconv.FormatInt(chief.Size, 10)
	if chief.SHA256 != "" {
		set(e.Detail, "sha256", clean(chief.SHA256, maxName))
		e.Detail["hashed"] = strconv.FormatInt(chief.Hashed, 10)
		e.Detail["offset"] = strconv.FormatInt(chief.Offset, 10)
	}
	if len(files) > 1 {
		e.Detail["files"] = strconv.Itoa(len(files))
	}
}

func set(detail map[string]string, name, value string) {
	if value != "" {
		detail[name] = value
	}
}

// decided writes down a deny or a report.
func decided(e *event.Event, chief, other decision) {
	e.Feature, e.Rule = clean(chief.Feature, maxName), clean(chief.Rule, maxName)
	e.Reason = clean(chief.Reason, maxReason)
	set(e.Detail, "rule_id", clean(chief.RuleID, maxName))
	set(e.Detail, "limit", clean(chief.Limit, maxName))
	set(e.Detail, "purpose", clean(chief.Purpose, maxName))
	e.Type = typeOf(chief)
	e.Outcome, e.Severity = event.Deny, severityOf(e.Type)
	if chief.Rule == ruleSessionReplaced {
		// A token that was replaced long ago: somebody has a copy of it, or a client has
		// kept the old one.
		e.Severity = event.Critical
	}
	if chief.weight() == 1 {
		e.Outcome, e.Severity = event.Report, event.Warning
	}
	if other.weight() > 0 {
		e.Detail["also"] = clean(other.Decision+" "+other.Feature+" "+other.Rule, maxReason)
	}
}

// Rules of Check that tell a check that could not be made from one that failed;
// extauthz uses the same words.
const (
	ruleSessionUnavailable = "session_unavailable"
	ruleLimitsUnavailable  = "limits_unavailable"
	ruleConsentUnavailable = "consent_unavailable"
	rulePolicyUnavailable  = "policy_unavailable"
	ruleAssertionFailed    = "assertion_failed"
	ruleUnknownPolicy      = "unknown_policy"
	ruleSessionExpired     = "session_expired"
	ruleSessionReplaced    = "session_replaced"
)

func typeOf(d decision) event.Type {
	switch d.Rule {
	case ruleSessionUnavailable, ruleLimitsUnavailable, ruleConsentUnavailable, rulePolicyUnavailable, ruleAssertionFailed:
		return event.CheckUnavailable
	case ruleUnknownPolicy:
		return event.PolicyUnknown
	case ruleSessionExpired:
		return event.SessionExpired
	}
	switch d.Feature {
	case string(verdict.FeatureUploads):
		return event.FileUploadRejected
	case string(verdict.FeatureCORS):
		return event.CORSRefused
	case "limits":
		return event.RateLimitExceeded
	case "session":
		return event.SessionRefused
	case "consent":
		return event.ConsentMissing
	default:
		return event.RequestDenied
	}
}

func severityOf(t event.Type) event.Severity {
	if t == event.CheckUnavailable || t == event.PolicyUnknown {
		return event.Critical
	}
	return event.Warning
}

// refusals are the response code details of Envoy's own filters that mean a
// deny; each stands for itself and for what begins with it.
var refusals = [...]struct {
	details string
	kind    event.Type
	feature string
}{
	{"ext_authz_error", event.CheckUnavailable, "authz"},
	{"wasm_fail_stream", event.CheckUnavailable, "filter"},
	{"rate_limiter_error", event.CheckUnavailable, "limits"},
	{"request_rate_limited", event.RateLimitExceeded, "limits"},
	{"ext_authz_denied", event.RequestDenied, "authz"},
	{"rbac_access_denied", event.RequestDenied, "rbac"},
	{"jwt_authn_access_denied", event.RequestDenied, "jwt"},
	{"csrf_origin_mismatch", event.RequestDenied, "csrf"},
	{"path_normalization_failed", event.RequestDenied, featureProtocol},
	{"absolute_path_rejected", event.RequestDenied, featureProtocol},
	{"missing_host_header", event.RequestDenied, featureProtocol},
	{"unexpected_underscore", event.RequestDenied, featureProtocol},
}

const featureProtocol = "protocol"

// byEnvoy recognises a deny that Envoy made without either room, or because a
// room did not answer.
func byEnvoy(e *event.Event, details string) bool {
	for _, refusal := range refusals {
		if strings.HasPrefix(details, refusal.details) {
			refused(e, refusal.kind, refusal.feature, refusal.details)
			return true
		}
	}
	if byCodec(e.Status, details) {
		refused(e, event.RequestDenied, featureProtocol, clean(details, maxName))
		return true
	}
	return false
}

func refused(e *event.Event, kind event.Type, feature, rule string) {
	e.Type, e.Feature, e.Rule = kind, feature, rule
	e.Outcome, e.Severity = event.Deny, severityOf(kind)
}

// byCodec recognises a request that was refused for its form. Clients that went
// away have details of the codecs too, but not these codes.
func byCodec(status int, details string) bool {
	if status != http.StatusBadRequest && status != http.StatusUpgradeRequired && status != http.StatusRequestHeaderFieldsTooLarge {
		return false
	}
	for _, codec := range [...]string{"http1.", "http2.", "http3."} {
		if strings.HasPrefix(details, codec) {
			return true
		}
	}
	return false
}

func methodOf(request *dataaccesslog.HTTPRequestProperties) string {
	if request.GetRequestMethod() == corev3.RequestMethod_METHOD_UNSPECIFIED {
		return "" // one of which Envoy knows no name, or no request at all
	}
	return request.GetRequestMethod().String()
}
