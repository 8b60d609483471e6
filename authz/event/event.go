// Package event holds the one type in which every room reports a
// security-relevant fact, and the writer that appends it to the Redis stream.
//
// It promises that an event, once Append has returned, gets into the stream at
// least once, or is counted as lost, out loud; Append itself never waits. An
// event that gets in twice has the same ID both times. It carries people only as
// keyed pseudonyms (see Pseudonymizer), and what must stay readable only sealed
// (see Transit). It does not store, search or alert: control does. What waits
// in the queue does not survive the process being killed.
package event

import "time"

// Type names what happened. The first three are the seed's.
type Type string

const (
	AuthenticationAttempt Type = "authentication_attempt"
	RateLimitExceeded     Type = "rate_limit_exceeded"
	FileUploadRejected    Type = "file_upload_rejected"
	FileUploadAccepted    Type = "file_upload_accepted"
	CORSRefused           Type = "cors_refused"
	RequestAllowed        Type = "request_allowed"
	RequestDenied         Type = "request_denied"    // any deny without a type of its own
	SessionRefused        Type = "session_refused"   // a route required a session, the request had none that is valid
	CheckUnavailable      Type = "check_unavailable" // a check could not be made
	PolicyUnknown         Type = "policy_unknown"
	SessionCreated        Type = "session_created"
	SessionRevoked        Type = "session_revoked"
	SessionExpired        Type = "session_expired"
	PolicyChanged         Type = "policy_changed"
	PolicyRejected        Type = "policy_rejected"
	PolicyDisagreement    Type = "policy_disagreement" // Envoy and authz work by different versions
	EventsLost            Type = "events_lost"

	SecretDetected Type = "secret_detected" // in a log line, or in the environment
	UserChanged    Type = "user_changed"    // an account was added, disabled, or got another password
	OperatorAction Type = "operator_action" // a call of control's API, or a command on its state
	APIRefused     Type = "api_refused"     // such a call without the right to it

	AlertRaised      Type = "alert_raised"
	AlertResolved    Type = "alert_resolved"
	AlertUndelivered Type = "alert_undelivered" // a sink did not take it for good: it is a dead letter

	ConsentGiven     Type = "consent_given"
	ConsentWithdrawn Type = "consent_withdrawn"
	ConsentMissing   Type = "consent_missing" // a route requires it (GDPR Art. 6(1)(a)), Check refused

	SubjectRequestReceived  Type = "subject_request_received" // Art. 15 to 22
	SubjectRequestVerified  Type = "subject_request_verified" // the person is who they say
	SubjectRequestStep      Type = "subject_request_step"     // one system was done, or failed
	SubjectRequestExtended  Type = "subject_request_extended" // Art. 12(3): two further months
	SubjectRequestCompleted Type = "subject_request_completed"
	SubjectRequestRefused   Type = "subject_request_refused"
	SubjectRequestCancelled Type = "subject_request_cancelled"
	SubjectDataExported     Type = "subject_data_exported"
	SubjectErased           Type = "subject_erased" // the tombstone: the key of their readable fields is gone
	DeadlineWarning         Type = "deadline_warning"

	BreachRecorded Type = "breach_recorded" // Art. 33(5)
	BreachUpdated  Type = "breach_updated"
	BreachNotified Type = "breach_notified" // Art. 33(1), 34(1)
)

// Types are all of the above: what a reader that counts by type may meet.
func Types() []Type {
	return []Type{
		AuthenticationAttempt, RateLimitExceeded, FileUploadRejected, FileUploadAccepted, CORSRefused,
		RequestAllowed, RequestDenied, SessionRefused, CheckUnavailable, PolicyUnknown,
		SessionCreated, SessionRevoked, SessionExpired, PolicyChanged, PolicyRejected, PolicyDisagreement, EventsLost,
		SecretDetected, UserChanged, OperatorAction, APIRefused, AlertRaised, AlertResolved, AlertUndelivered,
		ConsentGiven, ConsentWithdrawn, ConsentMissing,
		SubjectRequestReceived, SubjectRequestVerified, SubjectRequestStep, SubjectRequestExtended, SubjectRequestCompleted,
		SubjectRequestRefused, SubjectRequestCancelled, SubjectDataExported, SubjectErased, DeadlineWarning,
		BreachRecorded, BreachUpdated, BreachNotified,
	}
}

// Severity as the seed writes it.
type Severity string

const (
	Info     Severity = "INFO"
	Warning  Severity = "WARNING"
	Critical Severity = "CRITICAL"
)

// Outcome of the thing that was attempted.
type Outcome string

const (
	Allow   Outcome = "allow"
	Deny    Outcome = "deny"
	Report  Outcome = "report"
	Success Outcome = "success"
	Failure Outcome = "failure"
)

// Event is one security-relevant fact. Empty fields are left out of its JSON.
type Event struct {
	// ID is unique for the fact, not for the report: the same access log entry
	// sent twice has the same ID, so that readers can drop the second.
	ID       string    `json:"id"`
	Time     time.Time `json:"time"`
	Type     Type      `json:"type"`
	Severity Severity  `json:"severity"`
	Outcome  Outcome   `json:"outcome"`
	// Source is the reporting room: "envoy", "authz" or "control"; Instance
	// tells replicas apart.
	Source   string `json:"source"`
	Instance string `json:"instance,omitempty"`

	RequestID     string `json:"request_id,omitempty"`
	Method        string `json:"method,omitempty"`
	Host          string `json:"host,omitempty"`
	Path          string `json:"path,omitempty"` // without the query
	Status        int    `json:"status,omitempty"`
	Route         string `json:"route,omitempty"`
	Policy        string `json:"policy,omitempty"`
	PolicyVersion string `json:"policy_version,omitempty"`

	// Subject and Client are keyed pseudonyms ("u:..." and "c:...").
	Subject string `json:"subject,omitempty"`
	Client  string `json:"client,omitempty"`

	Feature string `json:"feature,omitempty"` // uploads, cors, session, limits, ...
	Rule    string `json:"rule,omitempty"`
	Reason  string `json:"reason,omitempty"`
	// Detail holds what only this type has, e.g. "detected", "limit".
	Detail map[string]string `json:"detail,omitempty"`

	// Personal is what names a person in clear: "name", "ip", "filename",
	// "user_agent". It leaves the process only as Sealed.
	Personal map[string]string `json:"-"`
	Sealed   string            `json:"sealed,omitempty"`
}
