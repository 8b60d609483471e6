package upload

import "gatehouse/filter/verdict"

// The families of rules by which an upload is refused. They are stable: events,
// alerts and reports name them.
const (
	RuleMalformed    = "multipart_malformed"
	RuleEncoding     = "encoding_unsupported"
	RuleJSON         = "json_malformed"
	RulePartial      = "upload_partial"
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
	RuleOffice       = "unsafe_office"
	RuleXML          = "unsafe_xml"
	RuleCSV          = "unsafe_csv"
	RuleCSVFormula   = "csv_formula"
	RuleArchive      = "unsafe_archive"
	RulePixels       = "image_too_large"
	RuleImageBomb    = "image_bomb"
	RuleImageCode    = "image_carries_code"
	RuleTextCode     = "text_carries_code"
	RuleTestVirus    = "eicar"
	RuleScanner      = "scanner_found"
	RuleUnscanned    = "scanner_unavailable"
	RuleScanSize     = "scanner_too_large"
)

// Refusal says why a request must not go on. Reason is precise, for the log;
// Problem is what the client may know.
type Refusal struct {
	Rule    string
	Reason  string
	Problem verdict.Problem
	id      string
}

// ID is the stable identifier of the exact rule, GH-PDF-003; docs/upload_rules.md
// says what each of them means.
func (r *Refusal) ID() string {
	if r.id != "" {
		return r.id
	}
	for i := range ruleTable {
		if ruleTable[i].Family == r.Rule {
			return ruleTable[i].ID
		}
	}
	return ""
}

// RuleInfo is a line of the list of rules.
type RuleInfo struct {
	ID, Family, Means string
	problem           verdict.Problem
}

// Rules lists all rules. The first one of a family also stands for what has no
// identifier of its own.
func Rules() []RuleInfo { return append([]RuleInfo(nil), ruleTable...) }

// refuse makes the refusal of a rule of the table.
func refuse(id, what string) *Refusal {
	for i := range ruleTable {
		if ruleTable[i].ID == id {
			return &Refusal{Rule: ruleTable[i].Family, Reason: what, Problem: ruleTable[i].problem, id: id}
		}
	}
	return &Refusal{Rule: RuleUnknown, Reason: what, Problem: unsafeContent, id: id}
}

// ruleTable is never written to. Identifiers are never given anew.
var ruleTable = []RuleInfo{
	{"GH-FRM-001", RuleMalformed, "two servers could read the form in two ways", unsafeContent},
	{"GH-FRM-002", RuleEncoding, "the body is encoded in a way that is not decoded here", unsupported},
	{"GH-FRM-003", RuleBody, "the body is not what its Content-Type says", unsupported},
	{"GH-FRM-004", RulePartial, "a part of a file, which cannot be judged without the rest", unsupported},
	{"GH-FRM-005", RuleMalformed, "the charset makes servers read other letters than were judged", unsafeContent},
	{"GH-JSN-001", RuleJSON, "two parsers could read the JSON in two ways", unsafeContent},
	{"GH-JSN-002", RuleJSON, "a JSON field that should hold a file holds no base64 that all read alike", unsafeContent},
	{"GH-TYP-001", RuleUndeclared, "a body without a Content-Type", unsupported},
	{"GH-TYP-002", RuleUnknown, "the content is of no known type", unsupported},
	{"GH-TYP-003", RuleMismatch, "content, name and declared type do not agree", unsupported},
	{"GH-TYP-004", RuleNotAllowed, "the policy does not allow the type", unsupported},
	{"GH-TYP-005", RuleTruncated, "the file is cut off or broken", unsafeContent},
	{"GH-TYP-006", RuleAppended, "something follows the end of the file", unsafeContent},
	{"GH-TYP-007", RulePolyglot, "the file is valid as two types", unsafeContent},
	{"GH-NAM-001", RuleName, "the name could do harm where it is written or shown", unsafeContent},
	{"GH-NAM-002", RuleName, "the name is not in Unicode's normal form C, so that systems see different names", unsafeContent},
	{"GH-SIZ-001", RuleFileSize, "the file is larger than the policy allows", tooLarge},
	{"GH-SIZ-002", RuleRequestSize, "the request is larger than the policy allows", tooLarge},
	{"GH-SIZ-003", RuleTooManyFiles, "more files than the policy allows", tooLarge},
	{"GH-SIZ-004", RulePixels, "the image has more pixels than the policy allows", tooLarge},
	{"GH-IMG-001", RuleImageBomb, "compressed data in the image hold more than the image has room for", unsafeContent},
	{"GH-PDF-001", RulePDF, "the PDF holds active content of another kind", unsafeContent},
	{"GH-PDF-002", RulePDF, "the PDF holds JavaScript", unsafeContent},
	{"GH-PDF-003", RulePDF, "the PDF starts a program (Launch)", unsafeContent},
	{"GH-PDF-004", RulePDF, "the PDF holds an embedded file", unsafeContent},
	{"GH-PDF-005", RulePDF, "the PDF holds an XFA form", unsafeContent},
	{"GH-PDF-006", RulePDF, "the PDF holds rich media", unsafeContent},
	{"GH-PDF-007", RulePDF, "the PDF sends or loads form data (SubmitForm, ImportData)", unsafeContent},
	{"GH-PDF-008", RulePDF, "a stream of the PDF inflates beyond its budget", unsafeContent},
	{"GH-PDF-009", RulePDF, "an object stream of the PDF cannot be read", unsafeContent},
	{"GH-PDF-010", RulePDF, "the PDF leads to an address or another file, which the policy refuses, or does so on being opened", unsafeContent},
	{"GH-SVG-001", RuleSVG, "the SVG has an element that runs or loads something", unsafeContent},
	{"GH-SVG-002", RuleSVG, "the SVG has a script", unsafeContent},
	{"GH-SVG-003", RuleSVG, "the SVG has an event handler", unsafeContent},
	{"GH-SVG-004", RuleSVG, "the SVG refers to a script", unsafeContent},
	{"GH-SVG-005", RuleSVG, "the SVG refers to something outside", unsafeContent},
	{"GH-SVG-006", RuleSVG, "the SVG declares entities or runs a style sheet", unsafeContent},
	{"GH-XML-001", RuleXML, "the XML declares entities that load something or multiply", unsafeContent},
	{"GH-OFF-001", RuleMacro, "the document holds macros", unsafeContent},
	{"GH-OFF-002", RuleOffice, "the document is linked to something active outside (template, object, frame)", unsafeContent},
	{"GH-OFF-003", RuleOffice, "the document has a DDE link", unsafeContent},
	{"GH-OFF-004", RuleOffice, "the document holds an embedded OLE object", unsafeContent},
	{"GH-OFF-005", RuleOffice, "the document has an ActiveX control", unsafeContent},
	{"GH-OFF-006", RuleOffice, "the document is encrypted, so that nobody can see what it is", unsafeContent},
	{"GH-CSV-001", RuleCSV, "a cell starts a program through DDE", unsafeContent},
	{"GH-CSV-002", RuleCSVFormula, "a cell is a formula: reported, not refused", verdict.NoProblem},
	{"GH-CSV-003", RuleCSV, "a cell loads or sends something as soon as it is shown", unsafeContent},
	{"GH-ARC-001", RuleArchive, "a member's name leaves the folder, or could do harm", unsafeContent},
	{"GH-ARC-002", RuleArchive, "a member is a link that leads out, a device or a pipe", unsafeContent},
	{"GH-ARC-003", RuleArchive, "the archive and its directory disagree, or readers about its members", unsafeContent},
	{"GH-ARC-004", RuleArchive, "a member is a program", unsafeContent},
	{"GH-ARC-005", RuleArchive, "archives are nested too deep", unsafeContent},
	{"GH-ARC-006", RuleArchive, "the archive is too large, unpacked", unsafeContent},
	{"GH-ARC-007", RuleArchive, "a member grows as bombs do", unsafeContent},
	{"GH-ARC-008", RuleArchive, "a member is encrypted, so that nobody can see what it is", unsafeContent},
	{"GH-ARC-009", RuleArchive, "two members of a document have one name, and readers disagree which one counts", unsafeContent},
	{"GH-COD-001", RuleImageCode, "media carry code for a server or browser", unsafeContent},
	{"GH-COD-002", RuleTextCode, "a text carries code for a server", unsafeContent},
	{"GH-COD-003", RuleTestVirus, "the EICAR test file", unsafeContent},
	{"GH-SCAN-001", RuleScanner, "the virus scanner knows it", unsafeContent},
	{"GH-SCAN-002", RuleUnscanned, "the virus scanner did not answer in time", verdict.CheckUnavailable},
	{"GH-SCAN-003", RuleUnscanned, "the virus scanner could not be asked", verdict.CheckUnavailable},
	{"GH-SCAN-004", RuleScanSize, "the virus scanner does not take files of that size", tooLarge},
	{"GH-SCAN-005", RuleScanSize, "the body is larger than what is held back for the virus scanner", tooLarge},
}
