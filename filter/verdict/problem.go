package verdict

// Problem is the kind of a refusal as the client may know it. The zero value
// means none.
type Problem uint8

// The kinds of refusals; docs/security_architecture.md lists them for clients.
const (
	NoProblem Problem = iota
	AuthenticationFailed
	Forbidden
	PayloadTooLarge
	UnsupportedFileType
	UnsafeContent
	TooManyRequests
	CheckUnavailable
	ConsentRequired
	StepUpRequired
)

// ContentType is the media type of a problem document (RFC 9457 section 3).
const ContentType = "application/problem+json"

type problemText struct {
	slug, title string
	status      int
}

var problems = [...]problemText{
	NoProblem:            {"about:blank", "", 200},
	AuthenticationFailed: {"authentication-failed", "Authentication failed", 401},
	Forbidden:            {"forbidden", "Not allowed", 403},
	PayloadTooLarge:      {"payload-too-large", "Request is too large", 413},
	UnsupportedFileType:  {"unsupported-file-type", "File type refused", 415},
	UnsafeContent:        {"unsafe-content", "Content refused", 422},
	TooManyRequests:      {"too-many-requests", "Too many requests", 429},
	CheckUnavailable:     {"check-unavailable", "A required check could not be made", 503},
	ConsentRequired:      {"consent-required", "Consent is required", 403},
	StepUpRequired:       {"step-up-required", "Signing in again, or with a second factor, is required", 401},
}

// Status is the HTTP status code that goes with p.
func (p Problem) Status() int { return problems[p].status }

// Slug is the last part of the problem's type URI.
func (p Problem) Slug() string { return problems[p].slug }

// Type is the problem's stable type URI (RFC 9457 section 3.1.1).
func (p Problem) Type() string { return "urn:gatehouse:problem:" + problems[p].slug }

// Title is the short summary (RFC 9457 section 3.1.3): the same for every
// occurrence, so that it tells nothing about users, sessions or files.
func (p Problem) Title() string { return problems[p].title }

// Document renders the problem document. requestID may be empty.
func (p Problem) Document(requestID string) []byte { return p.DocumentWith(requestID, "", "") }

// DocumentWith is Document with an extension member (RFC 9457 section 3.2) that
// may be told to the client; without a value there is none.
func (p Problem) DocumentWith(requestID, member, value string) []byte {
	b := make([]byte, 0, 192)
	b = append(b, `{"type":`...)
	b = AppendString(b, p.Type())
	b = append(b, `,"title":`...)
	b = AppendString(b, p.Title())
	b = append(b, `,"status":`...)
	b = appendInt(b, int64(p.Status()))
	if requestID != "" {
		b = append(b, `,"request_id":`...)
		b = AppendString(b, requestID)
	}
	if value != "" {
		b = append(b, ',')
		b = AppendString(b, member)
		b = append(b, ':')
		b = AppendString(b, value)
	}
	return append(b, '}')
}
