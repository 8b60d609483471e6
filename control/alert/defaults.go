package alert

import "time"

// Defaults are the five triggers that the audit asks for. A rule of the same
// name in gatehouse.yaml takes the place of one.
func Defaults() []Rule {
	const failedSignIn = `event.type == "authentication_attempt" && event.outcome == "failure"`
	return []Rule{
		{
			Name: "failed-sign-ins", When: failedSignIn, MoreThan: 5, Window: 5 * time.Minute, GroupBy: []string{"client"},
			Severity: Warning, Summary: "more than 5 failed sign-ins from one address in 5 minutes: somebody may be guessing passwords",
		},
		{
			Name: "failed-sign-ins-of-user", When: failedSignIn, MoreThan: 5, Window: 5 * time.Minute, GroupBy: []string{"subject"},
			Severity: Warning, Summary: "more than 5 failed sign-ins to one account in 5 minutes, from whatever addresses",
		},
		{
			// What only has the wrong type is no attack; what hides something is.
			Name: "malicious-upload",
			When: `event.type == "file_upload_rejected" && (event.rule.startsWith("unsafe_") || ` +
				`event.rule in ["eicar", "scanner_found", "image_carries_code", "text_carries_code", "polyglot", "type_mismatch", "body_mismatch", "name_unsafe"])`,
			MoreThan: 0, Window: time.Minute, GroupBy: []string{"client"},
			Severity: Critical, Summary: "a file that hides what it is, or does harm, was refused",
		},
		{
			Name: "limit-violations", When: `event.type == "rate_limit_exceeded"`, MoreThan: 100, Window: time.Minute,
			GroupBy: []string{"client"}, Severity: Warning, Summary: "more than 100 refused requests from one address in a minute",
		},
		{
			Name: "data-access-request", When: `event.type == "subject_request_received" && event.detail["kind"] == "access"`,
			MoreThan: 0, Window: time.Minute, GroupBy: []string{"subject"},
			Severity: Info, Summary: "a person asks for the data about them: there is one month to answer (GDPR Art. 12(3), 15)",
		},
		{
			Name: "secret-detected", When: `event.type == "secret_detected"`, MoreThan: 0, Window: time.Minute, GroupBy: []string{"rule"},
			Severity: Critical, Summary: "a secret was found in a log, in the environment or in code: replace it",
		},
	}
}
