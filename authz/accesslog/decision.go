package accesslog

import (
	"encoding/json"

	dataaccesslog "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"gatehouse/filter/verdict"
)

const (
	extAuthzNamespace = "envoy.filters.http.ext_authz"
	maxVerdict        = 64 << 10
)

// decision is what one of the two rooms said about a request; the zero value is
// a room that said nothing.
type decision struct {
	Decision string `json:"decision"`
	Policy   string `json:"policy"`
	Version  string `json:"version"`
	Feature  string `json:"feature"`
	Rule     string `json:"rule"`
	RuleID   string `json:"rule_id"`
	Reason   string `json:"reason"`
	Files    []file `json:"files"`

	Subject string `json:"-"` // ext_authz only
	Limit   string `json:"-"`
	Purpose string `json:"-"`
}

type file struct {
	Name     string `json:"name"`
	Declared string `json:"declared"`
	Detected string `json:"detected"`
	Size     int64  `json:"size"`
	// Sent is what the client called it, where the policy had that rewritten.
	Sent string `json:"sent"`
	// These are known of a file that was refused.
	SHA256 string `json:"sha256"`
	Hashed int64  `json:"hashed"`
	Offset int64  `json:"offset"`
}

// weight orders decisions: what was refused is told before what would have been.
func (d *decision) weight() int {
	switch verdict.Decision(d.Decision) {
	case verdict.Deny:
		return 2
	case verdict.Report:
		return 1
	default:
		return 0
	}
}

// filterDecision reads the filter's verdict from filter state. Envoy logs what a
// Wasm filter sets as BytesValue; a native filter would set a StringValue.
// readable is false if there is one that cannot be understood.
func filterDecision(common *dataaccesslog.AccessLogCommon) (d decision, readable bool) {
	packed, ok := common.GetFilterStateObjects()[verdict.FilterState]
	if !ok {
		return decision{}, true
	}
	var text []byte
	var asBytes wrapperspb.BytesValue
	var asString wrapperspb.StringValue
	switch {
	case packed.MessageIs(&asBytes) && packed.UnmarshalTo(&asBytes) == nil:
		text = asBytes.GetValue()
	case packed.MessageIs(&asString) && packed.UnmarshalTo(&asString) == nil:
		text = []byte(asString.GetValue())
	}
	if len(text) > maxVerdict || json.Unmarshal(text, &d) != nil {
		return decision{}, false
	}
	return d, true
}

// authzDecision reads what Check put into dynamic metadata.
func authzDecision(common *dataaccesslog.AccessLogCommon) decision {
	fields := common.GetMetadata().GetFilterMetadata()[extAuthzNamespace].GetFields()
	return decision{
		Decision: text(fields, "decision"), Policy: text(fields, "policy"), Version: text(fields, "policy_version"),
		Feature: text(fields, "feature"), Rule: text(fields, "rule"), Reason: text(fields, "reason"),
		Subject: text(fields, "subject"), Limit: text(fields, "limit"),
		Purpose: text(fields, "purpose"),
	}
}

func text(fields map[string]*structpb.Value, name string) string {
	return fields[name].GetStringValue()
}
