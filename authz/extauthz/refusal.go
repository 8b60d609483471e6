package extauthz

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"

	"gatehouse/filter/verdict"
)

// codeOf is the gRPC status that goes with a refusal.
var codeOf = map[verdict.Problem]codes.Code{
	verdict.AuthenticationFailed: codes.Unauthenticated,
	verdict.StepUpRequired:       codes.Unauthenticated,
	verdict.TooManyRequests:      codes.ResourceExhausted,
	verdict.CheckUnavailable:     codes.Unavailable,
}

// denied answers in the form that the client understands: a gRPC status, a
// redirect to sign-in for a person's browser, a problem document for all others.
func denied(r *request, j *judgement) *authv3.CheckResponse {
	code, ok := codeOf[j.outcome.problem]
	if !ok {
		code = codes.PermissionDenied
	}
	var answer *authv3.DeniedHttpResponse
	switch {
	case r.grpc():
		answer = grpcStatus(r, j, code)
	case j.signsIn() && j.signInPage != "" && r.navigates():
		answer = redirect(j.signInPage, r, j.outcome.lacks.query)
	default:
		answer = problemDocument(r, j)
	}
	return &authv3.CheckResponse{
		Status:          &rpcstatus.Status{Code: int32(code), Message: j.outcome.problem.Slug()}, // #nosec G115 -- codes are small
		HttpResponse:    &authv3.CheckResponse_DeniedResponse{DeniedResponse: answer},
		DynamicMetadata: j.metadata(),
	}
}

func problemDocument(r *request, j *judgement) *authv3.DeniedHttpResponse {
	problem := j.outcome.problem
	headers := append(refusalFields(j), overwrite("content-type", verdict.ContentType))
	if challenge := j.challenge(); challenge != "" {
		headers = append(headers, overwrite("www-authenticate", challenge))
	}
	member, value := "purpose", j.outcome.purpose
	if j.outcome.lacks.missing != "" {
		member, value = "missing", j.outcome.lacks.missing
	}
	return &authv3.DeniedHttpResponse{
		Status:  httpStatus(problem.Status()),
		Headers: headers,
		Body:    string(problem.DocumentWith(r.requestID, member, value)),
	}
}

// grpcStatus is a refusal as a gRPC client reads it: Envoy makes its reply one of
// status 200 with grpc-status and the body as grpc-message. It would call 429
// "unavailable", which clients try again at once, so that the code is said.
func grpcStatus(r *request, j *judgement, code codes.Code) *authv3.DeniedHttpResponse {
	message := j.outcome.problem.Title()
	if r.requestID != "" {
		message += " (request " + fieldSafe(r.requestID) + ")"
	}
	headers := append(refusalFields(j), overwrite("grpc-status", strconv.Itoa(int(code))))
	if challenge := j.challenge(); challenge != "" {
		headers = append(headers, overwrite("www-authenticate", challenge)) // what is missing; grpc-web reads it
	}
	return &authv3.DeniedHttpResponse{Status: httpStatus(j.outcome.problem.Status()), Headers: headers, Body: message}
}

// redirect sends a person to sign-in and from there back. Where they were going
// is checked there again: it came from outside.
func redirect(page string, r *request, query string) *authv3.DeniedHttpResponse {
	location := page + "?next=" + url.QueryEscape(r.target)
	if query != "" {
		location += "&" + query
	}
	return &authv3.DeniedHttpResponse{
		Status: httpStatus(http.StatusFound),
		Headers: []*corev3.HeaderValueOption{
			overwrite("cache-control", "no-store"),
			overwrite("location", location),
		},
	}
}

// signsIn says whether signing in would help.
func (j *judgement) signsIn() bool {
	return j.outcome.problem == verdict.AuthenticationFailed || j.outcome.problem == verdict.StepUpRequired
}

// challenge is WWW-Authenticate; a 401 must have one (RFC 9110 section 15.5.2).
// The scheme makes no browser open a dialogue, and nothing is said about a token
// that was not accepted.
func (j *judgement) challenge() string {
	const bearer = `Bearer realm="gatehouse"`
	switch {
	case j.outcome.lacks.challenge != "":
		return bearer + ", " + j.outcome.lacks.challenge
	case j.signsIn():
		return bearer
	default:
		return ""
	}
}

// refusalFields stand on refusals of every form.
func refusalFields(j *judgement) []*corev3.HeaderValueOption {
	headers := append([]*corev3.HeaderValueOption{overwrite("cache-control", "no-store")}, j.limits.options()...)
	if j.outcome.problem == verdict.TooManyRequests && j.limits.retryAfter != "" {
		headers = append(headers, overwrite("retry-after", j.limits.retryAfter))
	}
	return headers
}

func httpStatus(code int) *typev3.HttpStatus {
	return &typev3.HttpStatus{Code: typev3.StatusCode(code)} // #nosec G115 -- three digits
}

// grpc says whether the client speaks gRPC, as Envoy decides it.
func (r *request) grpc() bool {
	rest, ok := strings.CutPrefix(strings.ToLower(r.first("content-type")), "application/grpc")
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}

// navigates says whether a person's browser asks for a page, and not a script of
// one for data (Fetch Metadata; Accept where a browser does not send it).
func (r *request) navigates() bool {
	if r.method != http.MethodGet {
		return false
	}
	if mode := r.first("sec-fetch-mode"); mode != "" {
		return mode == "navigate" && r.first("sec-fetch-dest") == "document"
	}
	return strings.Contains(r.first("accept"), "text/html") && r.first("x-requested-with") == ""
}
