package privacy

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/control/api"
)

type (
	verifyInput struct {
		RequestPath
		Body struct {
			How string `json:"how,omitempty" maxLength:"4000" doc:"How the identity was checked; not needed by the person themselves."`
		}
	}
	reasonInput struct {
		RequestPath
		Body struct {
			Reason string `json:"reason" minLength:"1" maxLength:"4000" doc:"As it is told to the person."`
		}
	}
	attestInput struct {
		RequestPath
		Body struct {
			System string `json:"system" minLength:"1" maxLength:"128"`
			Note   string `json:"note" minLength:"1" maxLength:"4000" doc:"What was done, and how."`
		}
	}
)

func (s *Service) registerDecisions(a huma.API) {
	op := func(id, path, summary string, roles ...api.Role) huma.Operation {
		return api.Roles(huma.Operation{
			OperationID: id, Method: http.MethodPost, Path: "/v1/subject-requests/{id}/" + path, Tags: tagRequests, Summary: summary,
		}, roles...)
	}
	add(a, op("verify-subject-request", "verify", "Record that the person is who they say", api.Subject, api.Operator, api.DPO), s.verifyRequest)
	for _, d := range []struct {
		op huma.Operation
		do func(ctx context.Context, id, by, reason string) (Request, error)
	}{
		{op("extend-subject-request", "extend", "Take two further months (Art. 12(3))", api.DPO), s.Extend},
		{op("refuse-subject-request", "refuse", "Refuse a request (Art. 12(5), 17(3))", api.DPO), s.Refuse},
		{op("cancel-subject-request", "cancel", "End a request that the person has taken back", api.Subject, api.DPO), s.Cancel},
	} {
		add(a, d.op, func(ctx context.Context, in *reasonInput) (*requestOutput, error) {
			if _, err := s.theirs(ctx, in.ID); err != nil {
				return nil, err
			}
			return shown(ctx)(d.do(ctx, in.ID, s.caller(ctx), in.Body.Reason))
		})
	}
	run := op("run-subject-request", "run", "Have a verified request carried out, or look at once at one that waits", api.DPO)
	run.DefaultStatus = http.StatusAccepted
	add(a, run, func(ctx context.Context, in *RequestPath) (*requestOutput, error) {
		return shown(ctx)(s.Start(ctx, in.ID, s.caller(ctx)))
	})
	add(a, op("attest-subject-request", "attest", "Record that a person has done by hand what a system could not", api.DPO),
		func(ctx context.Context, in *attestInput) (*requestOutput, error) {
			return shown(ctx)(s.Attest(ctx, in.ID, in.Body.System, s.caller(ctx), in.Body.Note))
		})
}

func (s *Service) verifyRequest(ctx context.Context, in *verifyInput) (*requestOutput, error) {
	if _, err := s.theirs(ctx, in.ID); err != nil {
		return nil, err
	}
	by, how := s.caller(ctx), in.Body.How
	if api.CallerFrom(ctx).Role == api.Subject {
		if !s.signedIn(ctx) {
			return nil, refused("sign in again: that was more than %d minutes ago", int(recent.Minutes()))
		}
		by, how = bySession, ""
	}
	return shown(ctx)(s.Verify(ctx, in.ID, by, how))
}
