package upload

import "gatehouse/filter/verdict"

// The rules by which an upload is refused. They are stable: events, alerts and
// reports name them.
const (
	RuleMalformed    = "multipart_malformed"
	RuleEncoding     = "encoding_unsupported"
	RuleUndeclared   = "type_undeclared"
	RuleUnknown      = "type_unknown"
	RuleMismatch     = "type_mismatch"
	RuleNotAllowed   = "type_not_allowed"
	RuleName         = "name_unsafe"
	RuleFileSize     = "file_too_large"
	RuleRequestSize  = "request_too_large"
	RuleTooManyFiles = "too_many_files"
	RuleTruncated    = "file_truncated"
	RuleAppended     = "file_appended"
	RuleBody         = "body_mismatch"
	RulePolyglot     = "polyglot"
	RulePDF          = "unsafe_pdf"
	RuleSVG          = "unsafe_svg"
	RuleMacro        = "unsafe_macro"
	RuleArchive      = "unsafe_archive"
	RuleImageCode    = "image_carries_code"
	RuleTextCode     = "text_carries_code"
	RuleTestVirus    = "eicar"
)

// Refusal says why a request must not go on. Reason is precise, for the log;
// Problem is what the client may know.
type Refusal struct {
	Rule    string
	Reason  string
	Problem verdict.Problem
}
