// Package ocsf writes events in the form of the Open Cybersecurity Schema
// Framework, 1.3.0, which SIEMs read.
//
// It promises one object an event, of the class that fits best: authentication
// (3002), account change (3001), detection finding (2004) or API activity (6003),
// with the fields that the class requires. What has no field of its own is under
// "unmapped". People and addresses stay the pseudonyms that events carry.
//
// It does not claim an address: src_endpoint.uid is the pseudonym of one.
package ocsf

import (
	"net/http"

	"gatehouse/authz/event"
)

// Version of the schema.
const Version = "1.3.0"

// The classes in use: category × 1000 + class.
const (
	accountChange    = 3001
	authentication   = 3002
	detectionFinding = 2004
	apiActivity      = 6003
)

// Activities. 1 to 4 are those of API activity; a finding's are 1 to 3.
const (
	create = 1
	read   = 2
	update = 3
	remove = 4
	other  = 99

	logon  = 1
	logoff = 2

	updated = 2
	closed  = 3

	passwordChange = 3
	enable         = 2
	disable        = 5
)

// Record is an event in the schema.
type Record struct {
	ActivityID   int               `json:"activity_id"`
	ActivityName string            `json:"activity_name,omitempty"` // where ActivityID is 99
	CategoryUID  int               `json:"category_uid"`
	ClassUID     int               `json:"class_uid"`
	TypeUID      int               `json:"type_uid"` // ClassUID × 100 + ActivityID
	Time         int64             `json:"time"`     // ms since 1970
	SeverityID   int               `json:"severity_id"`
	StatusID     int               `json:"status_id"`
	StatusDetail string            `json:"status_detail,omitempty"`
	Message      string            `json:"message,omitempty"`
	Metadata     Metadata          `json:"metadata"`
	Actor        *Actor            `json:"actor,omitempty"`
	User         *User             `json:"user,omitempty"`
	Service      *Named            `json:"service,omitempty"`
	API          *API              `json:"api,omitempty"`
	Source       *Endpoint         `json:"src_endpoint,omitempty"`
	Request      *Request          `json:"http_request,omitempty"`
	Response     *Response         `json:"http_response,omitempty"`
	Finding      *Finding          `json:"finding_info,omitempty"`
	Unmapped     map[string]string `json:"unmapped,omitempty"`
}

// The objects of a Record.
type (
	Metadata struct {
		Version string  `json:"version"`
		UID     string  `json:"uid"` // the event's id
		Product Product `json:"product"`
		LogName string  `json:"log_name"`
	}
	Product struct {
		Name   string `json:"name"`
		Vendor string `json:"vendor_name"`
	}
	Actor struct {
		User User `json:"user"`
	}
	User struct {
		UID  string `json:"uid,omitempty"`
		Name string `json:"name,omitempty"`
	}
	Named struct {
		Name string `json:"name"`
	}
	API struct {
		Operation string `json:"operation"`
		Service   Named  `json:"service"`
		Request   *UID   `json:"request,omitempty"`
	}
	UID struct {
		UID string `json:"uid"`
	}
	Endpoint struct {
		UID  string `json:"uid,omitempty"`
		Name string `json:"name,omitempty"`
	}
	Request struct {
		Method string `json:"http_method,omitempty"`
		URL    *URL   `json:"url,omitempty"`
		UID    string `json:"uid,omitempty"`
	}
	URL struct {
		Host string `json:"hostname,omitempty"`
		Path string `json:"path,omitempty"`
	}
	Response struct {
		Code int `json:"code"`
	}
	Finding struct {
		UID   string   `json:"uid"`
		Title string   `json:"title"`
		Types []string `json:"types,omitempty"`
	}
)

const product = "Gatehouse"

// From returns an event as a Record.
func From(e event.Event) Record {
	class, activity := classOf(e)
	r := Record{
		ClassUID: class, CategoryUID: class / 1000, ActivityID: activity, TypeUID: class*100 + activity,
		Time: e.Time.UnixMilli(), SeverityID: severity(e.Severity), StatusID: status(e.Outcome),
		StatusDetail: e.Reason, Message: string(e.Type),
		Metadata: Metadata{Version: Version, UID: e.ID, Product: Product{Name: product, Vendor: product}, LogName: "audit"},
		Unmapped: unmapped(e),
	}
	if activity == other {
		r.ActivityName = string(e.Type)
	}
	if e.Client != "" {
		r.Source = &Endpoint{UID: e.Client}
	}
	if e.Method != "" || e.Path != "" || e.RequestID != "" {
		r.Request = &Request{Method: e.Method, UID: e.RequestID}
		if e.Host != "" || e.Path != "" {
			r.Request.URL = &URL{Host: e.Host, Path: e.Path}
		}
	}
	if e.Status != 0 {
		r.Response = &Response{Code: e.Status}
	}
	r.fill(e)
	return r
}

// fill adds what the class requires.
func (r *Record) fill(e event.Event) {
	user := User{UID: e.Subject}
	if e.Subject == "" {
		user.Name = "unknown"
	}
	switch r.ClassUID {
	case authentication:
		r.User, r.Service = &user, &Named{product}
	case accountChange:
		r.User = &user
	case detectionFinding:
		r.Actor = &Actor{User: user}
		r.Finding = &Finding{UID: e.ID, Title: title(e), Types: []string{string(e.Type)}}
		r.StatusID = 1 // of a finding: new
		if r.ActivityID == closed {
			r.StatusID = 4 // resolved
		}
	case apiActivity:
		r.Actor = &Actor{User: user}
		r.API = &API{Operation: string(e.Type), Service: Named{product}}
		if e.RequestID != "" {
			r.API.Request = &UID{e.RequestID}
		}
		if r.Source == nil {
			r.Source = &Endpoint{Name: e.Source}
		}
	}
}

func title(e event.Event) string {
	if e.Rule != "" {
		return string(e.Type) + ": " + e.Rule
	}
	return string(e.Type)
}

func classOf(e event.Event) (class, activity int) {
	switch e.Type {
	case event.AuthenticationAttempt, event.SessionCreated:
		return authentication, logon
	case event.SessionRevoked, event.SessionExpired:
		return authentication, logoff
	case event.UserChanged:
		return accountChange, accountActivity(e)
	case event.RateLimitExceeded, event.FileUploadRejected, event.SecretDetected, event.AlertRaised, event.BreachRecorded, event.PolicyDisagreement, event.EventsLost:
		return detectionFinding, create
	case event.AlertResolved:
		return detectionFinding, closed
	case event.BreachUpdated:
		return detectionFinding, updated
	}
	return apiActivity, apiAction(e)
}

// accountActivity goes by what the event says was done, if it does.
func accountActivity(e event.Event) int {
	switch e.Detail["action"] {
	case "add", "added":
		return create
	case "enable", "enabled":
		return enable
	case "password":
		return passwordChange
	case "disable", "disabled":
		return disable
	}
	return other
}

func apiAction(e event.Event) int {
	switch e.Method {
	case http.MethodGet, http.MethodHead:
		return read
	case http.MethodPost:
		return create
	case http.MethodPut, http.MethodPatch:
		return update
	case http.MethodDelete:
		return remove
	}
	return other
}

func severity(s event.Severity) int {
	switch s {
	case event.Info:
		return 1 // informational
	case event.Warning:
		return 3 // medium
	case event.Critical:
		return 5 // critical
	}
	return 0 // unknown
}

func status(o event.Outcome) int {
	switch o {
	case event.Allow, event.Success:
		return 1 // success
	case event.Deny, event.Failure:
		return 2 // failure
	}
	return 0 // unknown
}

// unmapped are the fields for which the schema has no place.
func unmapped(e event.Event) map[string]string {
	out := map[string]string{}
	for key, value := range map[string]string{
		"outcome": string(e.Outcome), "source": e.Source, "instance": e.Instance, "route": e.Route, "policy": e.Policy,
		"policy_version": e.PolicyVersion, "feature": e.Feature, "rule": e.Rule, "sealed": e.Sealed,
	} {
		if value != "" {
			out[key] = value
		}
	}
	for key, value := range e.Detail {
		out["detail."+key] = value
	}
	return out
}
