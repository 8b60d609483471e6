package console

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// requestsAPI is where the API has subject requests.
const requestsAPI = "/v1/subject-requests/"

// requestData is a request, and what came of a decision about it.
type requestData struct {
	Request requestRow
	Me      me
	Said    string
	Failed  string
	How     string // what was typed, where it was not taken
}

// said are what a page says after a decision, by the name in its address.
func said(name string) string {
	return map[string]string{
		"verified": "It is recorded that the person is who they say.",
		"started":  "The request is being carried out. Reload this page to see how far it is.",
	}[name]
}

func (c *console) request(r *http.Request, who me) (string, view, error) {
	d := requestData{Me: who, Said: said(r.URL.Query().Get("said"))}
	err := c.api.get(r, requestsAPI+url.PathEscape(r.PathValue("id")), nil, &d.Request)
	return "request", view{Title: "Subject request", Active: "requests", Data: d}, err
}

// decision makes a change; it answers by itself.
type decision func(w http.ResponseWriter, r *http.Request, who me)

// change lets a form of this console through and no other's: the API, which is
// asked next, looks at the same headers, and takes no cookie without them. A
// person is asked who they are, as for a page.
func (c *console) change(do decision) http.HandlerFunc {
	fromHere := http.NewCrossOriginProtection()
	return func(w http.ResponseWriter, r *http.Request) {
		if err := fromHere.Check(r); err != nil {
			c.api.post(r, strings.TrimSuffix(requestsAPI, "/"), nil) // refused before it is read, and reported
			c.render(w, r, http.StatusForbidden, "message", view{Title: "Nothing was changed", Data: message{Text: "This form was sent from another site."}})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			c.render(w, r, http.StatusBadRequest, "message", view{Title: "Nothing was changed", Data: message{Text: "The form was not understood."}})
			return
		}
		who, ok := c.caller(w, r)
		if !ok {
			return
		}
		do(w, r, who)
	}
}

// verify records that the requester is who they say (GDPR Art. 12(6)).
func (c *console) verify(w http.ResponseWriter, r *http.Request, who me) {
	how := strings.TrimSpace(r.PostForm.Get("how"))
	err := c.decide(r, "/verify", map[string]string{"how": how})
	c.decided(w, r, who, err, "verified", func(d *requestData) { d.How = how })
}

// decide posts a decision about the request that the address names.
func (c *console) decide(r *http.Request, tail string, body any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return fmt.Errorf("write the call: %w", err)
		}
	}
	return c.api.post(r, requestsAPI+url.PathEscape(r.PathValue("id"))+tail, text).problem()
}

// decided leads to the request, or shows it with what was wrong.
func (c *console) decided(w http.ResponseWriter, r *http.Request, who me, err error, name string, keep func(*requestData)) {
	if err == nil {
		leadBack(w, r, name)
		return
	}
	d := requestData{Me: who, Failed: failedText(err)}
	keep(&d)
	if c.api.get(r, requestsAPI+url.PathEscape(r.PathValue("id")), nil, &d.Request) != nil {
		c.fail(w, r, who, err)
		return
	}
	c.render(w, r, statusOf(err), "request", view{Title: "Subject request", Active: "requests", Me: who, Data: d})
}

// leadBack leads to the page of the request, which says what was done.
func leadBack(w http.ResponseWriter, r *http.Request, done string) {
	to := Root + "/requests/" + url.PathEscape(r.PathValue("id")) + "?said=" + done
	http.Redirect(w, r, to, http.StatusSeeOther) // #nosec G710 -- it begins with Root, and what follows is escaped
}

func statusOf(err error) int {
	var p *problem
	if errors.As(err, &p) {
		return p.Status
	}
	return http.StatusInternalServerError
}

// failedText is what is said on the page; what the API says to its callers is
// theirs to read.
func failedText(err error) string {
	var p *problem
	if !errors.As(err, &p) {
		return "Nothing was changed. Try again in a moment."
	}
	switch {
	case p.Status == http.StatusForbidden:
		return "Nothing was changed: your role does not allow it, or the form came from another site."
	case p.Status == http.StatusUnauthorized:
		return "Nothing was changed: you are signed in no longer."
	case p.Detail != "":
		return "Nothing was changed: " + p.Detail + "."
	}
	return "Nothing was changed. Try again in a moment."
}

// planData is what carrying a request out would do, and the way to do it.
type planData struct {
	Request requestRow
	Me      me
	Plans   []plan
	// Seen names this very plan: only what was read is carried out.
	Seen   string
	Failed string
}

func (c *console) plan(r *http.Request, who me) (string, view, error) {
	d, err := c.planned(r, who)
	return "plan", view{Title: "Plan of a request", Active: "requests", Data: d}, err
}

func (c *console) planned(r *http.Request, who me) (d planData, err error) {
	d.Me = who
	at := requestsAPI + url.PathEscape(r.PathValue("id"))
	if err := c.api.get(r, at, nil, &d.Request); err != nil {
		return d, err
	}
	var out struct {
		Plans []plan `json:"plans"`
	}
	if err := c.api.get(r, at+"/plan", nil, &out); err != nil {
		return d, err
	}
	d.Plans = out.Plans
	d.Seen, err = nameOf(d.Request, out.Plans)
	return d, err
}

// nameOf tells one plan from another by what is done where. How many records
// that meets changes while it is read, not least by reading: this is an event,
// too.
func nameOf(r requestRow, plans []plan) (string, error) {
	parts := []any{r.ID, r.Kind}
	for _, p := range plans {
		for _, s := range p.Steps {
			s.Count, s.Note = 0, ""
			parts = append(parts, p.System, s)
		}
	}
	text, err := json.Marshal(parts)
	if err != nil {
		return "", fmt.Errorf("name the plan: %w", err)
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:]), nil
}

// run has a request carried out as its plan says, if the person has read it.
func (c *console) run(w http.ResponseWriter, r *http.Request, who me) {
	d, err := c.planned(r, who)
	if err != nil {
		c.fail(w, r, who, err)
		return
	}
	again := func(status int, why string) {
		d.Failed = why
		c.render(w, r, status, "plan", view{Title: "Plan of a request", Active: "requests", Me: who, Data: d})
	}
	switch {
	case r.PostForm.Get("seen") != d.Seen:
		again(http.StatusConflict, "Nothing was changed: the plan is another one than you have read. Read it again.")
		return
	case r.PostForm.Get("sure") != "yes":
		again(http.StatusUnprocessableEntity, "Nothing was changed: say that you have read the plan.")
		return
	}
	if err := c.decide(r, "/run", nil); err != nil {
		again(statusOf(err), failedText(err))
		return
	}
	leadBack(w, r, "started")
}
