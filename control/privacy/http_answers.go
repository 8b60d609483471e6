package privacy

import (
	"context"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"gatehouse/control/api"
	"gatehouse/control/privacy/connector"
)

// readWithin is how long a client may take to read a part of an archive.
const readWithin = time.Minute

type planOutput struct {
	Body struct {
		Plans []connector.Plan `json:"plans" nullable:"false"`
	}
}

func (s *Service) registerAnswers(a huma.API) {
	add(a, api.Roles(huma.Operation{
		OperationID: "plan-subject-request", Method: http.MethodGet, Path: "/v1/subject-requests/{id}/plan", Tags: tagRequests,
		Summary: "What carrying a request out would do; nothing is done",
	}, api.DPO, api.Auditor), func(ctx context.Context, in *RequestPath) (*planOutput, error) {
		plans, err := s.Plan(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		out := &planOutput{}
		out.Body.Plans = plans
		return out, nil
	})
	add(a, api.Long(api.Roles(huma.Operation{
		OperationID: "export-subject-request", Method: http.MethodGet, Path: "/v1/subject-requests/{id}/export", Tags: tagRequests,
		Summary:   "The archive of an access or portability request",
		Responses: map[string]*huma.Response{"200": {Description: "The archive.", Content: map[string]*huma.MediaType{"application/octet-stream": {}}}},
	}, api.Subject, api.DPO)), s.exportRequest)
}

func (s *Service) exportRequest(ctx context.Context, in *RequestPath) (*huma.StreamResponse, error) {
	if _, err := s.theirs(ctx, in.ID); err != nil {
		return nil, err
	}
	if api.CallerFrom(ctx).Role == api.Subject && !s.signedIn(ctx) {
		return nil, refused("sign in again: that was more than %d minutes ago", int(recent.Minutes()))
	}
	answer, err := s.Answer(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	by := s.caller(ctx)
	return &huma.StreamResponse{Body: func(hctx huma.Context) {
		_, w := humago.Unwrap(hctx)
		hctx.SetHeader("Content-Type", answer.ContentType)
		hctx.SetHeader("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": answer.Filename}))
		patient := &patientWriter{w: w, control: http.NewResponseController(w)}
		if err := s.Export(hctx.Context(), answer, by, patient); err != nil {
			s.log.ErrorContext(hctx.Context(), "an archive could not be written to its end", "request", answer.Request.ID, "error", err)
			patient.breakOff()
		}
	}}, nil
}

// patientWriter waits for a slow client, but not for one that has stopped.
type patientWriter struct {
	w       io.Writer
	control *http.ResponseController
}

// Write implements io.Writer.
func (p *patientWriter) Write(b []byte) (int, error) {
	// A connection that has no deadlines is one of a test.
	_ = p.control.SetWriteDeadline(time.Now().Add(readWithin)) // the connection's clock, not ours
	return p.w.Write(b)
}

// breakOff keeps what was written from looking complete: the answer's end cannot
// be sent any more.
func (p *patientWriter) breakOff() { _ = p.control.SetWriteDeadline(time.Unix(1, 0)) }
