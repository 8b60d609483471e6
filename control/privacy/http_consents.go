package privacy

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/control/api"
	"gatehouse/control/store"
)

type consentBody struct {
	Subject       string `json:"subject,omitempty" maxLength:"128" doc:"The person's id here, or a Gatehouse user's; the caller where they speak for themselves."`
	Identities    []who  `json:"identities,omitempty" maxItems:"32" doc:"Or how other systems know the person."`
	Purpose       string `json:"purpose" minLength:"1" maxLength:"128"`
	State         string `json:"state" enum:"given,withdrawn"`
	NoticeVersion string `json:"notice_version,omitempty" maxLength:"128" doc:"Of the notice that was shown; the data map's unless told."`
	Channel       string `json:"channel,omitempty" maxLength:"64" doc:"How: form, paper, phone, ..."`
}

type consentRow struct {
	EventID       string    `json:"event_id" doc:"Of the event in the audit log."`
	Seq           int64     `json:"seq" doc:"Number of the entry in the ledger."`
	Subject       string    `json:"subject"`
	Purpose       string    `json:"purpose"`
	State         string    `json:"state" enum:"given,withdrawn"`
	NoticeVersion string    `json:"notice_version,omitempty"`
	Channel       string    `json:"channel"`
	Time          time.Time `json:"time"`
	By            string    `json:"by"`
}

func rowOf(c store.Consent) consentRow {
	return consentRow{
		EventID: c.ID, Seq: c.Seq, Subject: c.SubjectID, Purpose: c.Purpose, State: c.State,
		NoticeVersion: c.NoticeVersion, Channel: c.Channel, Time: c.Time, By: c.By,
	}
}

type (
	consentInput struct {
		GPC  string `header:"Sec-GPC" maxLength:"8" doc:"1: the browser objects (Global Privacy Control)."`
		Body consentBody
	}
	consentOutput struct{ Body consentRow }
	consentsInput struct {
		api.Paging
		Subject string `query:"subject" maxLength:"128" doc:"Only of this person."`
		Purpose string `query:"purpose" maxLength:"128"`
	}
	consentsOutput struct{ Body api.Page[consentRow] }
	gpcInput       struct {
		GPC  string `header:"Sec-GPC" maxLength:"8"`
		Body struct {
			Subject string `json:"subject,omitempty" maxLength:"128" doc:"Whom the signal is from; the caller where they speak for themselves."`
		}
	}
	proofInput struct {
		ID string `path:"id" maxLength:"64" doc:"event_id of the entry."`
	}
	proofOutput struct {
		Body struct {
			EventID string `json:"event_id"`
			Proof   string `json:"proof" doc:"For: gatehouse audit verify --proof."`
		}
	}
)

var tagConsents = []string{"Consents"}

func (s *Service) registerConsents(a huma.API) {
	add(a, api.Roles(huma.Operation{
		OperationID: "record-consent", Method: http.MethodPost, Path: "/v1/consents", Tags: tagConsents, DefaultStatus: http.StatusCreated,
		Summary: "Record that a person has consented, or has withdrawn consent",
	}, api.Subject, api.Operator, api.DPO), s.recordConsent)
	add(a, api.Roles(huma.Operation{
		OperationID: "record-gpc", Method: http.MethodPost, Path: "/v1/consents/gpc", Tags: tagConsents,
		Summary: "Record Global Privacy Control (Sec-GPC: 1) as an objection to the purposes that the data map marks",
	}, api.Subject, api.Operator, api.DPO), s.recordGPC)
	list := func(id, path, summary string, read func(context.Context, store.ConsentQuery) ([]store.Consent, string, error)) {
		add(a, api.Roles(huma.Operation{
			OperationID: id, Method: http.MethodGet, Path: path, Tags: tagConsents, Summary: summary,
		}, api.Subject, api.Operator, api.DPO, api.Auditor), s.listConsents(read))
	}
	list("list-consents", "/v1/consents", "Consents as they are now", s.o.Store.Consents)
	list("list-consent-history", "/v1/consents/history", "Every entry of the ledger", s.o.Store.ConsentHistory)
	add(a, api.Roles(huma.Operation{
		OperationID: "prove-consent", Method: http.MethodGet, Path: "/v1/consents/{id}/proof", Tags: tagConsents,
		Summary: "Prove that an entry is in the audit log",
	}, api.Operator, api.DPO, api.Auditor), s.proveConsent)
}

func (s *Service) recordConsent(ctx context.Context, in *consentInput) (*consentOutput, error) {
	b := in.Body
	if in.GPC == "1" && b.State == store.ConsentGiven && s.o.Map().Purposes[b.Purpose].GPC {
		return nil, conflict("the browser objects to this purpose (Sec-GPC: 1)")
	}
	p, err := s.meant(ctx, Who{ID: b.Subject, Identities: identities(b.Identities)}, true)
	if err != nil {
		return nil, err
	}
	c, err := s.Record(ctx, p, Entry{
		Purpose: b.Purpose, State: b.State, NoticeVersion: b.NoticeVersion, Channel: b.Channel, By: s.caller(ctx),
	})
	if err != nil {
		return nil, err
	}
	return &consentOutput{rowOf(c)}, nil
}

func (s *Service) recordGPC(ctx context.Context, in *gpcInput) (*consentsOutput, error) {
	_, only, err := s.self(ctx)
	if err != nil {
		return nil, err
	}
	if only && in.GPC != "1" {
		return nil, invalid("the request carries no Sec-GPC: 1; its absence says nothing")
	}
	p, err := s.meant(ctx, Who{ID: in.Body.Subject}, true)
	if err != nil {
		return nil, err
	}
	entries, err := s.Objects(ctx, p, s.caller(ctx))
	if err != nil {
		return nil, err
	}
	return &consentsOutput{api.NewPage(rows(entries), "")}, nil
}

func rows(entries []store.Consent) []consentRow {
	out := make([]consentRow, len(entries))
	for i, c := range entries {
		out[i] = rowOf(c)
	}
	return out
}

func (s *Service) listConsents(read func(context.Context, store.ConsentQuery) ([]store.Consent, string, error)) func(context.Context, *consentsInput) (*consentsOutput, error) {
	return func(ctx context.Context, in *consentsInput) (*consentsOutput, error) {
		position, err := api.DecodeCursor(in.Cursor)
		if err != nil {
			return nil, err
		}
		subject, known, err := s.visible(ctx, in.Subject)
		if err != nil {
			return nil, err
		}
		if !known {
			return &consentsOutput{api.NewPage[consentRow](nil, "")}, nil
		}
		entries, next, err := read(ctx, store.ConsentQuery{SubjectID: subject, Purpose: in.Purpose, Limit: in.Limit, Cursor: position})
		if err != nil {
			return nil, err
		}
		return &consentsOutput{api.NewPage(rows(entries), api.EncodeCursor(next))}, nil
	}
}

func (s *Service) proveConsent(ctx context.Context, in *proofInput) (*proofOutput, error) {
	proof, err := s.ConsentProof(ctx, in.ID)
	if errors.Is(err, ErrNotLogged) {
		return nil, notFound("the audit log does not have this entry, or does not have it yet")
	}
	if err != nil {
		return nil, err
	}
	out := &proofOutput{}
	out.Body.EventID, out.Body.Proof = in.ID, proof
	return out, nil
}
