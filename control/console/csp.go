package console

import (
	"net/http"
	"net/url"
	"time"
)

type cspRow struct {
	Policy      string    `json:"policy"`
	Disposition string    `json:"disposition"`
	Directive   string    `json:"directive"`
	Blocked     string    `json:"blocked"`
	Page        string    `json:"page"`
	Reports     int64     `json:"reports"`
	First       time.Time `json:"first"`
	Last        time.Time `json:"last"`
}

type cspData struct {
	// Would is what enforcing would break, Blocked what is blocked already.
	Would, Blocked []cspRow
	Served         bool
}

// csp shows what would break before a policy is enforced.
func (c *console) csp(r *http.Request, _ me) (string, view, error) {
	var found struct {
		Items []cspRow `json:"items"`
	}
	var d cspData
	shown, err := c.optional(r, "/v1/csp-reports", url.Values{"limit": {"500"}}, &found)
	d.Served = shown
	for _, row := range found.Items {
		if row.Disposition == "report" {
			d.Would = append(d.Would, row)
		} else {
			d.Blocked = append(d.Blocked, row)
		}
	}
	return "csp", view{Title: "Content security", Active: "csp", Data: d}, err
}
