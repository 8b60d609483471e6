package privacy

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/control/api"
	"gatehouse/control/privacy/connector"
	"gatehouse/control/store"
)

type who struct {
	Type  string `json:"type" minLength:"1" maxLength:"64" doc:"email, customer_id, ..."`
	Value string `json:"value" minLength:"1" maxLength:"256"`
}

func identities(in []who) []connector.Identity {
	out := make([]connector.Identity, len(in))
	for i, w := range in {
		out[i] = connector.Identity{Type: w.Type, Value: w.Value}
	}
	return out
}

type change struct {
	Collection string `json:"collection" minLength:"1" maxLength:"128"`
	Field      string `json:"field" minLength:"1" maxLength:"128"`
	Value      any    `json:"value"`
}

type requestBody struct {
	Kind       string    `json:"kind" enum:"access,rectification,erasure,restriction,portability,objection"`
	Subject    string    `json:"subject,omitempty" maxLength:"128" doc:"The person's id here, or a Gatehouse user's; the caller where they speak for themselves."`
	Identities []who     `json:"identities,omitempty" maxItems:"32" doc:"How other systems know the person."`
	Reason     string    `json:"reason,omitempty" maxLength:"4000" doc:"What the person wrote."`
	Changes    []change  `json:"changes,omitempty" maxItems:"200" doc:"Of a rectification."`
	Purposes   []string  `json:"purposes,omitempty" maxItems:"32" doc:"Of an objection; all unless told."`
	Lift       bool      `json:"lift,omitempty" doc:"Ends a restriction, or takes an objection back."`
	Received   time.Time `json:"received,omitzero" doc:"When it arrived, if that was before: the clock runs from then."`
}

type stepRow struct {
	System   string          `json:"system"`
	State    string          `json:"state" enum:"pending,done,failed,attested"`
	Attempts int             `json:"attempts"`
	Error    string          `json:"error,omitempty" doc:"Of the last attempt."`
	Result   json.RawMessage `json:"result,omitempty"`
	Next     time.Time       `json:"next,omitzero" doc:"When it is tried again."`
	Changed  time.Time       `json:"changed"`
}

type requestRow struct {
	ID              string    `json:"id"`
	Kind            string    `json:"kind"`
	State           string    `json:"state" enum:"received,verified,in_progress,completed,refused,cancelled"`
	Subject         string    `json:"subject"`
	Received        time.Time `json:"received"`
	Due             time.Time `json:"due" doc:"End of the time of Art. 12(3)."`
	WorkBy          time.Time `json:"work_by" doc:"The last working day on or before due."`
	Extended        bool      `json:"extended"`
	ExtensionReason string    `json:"extension_reason,omitempty"`
	Verified        time.Time `json:"verified,omitzero"`
	VerifiedBy      string    `json:"verified_by,omitempty"`
	VerifiedHow     string    `json:"verified_how,omitempty"`
	Closed          time.Time `json:"closed,omitzero"`
	CloseReason     string    `json:"close_reason,omitempty" doc:"Why it was refused or cancelled."`
	CreatedBy       string    `json:"created_by,omitempty"`
	Reason          string    `json:"reason,omitempty" doc:"What the person wrote."`
	Terms           Terms     `json:"terms,omitzero"`
	Changes         []change  `json:"changes,omitempty"`
	Notes           []string  `json:"notes,omitempty"`
	Erased          bool      `json:"erased,omitempty" doc:"What people wrote can be read no more."`
	Steps           []stepRow `json:"steps,omitempty"`
}

// show is the request as the caller may see it: what goes wrong inside is not
// the person's to read.
func show(ctx context.Context, r Request) requestRow {
	inside := api.CallerFrom(ctx).Role != api.Subject
	row := requestRow{
		ID: r.ID, Kind: string(r.Kind), State: string(r.State), Subject: r.SubjectID, Received: r.Received, Due: r.Due, WorkBy: r.WorkBy,
		Extended: !r.SubjectRequest.Extended.IsZero(), ExtensionReason: r.Words.Extended, Verified: r.SubjectRequest.Verified,
		Closed: r.Closed, CloseReason: r.Words.Closed, Reason: r.Words.Reason, Terms: r.Terms, Erased: r.Shredded,
	}
	if inside {
		row.VerifiedBy, row.VerifiedHow, row.CreatedBy, row.Notes = r.VerifiedBy, r.Words.Checked, r.CreatedBy, r.Words.Notes
	}
	for _, c := range r.Words.Changes {
		row.Changes = append(row.Changes, change(c))
	}
	for _, p := range r.Steps {
		step := stepRow{System: p.System, State: p.State, Attempts: p.Attempts, Changed: p.Changed}
		if inside {
			step.Error, step.Result = p.Error, json.RawMessage(p.Result)
			if !settled(p) && p.Next.After(p.Changed) {
				step.Next = p.Next
			}
		}
		row.Steps = append(row.Steps, step)
	}
	return row
}

type (
	createInput   struct{ Body requestBody }
	requestOutput struct{ Body requestRow }
	listInput     struct {
		api.Paging
		State   string `query:"state" enum:"received,verified,in_progress,completed,refused,cancelled"`
		Kind    string `query:"kind" enum:"access,rectification,erasure,restriction,portability,objection"`
		Subject string `query:"subject" maxLength:"128"`
	}
	listOutput struct{ Body api.Page[requestRow] }
	// RequestPath names a request; exported, or huma would not see it.
	RequestPath struct {
		ID string `path:"id" maxLength:"64"`
	}
)

var tagRequests = []string{"Subject requests"}

func (s *Service) registerRequests(a huma.API) {
	add(a, api.Roles(huma.Operation{
		OperationID: "create-subject-request", Method: http.MethodPost, Path: "/v1/subject-requests", Tags: tagRequests,
		DefaultStatus: http.StatusCreated, Summary: "Record a request of a person (Art. 15 to 21)",
	}, api.Subject, api.Operator, api.DPO), s.createRequest)
	add(a, api.Roles(huma.Operation{
		OperationID: "list-subject-requests", Method: http.MethodGet, Path: "/v1/subject-requests", Tags: tagRequests,
		Summary: "List requests with their clocks, the newest first",
	}, api.Subject, api.Operator, api.DPO, api.Auditor), s.listRequests)
	add(a, api.Roles(huma.Operation{
		OperationID: "get-subject-request", Method: http.MethodGet, Path: "/v1/subject-requests/{id}", Tags: tagRequests,
		Summary: "A request, system by system",
	}, api.Subject, api.Operator, api.DPO, api.Auditor), func(ctx context.Context, in *RequestPath) (*requestOutput, error) {
		return shown(ctx)(s.theirs(ctx, in.ID))
	})
	add(a, api.Roles(huma.Operation{
		OperationID: "get-subject", Method: http.MethodGet, Path: "/v1/subjects/{id}", Tags: tagRequests,
		Summary: "Whether a person's data may be used",
	}, api.Operator, api.DPO, api.Auditor), s.getPerson)
}

type (
	personInput struct {
		ID string `path:"id" maxLength:"128" doc:"The person's id here, a pseudonym of events, or a Gatehouse user's id."`
	}
	personOutput struct {
		Body struct {
			ID         string    `json:"id"`
			Pseudonym  string    `json:"pseudonym" doc:"As events have it."`
			Restricted bool      `json:"restricted" doc:"The data may only be kept (Art. 18)."`
			Since      time.Time `json:"since" doc:"When the person became known here."`
			Erased     time.Time `json:"erased,omitzero"`
		}
	}
)

func (s *Service) getPerson(ctx context.Context, in *personInput) (*personOutput, error) {
	p, err := s.Person(ctx, Who{ID: in.ID})
	if err != nil {
		return nil, told(err)
	}
	out := &personOutput{}
	out.Body.ID, out.Body.Pseudonym, out.Body.Restricted, out.Body.Since, out.Body.Erased = p.ID, p.Pseudonym, p.Restricted, p.Created, p.Erased
	return out, nil
}

func (s *Service) createRequest(ctx context.Context, in *createInput) (*requestOutput, error) {
	b := in.Body
	p, err := s.meant(ctx, Who{ID: b.Subject, Identities: identities(b.Identities)}, true)
	if err != nil {
		return nil, err
	}
	ask := Ask{
		Kind: connector.Kind(b.Kind), Terms: Terms{Purposes: b.Purposes, Lift: b.Lift}, Reason: b.Reason, Received: b.Received, By: s.caller(ctx),
	}
	for _, c := range b.Changes {
		ask.Changes = append(ask.Changes, connector.Change(c))
	}
	if api.CallerFrom(ctx).Role == api.Subject {
		ask.Own, ask.Received = s.signedIn(ctx), time.Time{}
	}
	return shown(ctx)(s.Receive(ctx, p, ask))
}

// shown makes an answer of what a method returns.
func shown(ctx context.Context) func(Request, error) (*requestOutput, error) {
	return func(r Request, err error) (*requestOutput, error) {
		if err != nil {
			return nil, err
		}
		return &requestOutput{show(ctx, r)}, nil
	}
}

func (s *Service) listRequests(ctx context.Context, in *listInput) (*listOutput, error) {
	position, err := api.DecodeCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	subject, known, err := s.visible(ctx, in.Subject)
	if err != nil {
		return nil, err
	}
	if !known {
		return &listOutput{api.NewPage[requestRow](nil, "")}, nil
	}
	q := store.RequestQuery{SubjectID: subject, Kind: in.Kind, Limit: in.Limit, Cursor: position}
	if in.State != "" {
		q.States = []string{in.State}
	}
	found, next, err := s.Requests(ctx, q)
	if err != nil {
		return nil, err
	}
	out := make([]requestRow, len(found))
	for i, r := range found {
		out[i] = show(ctx, r)
	}
	return &listOutput{api.NewPage(out, api.EncodeCursor(next))}, nil
}
