package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// limitsAPI is where the API has the counters of limits.
const limitsAPI = "/v1/limits"

type limitedRow struct {
	Key           string  `json:"key"`
	Name          string  `json:"name"`
	Algorithm     string  `json:"algorithm"`
	Limit         int64   `json:"limit"`
	WindowSeconds float64 `json:"window_seconds"`
	Refused       float64 `json:"refused"`
}

// Why is the limit in words.
func (l limitedRow) Why() string {
	window := seconds(l.WindowSeconds)
	switch {
	case l.Algorithm == "concurrency":
		return fmt.Sprintf("%d at once", l.Limit)
	case l.Algorithm == "quota":
		return fmt.Sprintf("%d in a day or month", l.Limit)
	default:
		return fmt.Sprintf("%d in %s", l.Limit, window)
	}
}

type counterRow struct {
	Algorithm  string  `json:"algorithm"`
	Value      string  `json:"value"`
	TTLSeconds float64 `json:"ttl_seconds"`
}

// For is how long it stays.
func (c counterRow) For() string { return seconds(c.TTLSeconds) }

func seconds(n float64) string {
	return time.Duration(n * float64(time.Second)).Round(time.Second).String()
}

type trialRow struct {
	Requests    int       `json:"requests"`
	Refused     int       `json:"refused"`
	Keys        int       `json:"keys"`
	KeysRefused int       `json:"keys_refused"`
	First       time.Time `json:"first"`
	Last        time.Time `json:"last"`
	Cut         bool      `json:"cut"`
	Top         []struct {
		Key      string `json:"key"`
		Requests int    `json:"requests"`
		Refused  int    `json:"refused"`
	} `json:"top"`
}

// Share is what of the requests would have been refused, in percent.
func (t trialRow) Share() string {
	return fmt.Sprintf("%.2f", 100*float64(t.Refused)/float64(max(1, t.Requests)))
}

type limitsData struct {
	Me          me
	Limited     []limitedRow
	Shadow      []limitedRow
	Served      bool // who is limited, to this person
	Key         string
	Counters    []counterRow
	Gone        bool // nothing is counted under Key
	Trial       trialRow
	Tried       bool
	In          map[string]string // of the form of the trial
	Said, Wrong string
}

// trialKeys are the parameters of a trial, as the API names them.
var trialKeys = []string{"rate", "algorithm", "burst", "time_zone", "by"}

// limits shows who is being limited now and why, one counter, and what a limit that is
// not in force would have refused.
func (c *console) limits(r *http.Request, who me) (string, view, error) {
	d := limitsData{Me: who, In: map[string]string{}}
	if r.URL.Query().Get("said") == "reset" {
		d.Said = "The counter has begun anew. Replicas follow within a quarter of a second."
	}
	err := c.limited(r, &d)
	if err == nil {
		err = c.tried(r, &d)
	}
	return "limits", view{Title: "Limits", Active: "limits", Data: d}, err
}

func (c *console) limited(r *http.Request, d *limitsData) (err error) {
	for shadow, into := range map[string]*[]limitedRow{"false": &d.Limited, "true": &d.Shadow} {
		var found struct {
			Items []limitedRow `json:"items"`
		}
		if d.Served, err = c.optional(r, limitsAPI, url.Values{"shadow": {shadow}, "limit": {searchRows}}, &found); err != nil {
			return err
		}
		*into = found.Items
	}
	if d.Key = strings.TrimSpace(r.URL.Query().Get("key")); d.Key == "" || !d.Served {
		return nil
	}
	var found struct {
		Items []counterRow `json:"items"`
	}
	err = c.api.get(r, limitsAPI+"/counters", url.Values{"key": {d.Key}}, &found)
	var p *problem
	if errors.As(err, &p) && (p.absent() || p.Status == http.StatusUnprocessableEntity) {
		d.Gone, err = true, nil
	}
	d.Counters = found.Items
	return err
}

func (c *console) tried(r *http.Request, d *limitsData) error {
	query := url.Values{}
	for _, key := range trialKeys {
		if text := strings.TrimSpace(r.URL.Query().Get(key)); text != "" {
			d.In[key] = text
			query.Set(key, text)
		}
	}
	if d.In["rate"] == "" {
		return nil
	}
	err := c.api.get(r, limitsAPI+"/trial", query, &d.Trial)
	var p *problem
	if errors.As(err, &p) && (p.Status == http.StatusUnprocessableEntity || p.Status == http.StatusBadRequest) {
		d.Wrong = p.Detail
		if d.Wrong == "" {
			d.Wrong = "This limit is not understood."
		}
		return nil
	}
	d.Tried = err == nil
	return err
}

// resetLimit begins the counters of a key anew.
func (c *console) resetLimit(w http.ResponseWriter, r *http.Request, who me) {
	key := strings.TrimSpace(r.PostForm.Get("key"))
	body, err := json.Marshal(map[string]string{"key": key})
	if err == nil {
		err = c.api.post(r, limitsAPI+"/reset", body).problem()
	}
	if err != nil {
		c.fail(w, r, who, err)
		return
	}
	http.Redirect(w, r, Root+"/limits?said=reset", http.StatusSeeOther)
}
