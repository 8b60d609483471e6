package opendsr

import "time"

// Types of requests. The last two are extensions.
const (
	typeAccess        = "access"
	typePortability   = "portability"
	typeErasure       = "erasure"
	typeRectification = "rectification"
	typeRestriction   = "restriction"
)

// Statuses of a request (section 8).
const (
	statusPending    = "pending"
	statusInProgress = "in_progress"
	statusCompleted  = "completed"
	statusCancelled  = "cancelled"
)

// discovery is what a processor says it can (section 6.3).
type discovery struct {
	Version     string     `json:"api_version"`
	Identities  []identity `json:"supported_identities"`
	Types       []string   `json:"supported_subject_request_types"`
	Certificate string     `json:"processor_certificate"`
}

// identity is one of section 5.3.
type identity struct {
	Type   string `json:"identity_type"`
	Value  string `json:"identity_value,omitempty"`
	Format string `json:"identity_format"`
}

// order is what is asked of the processor (section 7.1.1).
type order struct {
	Regulation string         `json:"regulation"`
	ID         string         `json:"subject_request_id"`
	Type       string         `json:"subject_request_type"`
	Submitted  time.Time      `json:"submitted_time"`
	Identities []identity     `json:"subject_identities"`
	Version    string         `json:"api_version,omitempty"`
	Callbacks  []string       `json:"status_callback_urls,omitempty"`
	Extensions map[string]any `json:"extensions,omitempty"`
}

// receipt is the answer to an order (section 7.3).
type receipt struct {
	ID       string    `json:"subject_request_id"`
	Expected time.Time `json:"expected_completion_time"`
	Request  string    `json:"encoded_request"` // base64 of the order; never logged or kept
}

// status is how far a request is (sections 8.3 and 8.6).
type status struct {
	ID       string    `json:"subject_request_id"`
	Status   string    `json:"request_status"`
	Expected time.Time `json:"expected_completion_time"`
	Results  string    `json:"results_url"`
	Count    *int64    `json:"results_count"`
	Callback string    `json:"status_callback_url"` // of a callback only
}
