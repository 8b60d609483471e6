package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Alert is one alert of one group.
type Alert struct {
	ID       string            `json:"id"`
	Rule     string            `json:"rule"`
	Severity string            `json:"severity" enum:"info,warning,critical"`
	State    string            `json:"state" enum:"firing,resolved"`
	Summary  string            `json:"summary,omitempty"`
	Group    map[string]string `json:"group,omitempty" doc:"What the events of the alert have in common."`
	Count    int64             `json:"count" doc:"Events in the window when it was last looked at."`
	Started  time.Time         `json:"started"`
	Updated  time.Time         `json:"updated,omitzero"`
	Ended    time.Time         `json:"ended,omitzero"`
}

// AlertQuery narrows a list of alerts; zero fields do not.
type AlertQuery struct {
	State, Rule string
	Limit       int
	Cursor      string
}

// Alerts lists alerts, the newest first.
type Alerts interface {
	Alerts(ctx context.Context, q AlertQuery) (found []Alert, nextCursor string, err error)
}

type alertsInput struct {
	Paging
	State string `query:"state" enum:"firing,resolved"`
	Rule  string `query:"rule" maxLength:"128"`
}

type alertsOutput struct{ Body Page[Alert] }

func registerAlerts(a huma.API, alerts Alerts) {
	huma.Register(a, Roles(huma.Operation{
		OperationID: "list-alerts", Method: http.MethodGet, Path: "/v1/alerts", Tags: []string{"Alerts"}, Summary: "List alerts, the newest first",
	}, Auditor, Operator, DPO), func(ctx context.Context, in *alertsInput) (*alertsOutput, error) {
		position, err := DecodeCursor(in.Cursor)
		if err != nil {
			return nil, err
		}
		found, next, err := alerts.Alerts(ctx, AlertQuery{State: in.State, Rule: in.Rule, Limit: in.Limit, Cursor: position})
		if err != nil {
			return nil, err
		}
		return &alertsOutput{NewPage(found, EncodeCursor(next))}, nil
	})
}

// PolicyVersion is a policy that is or was live.
type PolicyVersion struct {
	Version string    `json:"version"`
	Since   time.Time `json:"since,omitzero" doc:"When it went live."`
}

// Policy is what of the policy file is in force.
type Policy struct {
	Live    PolicyVersion   `json:"live"`
	History []PolicyVersion `json:"history" doc:"The last good policies, the newest first."`
	// Errors are why the newest edit is not live.
	Errors  []string  `json:"errors,omitempty"`
	ErrorAt time.Time `json:"error_at,omitzero"`
}

// Envoy is one that control serves.
type Envoy struct {
	ID       string `json:"id"`
	Version  string `json:"version,omitempty" doc:"The policy that it has accepted."`
	Rejected string `json:"rejected,omitempty" doc:"Why it refused the newest one."`
}

// Status is how the pack is.
type Status struct {
	Ready       bool    `json:"ready"`
	Version     string  `json:"version" doc:"Of this program."`
	Policy      string  `json:"policy_version"`
	RedisUp     bool    `json:"redis_up"`
	StoreUp     bool    `json:"store_up"`
	Envoys      []Envoy `json:"envoys"`
	EventsQueue int     `json:"events_queued" doc:"Events of this control that Redis does not have yet."`
}

// State is what control knows about itself.
type State interface {
	Policy(ctx context.Context) (Policy, error)
	Status(ctx context.Context) (Status, error)
}

type policyOutput struct{ Body Policy }

type statusOutput struct{ Body Status }

func registerState(a huma.API, state State) {
	huma.Register(a, Roles(huma.Operation{
		OperationID: "get-policy", Method: http.MethodGet, Path: "/v1/policy", Tags: []string{"State"}, Summary: "The live policy, and those before it",
	}, Auditor, Operator, DPO), func(ctx context.Context, _ *struct{}) (*policyOutput, error) {
		p, err := state.Policy(ctx)
		if p.History == nil {
			p.History = []PolicyVersion{}
		}
		return &policyOutput{p}, err
	})
	huma.Register(a, Roles(huma.Operation{
		OperationID: "get-status", Method: http.MethodGet, Path: "/v1/status", Tags: []string{"State"}, Summary: "How the pack is",
	}, Auditor, Operator, DPO), func(ctx context.Context, _ *struct{}) (*statusOutput, error) {
		now, err := state.Status(ctx)
		if now.Envoys == nil {
			now.Envoys = []Envoy{}
		}
		return &statusOutput{now}, err
	})
}

// Sources are where the operations of this room have their answers from. What
// is nil is not served.
type Sources struct {
	Events   Events
	Verifier Verifier
	Hub      *Hub
	Alerts   Alerts
	State    State
	Reports  CSPReports
	Uploads  UploadJudge
	Limits   Limiting
}

// Serve registers the operations on Sources.
func (s *Server) Serve(from Sources) {
	if from.Events != nil {
		registerEvents(s.api, from.Events, from.Verifier)
	}
	if from.Verifier != nil {
		registerVerification(s.api, from.Verifier)
	}
	if from.Hub != nil {
		s.registerStream(from.Hub)
	}
	if from.Alerts != nil {
		registerAlerts(s.api, from.Alerts)
	}
	if from.Reports != nil {
		registerCSPReports(s.api, from.Reports)
	}
	if from.Uploads != nil {
		s.registerUploads(from.Uploads)
	}
	if from.Limits != nil {
		registerLimited(s.api, from.Limits)
	}
	if from.State != nil {
		registerState(s.api, from.State)
	}
}
