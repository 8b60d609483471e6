package api

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/filter/verdict"
)

// typePrefix begins the type of every problem that is of a kind of its own
// (RFC 9457 section 3.1.1).
const typePrefix = "urn:gatehouse:problem:"

// Problem is an error as a caller gets it (RFC 9457). Nothing of it may tell
// what only the inside knows.
type Problem struct {
	Type      string   `json:"type"`
	Title     string   `json:"title"`
	Status    int      `json:"status"`
	Detail    string   `json:"detail,omitempty"`
	RequestID string   `json:"request_id,omitempty"`
	Errors    []Detail `json:"errors,omitempty"`

	header http.Header
}

// Detail is one thing that is wrong with a request. The value that was sent is
// not repeated: it may be a secret.
type Detail struct {
	Location string `json:"location,omitempty"`
	Message  string `json:"message"`
}

// Error implements error.
func (p *Problem) Error() string {
	if p.Detail == "" {
		return p.Title
	}
	return p.Detail
}

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return verdict.ContentType }

// NewProblem is an error that a handler returns: status, the last part of its
// type ("consent-required"; empty for about:blank), and a detail that may be
// shown to the caller.
func NewProblem(status int, slug, detail string) *Problem {
	p := &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail}
	if slug != "" {
		p.Type = typePrefix + slug
	}
	return p
}

// with adds a header to the answer.
func (p *Problem) with(name, value string) *Problem {
	p.header = p.header.Clone()
	if p.header == nil {
		p.header = http.Header{}
	}
	p.header.Set(name, value)
	return p
}

// The problems of the frame itself; each call makes a new one.

func unauthenticated() *Problem {
	// A 401 must carry a challenge (RFC 9110 section 15.5.2).
	return NewProblem(http.StatusUnauthorized, verdict.AuthenticationFailed.Slug(), "the call carries no valid credential").
		with("WWW-Authenticate", `Bearer realm="gatehouse"`)
}

func forbidden(detail string) *Problem {
	return NewProblem(http.StatusForbidden, verdict.Forbidden.Slug(), detail)
}

func unavailable() *Problem {
	return NewProblem(http.StatusServiceUnavailable, verdict.CheckUnavailable.Slug(), "try again in a moment").with("Retry-After", "1")
}

func tooMany(seconds int) *Problem {
	return NewProblem(http.StatusTooManyRequests, verdict.TooManyRequests.Slug(), "too many calls").
		with("Retry-After", strconv.Itoa(seconds))
}

// shown makes of what huma or a handler answers what the caller may see. It is
// huma's transformer for all answers.
func (s *Server) shown(ctx huma.Context, _ string, v any) (any, error) {
	id := requestID(ctx.Context())
	switch e := v.(type) {
	case *Problem:
		p := *e
		p.RequestID = id
		return s.closed(ctx, &p), nil
	case *huma.ErrorModel:
		p := NewProblem(e.Status, "", e.Detail)
		p.RequestID = id
		for _, d := range e.Errors {
			if d != nil {
				p.Errors = append(p.Errors, Detail{Location: d.Location, Message: d.Message})
			}
		}
		return s.closed(ctx, p), nil
	case huma.StatusError: // a kind that is not ours: only its status is safe to show
		p := NewProblem(e.GetStatus(), "", "")
		p.RequestID = id
		return p, nil
	}
	return v, nil
}

// closed takes the inside out of a failure of our own, and tells it to the log
// instead.
func (s *Server) closed(ctx huma.Context, p *Problem) *Problem {
	if p.Status < http.StatusInternalServerError || p.Status == http.StatusServiceUnavailable && len(p.Errors) == 0 {
		return p
	}
	attrs := []any{slog.String("operation", ctx.Operation().OperationID), slog.String("request_id", p.RequestID), slog.String("error", p.Detail)}
	for _, d := range p.Errors {
		attrs = append(attrs, slog.String("cause", d.Message))
	}
	s.log.ErrorContext(ctx.Context(), "a call failed", attrs...)
	p.Detail, p.Errors = "the call could not be carried out; the log knows why under this request_id", nil
	return p
}

// writeProblem answers outside of huma.
func writeProblem(w http.ResponseWriter, r *http.Request, p *Problem) {
	p.RequestID = requestID(r.Context())
	body, err := json.Marshal(p)
	if err != nil {
		body = []byte(`{"type":"about:blank"}`) // strings and numbers: cannot be
	}
	for name, values := range p.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", verdict.ContentType)
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // #nosec G705 -- JSON; an error means that the client has gone
}

// refuse answers inside of huma, in the form of every other answer.
func (s *Server) refuse(ctx huma.Context, p *Problem) {
	for name, values := range p.header {
		for _, value := range values {
			ctx.SetHeader(name, value)
		}
	}
	_, w := unwrap(ctx)
	ctx.SetHeader("Content-Type", verdict.ContentType)
	ctx.SetStatus(p.Status)
	p.RequestID = requestID(ctx.Context())
	if err := json.NewEncoder(w).Encode(p); err != nil {
		s.log.DebugContext(ctx.Context(), "the caller has gone", "error", err)
	}
}

// asProblem finds the problem in err, or makes the one that says nothing.
func asProblem(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	return unavailable()
}

// describeProblems makes the OpenAPI document show problems as they are sent.
func describeProblems(registry huma.Registry) {
	registry.Schema(reflect.TypeFor[huma.ErrorModel](), true, "")
	schemas := registry.Map()
	if model := schemas["ErrorModel"]; model != nil {
		model.Description = "Why a call was not carried out (RFC 9457)."
		model.Properties["request_id"] = &huma.Schema{Type: huma.TypeString, Description: "Names this call in the log and in events."}
		delete(model.Properties, "instance")
	}
	if detail := schemas["ErrorDetail"]; detail != nil {
		delete(detail.Properties, "value")
	}
}
