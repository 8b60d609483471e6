// Package verdict holds the one sentence that Gatehouse says about a request:
// what was decided, by which feature, under which rule.
//
// It promises a stable JSON form (the filter state object
// "wasm.gatehouse.verdict", read by the access log service) and a stable
// RFC 9457 problem document for the client. It does not decide anything, and it
// never puts the precise Reason into the problem document: what is precise is
// for the log, what the client sees is generic.
package verdict

// FilterState is the name under which Envoy publishes the verdict: the host
// prefixes the property that the filter sets with "wasm.".
const (
	Property    = "gatehouse.verdict"
	FilterState = "wasm." + Property
)

// Decision is what happened to the request.
type Decision string

// Report means: would have been denied, but the feature's mode is report.
const (
	Allow  Decision = "allow"
	Deny   Decision = "deny"
	Report Decision = "report"
)

// Feature names the part of a policy that decided.
type Feature string

const (
	FeaturePolicy  Feature = "policy"
	FeatureHeaders Feature = "headers"
	FeatureCORS    Feature = "cors"
	FeatureCSRF    Feature = "csrf"
	FeatureUploads Feature = "uploads"
)

// Verdict is the filter's decision on one request. Rule is a stable
// identifier ("upload_type_mismatch"), Reason a precise sentence for the log.
type Verdict struct {
	Policy   string
	Version  string // version of the filter configuration that decided
	Decision Decision
	Feature  Feature
	Rule     string
	RuleID   string // of an upload: the exact rule's, GH-PDF-003
	Reason   string
	Problem  Problem // meaningful only when Decision is Deny or Report
	Files    []File
}

// File is one inspected upload. Name is the client's, bounded by the inspector.
type File struct {
	Name     string
	Sent     string // what the client called it, if the policy had the name rewritten
	Declared string // declared media type
	Detected string // detected type id, e.g. "pdf"
	Size     int64  // bytes seen
	// Of a file that was refused: SHA256 is the hash, in lower-case hex, of its first
	// Hashed bytes, which are all of it if they are Size and it had ended. Offset is
	// where the piece of it begins (of at most 64 KiB from the filter) that told, in
	// bytes; its size if only its end did.
	SHA256 string
	Hashed int64
	Offset int64
}
