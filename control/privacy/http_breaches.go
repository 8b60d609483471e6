package privacy

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/control/api"
)

// FactsBody is what is known of a breach; exported, or huma would not see it.
type FactsBody struct {
	Title        string    `json:"title,omitempty" maxLength:"4000" doc:"What happened, in a line."`
	Aware        time.Time `json:"aware,omitzero" doc:"When it became known: the 72 hours run from then."`
	Nature       string    `json:"nature,omitempty" maxLength:"4000"`
	Categories   string    `json:"categories,omitempty" maxLength:"4000" doc:"Of persons and records."`
	Persons      int64     `json:"persons,omitempty" minimum:"0" doc:"Approximate number."`
	Records      int64     `json:"records,omitempty" minimum:"0" doc:"Approximate number."`
	Consequences string    `json:"consequences,omitempty" maxLength:"4000" doc:"What is likely to follow."`
	Measures     string    `json:"measures,omitempty" maxLength:"4000"`
	Risk         string    `json:"risk,omitempty" enum:"none,risk,high"`
	Reason       string    `json:"reason,omitempty" maxLength:"4000" doc:"Why later than 72 hours (Art. 33(1))."`
	Exemption    string    `json:"exemption,omitempty" maxLength:"4000" doc:"Why the persons need not be told (Art. 34(3))."`
}

func (b FactsBody) facts() Facts {
	return Facts{
		Title: b.Title, Nature: b.Nature, Categories: b.Categories, Persons: b.Persons, Records: b.Records,
		Consequences: b.Consequences, Measures: b.Measures, Risk: b.Risk, Reason: b.Reason, Exemption: b.Exemption,
	}
}

type breachEntry struct {
	Time    time.Time       `json:"time"`
	By      string          `json:"by"`
	Changes json.RawMessage `json:"changes"`
}

type breachRow struct {
	ID    string `json:"id"`
	State string `json:"state" enum:"recorded,assessed,contained,notified,closed"`
	FactsBody
	Due               time.Time     `json:"due" doc:"72 hours after awareness."`
	Contained         time.Time     `json:"contained,omitzero"`
	AuthorityNotified time.Time     `json:"authority_notified,omitzero"`
	Reference         string        `json:"reference,omitempty" doc:"The authority's number."`
	PersonsNotified   time.Time     `json:"persons_notified,omitzero"`
	Changed           time.Time     `json:"changed"`
	Entries           []breachEntry `json:"entries,omitempty" doc:"What was written down, and when (Art. 33(5))."`
}

func breachRowOf(b Breach) breachRow {
	f := b.Facts
	row := breachRow{
		ID: b.ID, State: string(b.State), Due: b.Due, Contained: f.Contained, AuthorityNotified: f.AuthorityNotified,
		Reference: f.Reference, PersonsNotified: f.PersonsNotified, Changed: b.Changed,
		FactsBody: FactsBody{
			Title: f.Title, Aware: b.Aware, Nature: f.Nature, Categories: f.Categories, Persons: f.Persons, Records: f.Records,
			Consequences: f.Consequences, Measures: f.Measures, Risk: f.Risk, Reason: f.Reason, Exemption: f.Exemption,
		},
	}
	for _, e := range b.Entries {
		row.Entries = append(row.Entries, breachEntry{e.Time, e.By, json.RawMessage(e.Changes)})
	}
	return row
}

type (
	breachInput  struct{ Body FactsBody }
	breachOutput struct{ Body breachRow }
	breachesIn   struct {
		api.Paging
		State string `query:"state" enum:"recorded,assessed,contained,notified,closed"`
	}
	breachesOut struct{ Body api.Page[breachRow] }
	// BreachPath names a breach; exported, or huma would not see it.
	BreachPath struct {
		ID string `path:"id" maxLength:"64"`
	}
	updateInput struct {
		BreachPath
		Body struct {
			FactsBody
			State string `json:"state,omitempty" enum:"assessed,contained,closed"`
		}
	}
	notifyInput struct {
		BreachPath
		Body struct {
			Whom      string    `json:"whom" enum:"authority,persons"`
			Time      time.Time `json:"time,omitzero" doc:"Now unless told."`
			Reference string    `json:"reference,omitempty" maxLength:"128"`
			Reason    string    `json:"reason,omitempty" maxLength:"4000" doc:"Why later than 72 hours (Art. 33(1))."`
		}
	}
	draftInput struct {
		BreachPath
		Article int `query:"article" minimum:"33" maximum:"34" default:"33"`
	}
	textOutput struct {
		ContentType string `header:"Content-Type"`
		Body        []byte
	}
)

var tagBreaches = []string{"Breaches"}

func (s *Service) registerBreaches(a huma.API) {
	op := func(id, method, path, summary string, roles ...api.Role) huma.Operation {
		return api.Roles(huma.Operation{OperationID: id, Method: method, Path: "/v1/breaches" + path, Tags: tagBreaches, Summary: summary}, roles...)
	}
	record := op("record-breach", http.MethodPost, "", "Record a breach; the 72 hours run from when it became known", api.Operator, api.DPO)
	record.DefaultStatus = http.StatusCreated
	add(a, record, func(ctx context.Context, in *breachInput) (*breachOutput, error) {
		return breached(s.RecordBreach(ctx, s.caller(ctx), in.Body.Aware, in.Body.facts()))
	})
	add(a, op("list-breaches", http.MethodGet, "", "The register, the newest first", api.Operator, api.DPO, api.Auditor), s.listBreaches)
	add(a, op("get-breach", http.MethodGet, "/{id}", "A breach with all that was written down", api.Operator, api.DPO, api.Auditor),
		func(ctx context.Context, in *BreachPath) (*breachOutput, error) {
			return breached(s.Breach(ctx, in.ID))
		})
	add(a, op("update-breach", http.MethodPatch, "/{id}", "Write down what else is known, or a new state", api.DPO),
		func(ctx context.Context, in *updateInput) (*breachOutput, error) {
			b := in.Body
			return breached(s.UpdateBreach(ctx, in.ID, s.caller(ctx), BreachChange{State: BreachState(b.State), Aware: b.Aware, Facts: b.facts()}))
		})
	add(a, op("notify-breach", http.MethodPost, "/{id}/notify", "Record that the authority, or the persons, were told", api.DPO),
		func(ctx context.Context, in *notifyInput) (*breachOutput, error) {
			b := in.Body
			return breached(s.Notify(ctx, in.ID, s.caller(ctx), Notice{Whom: b.Whom, Time: b.Time, Reference: b.Reference, Reason: b.Reason}))
		})
	add(a, op("draft-breach", http.MethodGet, "/{id}/draft", "The notification of Art. 33(3), or of Art. 34, as Markdown", api.DPO, api.Auditor),
		func(ctx context.Context, in *draftInput) (*textOutput, error) {
			text, err := s.Draft(ctx, in.ID, in.Article)
			return &textOutput{"text/markdown; charset=utf-8", text}, err
		})
}

func breached(b Breach, err error) (*breachOutput, error) {
	if err != nil {
		return nil, err
	}
	return &breachOutput{breachRowOf(b)}, nil
}

func (s *Service) listBreaches(ctx context.Context, in *breachesIn) (*breachesOut, error) {
	position, err := api.DecodeCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	found, next, err := s.Breaches(ctx, in.State, in.Limit, position)
	if err != nil {
		return nil, err
	}
	out := make([]breachRow, len(found))
	for i, b := range found {
		out[i] = breachRowOf(b)
	}
	return &breachesOut{api.NewPage(out, api.EncodeCursor(next))}, nil
}

type recordsInput struct {
	Format string `query:"format" enum:"json,markdown,csv" default:"json"`
}

func (s *Service) registerRecords(a huma.API) {
	add(a, api.Roles(huma.Operation{
		OperationID: "get-records", Method: http.MethodGet, Path: "/v1/records", Tags: []string{"Records"},
		Summary: "The record of processing activities (Art. 30), made from the data map",
	}, api.DPO, api.Auditor), func(_ context.Context, in *recordsInput) (*textOutput, error) {
		r := s.Processing()
		switch in.Format {
		case "markdown":
			return &textOutput{"text/markdown; charset=utf-8", r.Markdown()}, nil
		case "csv":
			text, err := r.CSV()
			return &textOutput{"text/csv; charset=utf-8; header=present", text}, err
		}
		text, err := json.MarshalIndent(r, "", "  ")
		return &textOutput{"application/json", text}, err
	})
}
