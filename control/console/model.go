package console

import (
	"encoding/json"
	"time"
)

// What the pages read of the API's answers; what else is in them is not shown.

type me struct {
	Name   string `json:"name"`
	Role   string `json:"role"`
	Person bool   `json:"person"`
}

// Watches says whether the person may see what happens on the site.
func (m me) Watches() bool { return m.Role != "" && m.Role != "subject" }

// What a role may do is the API's to decide: these only keep back a button that
// would be refused.

// MayVerify says whether the person may record who another one is.
func (m me) MayVerify() bool { return m.Role == "operator" || m.Role == "dpo" || m.Role == "admin" }

// MayPlan says whether the person may see what a request would do.
func (m me) MayPlan() bool { return m.Role == "dpo" || m.Role == "auditor" || m.Role == "admin" }

// MayRun says whether the person may have a request carried out.
func (m me) MayRun() bool { return m.Role == "dpo" || m.Role == "admin" }

// MayReset says whether the person may begin a limit's counter anew.
func (m me) MayReset() bool { return m.Role == "operator" || m.Role == "admin" }

type eventRow struct {
	ID            string            `json:"id"`
	Time          time.Time         `json:"time"`
	Type          string            `json:"type"`
	Severity      string            `json:"severity"`
	Outcome       string            `json:"outcome"`
	Source        string            `json:"source"`
	Instance      string            `json:"instance"`
	RequestID     string            `json:"request_id"`
	Method        string            `json:"method"`
	Host          string            `json:"host"`
	Path          string            `json:"path"`
	Status        int               `json:"status"`
	Route         string            `json:"route"`
	Policy        string            `json:"policy"`
	PolicyVersion string            `json:"policy_version"`
	Subject       string            `json:"subject"`
	Client        string            `json:"client"`
	Feature       string            `json:"feature"`
	Rule          string            `json:"rule"`
	Reason        string            `json:"reason"`
	Detail        map[string]string `json:"detail"`

	// Verification is nil where it was not asked for.
	Verification *verification `json:"-"`
}

type verification struct {
	CheckedAt time.Time       `json:"checked_at"`
	Signature bool            `json:"checkpoint_signature"`
	Inclusion bool            `json:"inclusion"`
	Origin    string          `json:"origin"`
	Index     uint64          `json:"index"`
	Size      uint64          `json:"tree_size"`
	Root      string          `json:"root_hash"`
	Reason    string          `json:"reason"`
	Proof     json.RawMessage `json:"proof"`
}

// Holds says whether all that is checked is as it should be.
func (v verification) Holds() bool { return v.Signature && v.Inclusion }

type eventPage struct {
	Items         []eventRow              `json:"items"`
	NextCursor    string                  `json:"next_cursor"`
	Verifications map[string]verification `json:"verifications"`
}

type alertRow struct {
	ID       string            `json:"id"`
	Rule     string            `json:"rule"`
	Severity string            `json:"severity"`
	State    string            `json:"state"`
	Summary  string            `json:"summary"`
	Group    map[string]string `json:"group"`
	Count    int64             `json:"count"`
	Started  time.Time         `json:"started"`
	Updated  time.Time         `json:"updated"`
	Ended    time.Time         `json:"ended"`
}

type alertPage struct {
	Items      []alertRow `json:"items"`
	NextCursor string     `json:"next_cursor"`
}

// requestRow is a subject request (GDPR Art. 15 to 22).
type requestRow struct {
	ID       string    `json:"id"`
	Kind     string    `json:"kind"`
	State    string    `json:"state"`
	Subject  string    `json:"subject"`
	Received time.Time `json:"received"`
	Due      time.Time `json:"due"`
	Extended bool      `json:"extended"`
	Reason   string    `json:"reason"`
	Steps    []step    `json:"steps"`

	Verified    time.Time `json:"verified"`
	VerifiedBy  string    `json:"verified_by"`
	VerifiedHow string    `json:"verified_how"`
	CloseReason string    `json:"close_reason"`
}

// Runs says whether the request can be carried out, or looked at again.
func (r requestRow) Runs() bool { return r.State == "verified" || r.State == "in_progress" }

// plan is what a request would do in one system.
type plan struct {
	System string     `json:"system"`
	Steps  []planStep `json:"steps"`
}

type planStep struct {
	Collection string `json:"collection"`
	Action     string `json:"action"`
	Count      int64  `json:"count"` // -1 where the system cannot tell
	Note       string `json:"note"`
}

type step struct {
	System   string `json:"system"`
	State    string `json:"state"`
	Attempts int    `json:"attempts"`
	Error    string `json:"error"`
}

// Open says whether the clock still runs.
func (r requestRow) Open() bool {
	return r.State != "completed" && r.State != "refused" && r.State != "cancelled"
}

type requestPage struct {
	Items      []requestRow `json:"items"`
	NextCursor string       `json:"next_cursor"`
}

type policyVersion struct {
	Version string    `json:"version"`
	Since   time.Time `json:"since"`
}

type policyState struct {
	Live    policyVersion   `json:"live"`
	History []policyVersion `json:"history"`
	Errors  []string        `json:"errors"`
	ErrorAt time.Time       `json:"error_at"`
}

type status struct {
	Ready   bool   `json:"ready"`
	Version string `json:"version"`
	Policy  string `json:"policy_version"`
	RedisUp bool   `json:"redis_up"`
	StoreUp bool   `json:"store_up"`
	Queued  int    `json:"events_queued"`
	Envoys  []struct {
		ID       string `json:"id"`
		Version  string `json:"version"`
		Rejected string `json:"rejected"`
	} `json:"envoys"`
}

// Current counts the Envoys that have the live policy.
func (s status) Current() (n int) {
	for _, e := range s.Envoys {
		if e.Version == s.Policy && e.Rejected == "" {
			n++
		}
	}
	return n
}
