package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/authz/event"
)

const (
	// fileIdle is how long a file that is to be judged may leave off, fileWithin how
	// long all of it may take.
	fileIdle   = 20 * time.Second
	fileWithin = 10 * time.Minute
	// maxJudged bounds the files that are judged at once; each takes up to 256 KiB,
	// and a share of the processor.
	maxJudged = 32
)

// UploadFile is a file that an application has taken, or lets others send, past the
// gateway.
type UploadFile struct {
	Policy      string
	Name        string // "" if it has none
	ContentType string // as declared
	Body        io.Reader
}

// UploadVerdict is what a policy says of a file.
type UploadVerdict struct {
	Verdict  string `json:"verdict" enum:"accept,reject"`
	Mode     string `json:"mode" enum:"enforce,report" doc:"The policy's: where it is report, the gateway itself would let the file through."`
	Declared string `json:"declared,omitempty" doc:"The declared media type."`
	Detected string `json:"detected,omitempty" doc:"What the content is, an identifier such as pdf; absent if unknown."`
	Rule     string `json:"rule,omitempty" doc:"The family of the rule that refused it."`
	RuleID   string `json:"rule_id,omitempty" doc:"The exact rule, such as GH-PDF-003; docs/upload_rules.md says what each means."`
	Reason   string `json:"reason,omitempty" doc:"One sentence for a log. Do not show it to whoever sent the file."`
	Offset   *int64 `json:"offset,omitempty" doc:"Where in the file the piece begins, of at most 64 KiB, that told; its size if only its end or the scanner did."`
	Scanned  bool   `json:"scanned" doc:"Whether the policy's virus scanner has seen the whole file and said that it is clean."`
	Note     string `json:"note,omitempty" doc:"Why it was accepted without the scanner's verdict, as the policy says."`
	Size     int64  `json:"size" doc:"Bytes that were read: all of the file if it was accepted."`
	SHA256   string `json:"sha256" doc:"Of the bytes that were read, in hexadecimal."`
}

// UploadJudge judges files. It returns ErrNotFound for a policy that does not exist
// or inspects no uploads, and passes on what reading the body returned.
type UploadJudge interface {
	JudgeUpload(ctx context.Context, f UploadFile) (UploadVerdict, error)
}

type judgeInput struct {
	Policy      string `query:"policy" required:"true" maxLength:"64" doc:"The policy of gatehouse.yaml whose uploads decide."`
	Name        string `query:"name" maxLength:"1024" doc:"What the file is called, percent-encoded; its extension must fit its content. Without it, the name is not judged."`
	ContentType string `header:"Content-Type" maxLength:"256" doc:"The type that was declared for the file; application/octet-stream declares none."`
}

type judgeOutput struct{ Body UploadVerdict }

func (s *Server) registerUploads(judge UploadJudge) {
	places := make(chan struct{}, maxJudged)
	op := Long(Roles(huma.Operation{
		OperationID: "judge-upload", Method: http.MethodPost, Path: "/v1/upload-verdicts", Tags: []string{"Policy"},
		Summary: "Judge a file that does not pass the gateway: the body is the file itself, and is kept nowhere",
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"*/*": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
		}},
	}, Operator))
	huma.Register(s.api, op, func(ctx context.Context, in *judgeInput) (*judgeOutput, error) {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
		default:
			return nil, unavailable()
		}
		ctx, cancel := context.WithTimeout(ctx, fileWithin)
		defer cancel()
		found, err := judge.JudgeUpload(ctx, UploadFile{in.Policy, in.Name, in.ContentType, s.fileBody(ctx)})
		if err != nil {
			return nil, fileProblem(err)
		}
		if found.Verdict != "accept" {
			s.o.Events.Append(s.uploadRefused(ctx, in, &found))
		}
		return &judgeOutput{found}, nil
	})
}

func fileProblem(err error) error {
	var p *Problem
	switch {
	case errors.As(err, &p):
		return err
	case errors.Is(err, ErrNotFound):
		return NewProblem(http.StatusNotFound, "", "there is no policy of that name that inspects uploads")
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return NewProblem(http.StatusRequestTimeout, "", "the file did not arrive in time")
	}
	return NewProblem(http.StatusBadRequest, "", "the file did not arrive whole")
}

// fileBody is the body without the bound of other calls: the policy has its own.
func (s *Server) fileBody(ctx context.Context) io.Reader {
	c := callOf(ctx)
	body, _ := c.request.Context().Value(wholeBodyKey{}).(io.Reader)
	if body == nil {
		body = c.request.Body
	}
	return &timedBody{body: body, control: http.NewResponseController(c.writer), until: time.Now().Add(fileWithin)}
}

// timedBody gives each read a deadline of its own.
type timedBody struct {
	body    io.Reader
	control *http.ResponseController
	until   time.Time
}

func (t *timedBody) Read(b []byte) (int, error) {
	next := time.Now().Add(fileIdle)
	if t.until.Before(next) {
		next = t.until
	}
	// What takes no deadline is a connection of a test.
	if err := t.control.SetReadDeadline(next); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	if err := t.control.SetWriteDeadline(next.Add(writeWithin)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return t.body.Read(b)
}

// uploadRefused is the same event as that of the gateway's own refusals.
func (s *Server) uploadRefused(ctx context.Context, in *judgeInput, v *UploadVerdict) event.Event {
	e := s.event(requestOf(ctx), event.FileUploadRejected)
	e.Severity, e.Outcome, e.Feature = event.Warning, event.Deny, "uploads"
	if v.Mode == "report" {
		e.Outcome = event.Report
	}
	e.Policy, e.Rule, e.Reason, e.Path = in.Policy, v.Rule, v.Reason, "/v1/upload-verdicts"
	e.Detail["size"], e.Detail["sha256"] = strconv.FormatInt(v.Size, 10), v.SHA256
	e.Detail["hashed"] = e.Detail["size"]
	for name, value := range map[string]string{"declared": v.Declared, "detected": v.Detected, "rule_id": v.RuleID} {
		if value != "" {
			e.Detail[name] = value
		}
	}
	if v.Offset != nil {
		e.Detail["offset"] = strconv.FormatInt(*v.Offset, 10)
	}
	if in.Name != "" {
		e.Personal[event.PersonalFilename] = in.Name
	}
	s.name(&e, CallerFrom(ctx))
	return e
}
