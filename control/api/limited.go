package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// LimitedCounter is a counter that refuses, or would.
type LimitedCounter struct {
	Key           string  `json:"key" doc:"What the counter is called: an address or a user's handle, and the limit."`
	Name          string  `json:"name,omitempty" doc:"The limit's name."`
	Algorithm     string  `json:"algorithm"`
	Limit         int64   `json:"limit"`
	WindowSeconds float64 `json:"window_seconds,omitempty" doc:"Absent for a calendar's day or month."`
	Refused       float64 `json:"refused" doc:"About as many refusals a minute; the last five minutes count, each half as much as the one after it."`
}

// CounterValue is one counter as it is in Redis.
type CounterValue struct {
	Algorithm  string  `json:"algorithm"`
	Value      string  `json:"value" doc:"Hits, or what the algorithm keeps."`
	TTLSeconds float64 `json:"ttl_seconds" doc:"After which it is forgotten unless it is used."`
}

// LimitTrial is a limit to be tried on the requests of the audit log.
type LimitTrial struct {
	Rate, Algorithm, TimeZone string
	Burst                     int64
	By                        string // ip or user
	From                      time.Time
}

// LimitTrialResult says what the limit would have done.
type LimitTrialResult struct {
	Requests    int        `json:"requests" doc:"Those that the limit applies to."`
	Refused     int        `json:"refused"`
	Keys        int        `json:"keys" doc:"Addresses, or users."`
	KeysRefused int        `json:"keys_refused" doc:"Those that were refused at least once."`
	First       time.Time  `json:"first,omitzero"`
	Last        time.Time  `json:"last,omitzero"`
	Cut         bool       `json:"cut,omitempty" doc:"There were more requests than are tried: only the newest were."`
	Top         []TrialKey `json:"top" doc:"Those that were refused most, as pseudonyms."`
}

// TrialKey is what became of one key's requests.
type TrialKey struct {
	Key      string `json:"key"`
	Requests int    `json:"requests"`
	Refused  int    `json:"refused"`
}

// ErrTrial is in the chain of an error that says that a limit makes no sense.
var ErrTrial = errors.New("impossible limit")

// Limiting looks at the counters of limits.
type Limiting interface {
	Limited(ctx context.Context, shadow bool, most int) ([]LimitedCounter, error)
	// Counters and Reset are ErrNotFound if nothing is counted under the key.
	Counters(ctx context.Context, key string) ([]CounterValue, error)
	Reset(ctx context.Context, key string) (int, error)
	// Try is ErrTrial for a limit that makes no sense.
	Try(ctx context.Context, t LimitTrial) (LimitTrialResult, error)
}

type limitedInput struct {
	Shadow bool `query:"shadow" doc:"Those that would be limited, by limits that only report."`
	Limit  int  `query:"limit" minimum:"1" maximum:"1000" default:"20" doc:"How many at most."`
}

type limitedOutput struct {
	Body struct {
		Items []LimitedCounter `json:"items"`
	}
}

// counterKey is in the query or the body, never in the path: it may name a person.
type counterKey struct {
	Key string `query:"key" required:"true" minLength:"1" maxLength:"200" doc:"A key of the list of who is limited."`
}

type countersOutput struct {
	Body struct {
		Items []CounterValue `json:"items"`
	}
}

type resetInput struct {
	Body struct {
		Key string `json:"key" minLength:"1" maxLength:"200"`
	}
}

type resetOutput struct {
	Body struct {
		Reset int `json:"reset" doc:"How many counters began anew."`
	}
}

// registerLimited gives counters to those alone who run the service: their keys have
// addresses. A trial tells pseudonyms only.
func registerLimited(a huma.API, limits Limiting) {
	huma.Register(a, Roles(huma.Operation{
		OperationID: "list-limited", Method: http.MethodGet, Path: "/v1/limits", Tags: []string{"Limits"},
		Summary: "List who is being limited now, those that are refused most first",
	}, Operator), func(ctx context.Context, in *limitedInput) (*limitedOutput, error) {
		out := new(limitedOutput)
		found, err := limits.Limited(ctx, in.Shadow, in.Limit)
		if out.Body.Items = found; found == nil {
			out.Body.Items = []LimitedCounter{}
		}
		return out, err
	})
	huma.Register(a, Roles(huma.Operation{
		OperationID: "get-counters", Method: http.MethodGet, Path: "/v1/limits/counters", Tags: []string{"Limits"},
		Summary: "What is counted under a key",
	}, Operator), func(ctx context.Context, in *counterKey) (*countersOutput, error) {
		out := new(countersOutput)
		var err error
		out.Body.Items, err = limits.Counters(ctx, in.Key)
		return out, noCounter(err)
	})
	huma.Register(a, Roles(huma.Operation{
		OperationID: "reset-counters", Method: http.MethodPost, Path: "/v1/limits/reset", Tags: []string{"Limits"},
		Summary: "Begin the counters of a key anew; replicas follow within a quarter of a second",
	}, Operator), func(ctx context.Context, in *resetInput) (*resetOutput, error) {
		out := new(resetOutput)
		var err error
		out.Body.Reset, err = limits.Reset(ctx, in.Body.Key)
		return out, noCounter(err)
	})
	registerTrial(a, limits)
}

func noCounter(err error) error {
	if errors.Is(err, ErrNotFound) {
		return NewProblem(http.StatusNotFound, "", "nothing is counted under this key now")
	}
	return err
}

type trialInput struct {
	Rate      string    `query:"rate" required:"true" maxLength:"40" doc:"As in gatehouse.yaml: 100/60s, or 1000/day for a quota."`
	Algorithm string    `query:"algorithm" enum:"sliding_window,fixed_window,gcra,two_bucket,quota" default:"sliding_window"`
	Burst     int64     `query:"burst" minimum:"0" maximum:"1000000000" doc:"gcra: how many may come at once; 0 is as many as the rate's."`
	TimeZone  string    `query:"time_zone" maxLength:"64" doc:"quota: whose calendar; UTC unless told."`
	By        string    `query:"by" enum:"ip,user" default:"ip"`
	From      time.Time `query:"from" doc:"RFC 3339; a day ago unless told."`
}

type trialOutput struct{ Body LimitTrialResult }

func registerTrial(a huma.API, limits Limiting) {
	huma.Register(a, Roles(huma.Operation{
		OperationID: "try-limit", Method: http.MethodGet, Path: "/v1/limits/trial", Tags: []string{"Limits"},
		Summary: "What a limit would have refused of the requests in the audit log",
	}, Auditor, Operator, DPO), func(ctx context.Context, in *trialInput) (*trialOutput, error) {
		found, err := limits.Try(ctx, LimitTrial{
			Rate: in.Rate, Algorithm: in.Algorithm, Burst: in.Burst, TimeZone: in.TimeZone, By: in.By, From: in.From,
		})
		if errors.Is(err, ErrTrial) {
			return nil, NewProblem(http.StatusUnprocessableEntity, "", err.Error())
		}
		return &trialOutput{found}, err
	})
}
