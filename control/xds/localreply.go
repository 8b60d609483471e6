package xds

import (
	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"gatehouse/filter/verdict"
)

// Envoy's response flags of what it answers itself.
var (
	// authzFlags: ext_authz refused or failed.
	authzFlags = []string{"UAEX"}
	// upstreamFlags: no answer came from the application.
	upstreamFlags = []string{"UH", "UF", "UO", "UC", "UT", "UR", "URX", "UPE", "NC", "LR", "DPE"}
)

// localReplies gives Envoy's own refusals the form of all others. Those that
// the filter and authz write have it already.
func (b *builder) localReplies() *hcmv3.LocalReplyConfig {
	check := verdict.CheckUnavailable
	return &hcmv3.LocalReplyConfig{Mappers: []*hcmv3.ResponseMapper{
		{
			// ext_authz without an answer leaves the body empty. A 503 that authz
			// itself decided has this very document already.
			Filter:             allOf(flagged(authzFlags), statusIs(uint32(check.Status()))), // #nosec G115 -- three digits
			BodyFormatOverride: problemFormat(check.Type(), check.Title(), structpb.NewNumberValue(float64(check.Status()))),
		},
		{
			Filter: flagged(upstreamFlags),
			BodyFormatOverride: problemFormat("urn:gatehouse:problem:upstream-unavailable",
				"The application did not answer", structpb.NewStringValue("%RESPONSE_CODE%")),
		},
	}}
}

// problemFormat is a problem document (RFC 9457) that Envoy completes with the
// request's id.
func problemFormat(kind, title string, status *structpb.Value) *corev3.SubstitutionFormatString {
	return &corev3.SubstitutionFormatString{
		ContentType: verdict.ContentType,
		Format: &corev3.SubstitutionFormatString_JsonFormat{JsonFormat: &structpb.Struct{Fields: map[string]*structpb.Value{
			"type":       structpb.NewStringValue(kind),
			"title":      structpb.NewStringValue(title),
			"status":     status,
			"request_id": structpb.NewStringValue("%REQ(X-REQUEST-ID)%"),
		}}},
	}
}

func flagged(flags []string) *accesslogv3.AccessLogFilter {
	return &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_ResponseFlagFilter{
		ResponseFlagFilter: &accesslogv3.ResponseFlagFilter{Flags: flags},
	}}
}

func statusIs(code uint32) *accesslogv3.AccessLogFilter {
	return &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_StatusCodeFilter{
		StatusCodeFilter: &accesslogv3.StatusCodeFilter{Comparison: &accesslogv3.ComparisonFilter{
			Op: accesslogv3.ComparisonFilter_EQ,
			Value: &corev3.RuntimeUInt32{
				DefaultValue: code, RuntimeKey: "gatehouse.unused",
			},
		}},
	}}
}

func allOf(filters ...*accesslogv3.AccessLogFilter) *accesslogv3.AccessLogFilter {
	return &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_AndFilter{
		AndFilter: &accesslogv3.AndFilter{Filters: filters},
	}}
}
