package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

type cspReportsInput struct {
	Policy string `query:"policy" maxLength:"64" doc:"Only those of this policy."`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100" doc:"How many groups at most."`
}

type cspReportsOutput struct {
	Body struct {
		Items []CSPGroup `json:"items"`
	}
}

func registerCSPReports(a huma.API, reports CSPReports) {
	huma.Register(a, Roles(huma.Operation{
		OperationID: "list-csp-reports", Method: http.MethodGet, Path: "/v1/csp-reports", Tags: []string{"Policy"},
		Summary: "List what Content-Security-Policies block, or would, those with the most reports first",
	}, Auditor, Operator), func(ctx context.Context, in *cspReportsInput) (*cspReportsOutput, error) {
		out := new(cspReportsOutput)
		found, err := reports.Groups(ctx, in.Policy, in.Limit)
		out.Body.Items = found
		if found == nil {
			out.Body.Items = []CSPGroup{}
		}
		return out, err
	})
}
