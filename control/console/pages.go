package console

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// searchKeys are the parameters of a search, as the API names them.
var searchKeys = []string{"q", "type", "subject", "client", "request_id", "from", "to"}

const (
	liveRows   = "25"
	searchRows = "50"
)

// liveTypes are the verdicts, and what changes them. What people read here is
// an event of its own (operator_action), and would drown the rest.
const liveTypes = "request_allowed,request_denied,authentication_attempt,rate_limit_exceeded,file_upload_rejected,file_upload_accepted," +
	"cors_refused,session_refused,session_created,session_revoked,session_expired,consent_missing,check_unavailable,policy_unknown," +
	"policy_changed,policy_rejected,policy_disagreement,events_lost,secret_detected,user_changed,api_refused,alert_raised,alert_undelivered"

// optional asks for what this control may not serve, or the person may not see:
// then a part of the page is left out.
func (c *console) optional(r *http.Request, path string, query url.Values, into any) (shown bool, err error) {
	err = c.api.get(r, path, query, into)
	var p *problem
	if errors.As(err, &p) && (p.absent() || p.Status == http.StatusForbidden) {
		return false, nil
	}
	return err == nil, err
}

type overviewData struct {
	Events                            eventPage
	Alerts                            alertPage
	Requests                          requestPage
	Status                            status
	HasEvents, HasAlerts, HasRequests bool
	HasStatus                         bool
	Problem                           string
}

func (c *console) overview(r *http.Request, who me) (string, view, error) {
	if !who.Watches() {
		return c.requests(r, who)
	}
	var d overviewData
	for _, part := range []struct {
		path  string
		query url.Values
		into  any
		shown *bool
	}{
		{"/v1/status", nil, &d.Status, &d.HasStatus},
		{"/v1/events", url.Values{"limit": {liveRows}, "type": {liveTypes}}, &d.Events, &d.HasEvents},
		{"/v1/alerts", url.Values{"limit": {"10"}, "state": {"firing"}}, &d.Alerts, &d.HasAlerts},
		{"/v1/subject-requests", url.Values{"limit": {"10"}}, &d.Requests, &d.HasRequests},
	} {
		shown, err := c.optional(r, part.path, part.query, part.into)
		if err != nil {
			d.Problem = "Some of this page cannot be shown now: " + err.Error() + "."
		}
		*part.shown = shown
	}
	return "overview", view{Title: "Overview", Active: "overview", Data: d}, nil
}

type eventsData struct {
	Query   map[string]string
	Page    eventPage
	Asked   bool // something narrows the search
	Next    string
	Invalid string
}

func (c *console) events(r *http.Request, _ me) (string, view, error) {
	in := r.URL.Query()
	d := eventsData{Query: map[string]string{}}
	query := url.Values{"limit": {searchRows}, "verify": {"true"}}
	for _, key := range searchKeys {
		text := strings.TrimSpace(in.Get(key))
		if text == "" {
			continue
		}
		d.Query[key], d.Asked = text, true
		query.Set(key, text)
		if key == "from" || key == "to" {
			query.Set(key, fullTime(text))
		}
	}
	if cursor := in.Get("cursor"); cursor != "" {
		query.Set("cursor", cursor)
	}
	err := c.api.get(r, "/v1/events", query, &d.Page)
	var p *problem
	if errors.As(err, &p) && p.Status == http.StatusUnprocessableEntity { // perhaps this control verifies nothing
		query.Del("verify")
		err = c.api.get(r, "/v1/events", query, &d.Page)
	}
	if p = nil; errors.As(err, &p) && (p.Status == http.StatusUnprocessableEntity || p.Status == http.StatusBadRequest) {
		d.Invalid, err = "This search is not understood. Times are written like 2026-01-31 or 2026-01-31T12:00, in UTC.", nil
	}
	if d.Page.NextCursor != "" {
		next := url.Values{"cursor": {d.Page.NextCursor}}
		for key, value := range d.Query {
			next.Set(key, value)
		}
		d.Next = Root + "/events?" + next.Encode()
	}
	for i := range d.Page.Items {
		if v, ok := d.Page.Verifications[d.Page.Items[i].ID]; ok {
			d.Page.Items[i].Verification = &v
		}
	}
	return "events", view{Title: "Audit log", Active: "events", Data: d}, err
}

// fullTime makes RFC 3339 of what a date field gives. What is neither goes on as
// it is, for the API to refuse.
func fullTime(text string) string {
	switch len(text) {
	case len("2006-01-02"):
		return text + "T00:00:00Z"
	case len("2006-01-02T15:04"):
		return text + ":00Z"
	case len("2006-01-02T15:04:05"):
		return text + "Z"
	}
	return text
}

type eventData struct {
	ID           string
	Event        eventRow
	Found        bool
	Verification verification
	Verified     bool // was asked for, and answered
}

func (c *console) event(r *http.Request, _ me) (string, view, error) {
	d := eventData{ID: r.PathValue("id")}
	at := "/v1/events/" + url.PathEscape(d.ID)
	if err := c.api.get(r, at, nil, &d.Event); err != nil {
		return "", view{}, err
	}
	var err error
	d.Verified, err = c.optional(r, at+"/verification", nil, &d.Verification)
	return "event", view{Title: "Event", Active: "events", Data: d}, err
}

type alertsData struct {
	Page  alertPage
	State string
	Next  string
}

func (c *console) alerts(r *http.Request, _ me) (string, view, error) {
	d := alertsData{State: r.URL.Query().Get("state")}
	query := url.Values{"limit": {searchRows}}
	if d.State == "firing" || d.State == "resolved" {
		query.Set("state", d.State)
	}
	if cursor := r.URL.Query().Get("cursor"); cursor != "" {
		query.Set("cursor", cursor)
	}
	err := c.api.get(r, "/v1/alerts", query, &d.Page)
	if d.Page.NextCursor != "" {
		query.Set("cursor", d.Page.NextCursor)
		query.Del("limit")
		d.Next = Root + "/alerts?" + query.Encode()
	}
	return "alerts", view{Title: "Alerts", Active: "alerts", Data: d}, err
}

type requestsData struct {
	Page requestPage
	Own  bool // the person's own
	Next string
}

func (c *console) requests(r *http.Request, who me) (string, view, error) {
	d := requestsData{Own: !who.Watches()}
	query := url.Values{"limit": {searchRows}}
	if cursor := r.URL.Query().Get("cursor"); cursor != "" {
		query.Set("cursor", cursor)
	}
	_, err := c.optional(r, "/v1/subject-requests", query, &d.Page)
	if d.Page.NextCursor != "" {
		d.Next = Root + "/requests?" + url.Values{"cursor": {d.Page.NextCursor}}.Encode()
	}
	title := "Subject requests"
	if d.Own {
		title = "Your requests"
	}
	return "requests", view{Title: title, Active: "requests", Data: d}, err
}

type policyData struct {
	Policy    policyState
	Status    status
	HasStatus bool
}

func (c *console) policy(r *http.Request, _ me) (string, view, error) {
	var d policyData
	if err := c.api.get(r, "/v1/policy", nil, &d.Policy); err != nil {
		return "", view{}, err
	}
	var err error
	d.HasStatus, err = c.optional(r, "/v1/status", nil, &d.Status)
	return "policy", view{Title: "Policy", Active: "policy", Data: d}, err
}
