package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// CSPReportsPath is where reports are taken: alone, or with the name of the
// policy after a further slash.
const CSPReportsPath = "/csp-reports"

const (
	maxReportBody = 64 << 10
	countWithin   = 5 * time.Second
)

// Rates of reports: a page that breaks on every view sends a few at once. Who is
// behind a proxy is told apart by what it appended to X-Forwarded-For; who calls
// directly could write that, and meets the address's own bound.
var (
	reportsOfClient  = Rate{PerSecond: 1, Burst: 60}
	reportsOfAddress = Rate{PerSecond: 100, Burst: 500}
)

// CSPGroup counts reports that say the same.
type CSPGroup struct {
	Policy      string    `json:"policy,omitempty" doc:"The policy that the endpoint's address names."`
	Disposition string    `json:"disposition" enum:"enforce,report" doc:"report: nothing was blocked, enforcing the policy would."`
	Directive   string    `json:"directive"`
	Blocked     string    `json:"blocked" doc:"The blocked source: an origin, or a word like inline."`
	Page        string    `json:"page,omitempty" doc:"Host and first part of the path of the page that reported last."`
	Reports     int64     `json:"reports"`
	First       time.Time `json:"first"`
	Last        time.Time `json:"last"`
}

// CSPReports keeps the groups.
type CSPReports interface {
	// Count adds to groups; Reports, First and Last are those of the addition.
	Count(ctx context.Context, found []CSPGroup) error
	// Groups lists them, those with the most reports first; an empty policy
	// means all.
	Groups(ctx context.Context, policy string, limit int) ([]CSPGroup, error)
}

// CSPIntake takes what browsers report (CSP Level 3 section 5.5, Reporting API
// section 3.5). It asks nobody who they are: anybody can send reports, so that
// bodies, rates and groups are bounded and nothing of a report is shown but
// words and origins. It answers 204, 413, 415, 422, 429 or 503.
func CSPIntake(reports CSPReports, now func() time.Time, log *slog.Logger) http.Handler {
	i := &cspIntake{
		reports: reports, now: now, log: log,
		clients: newBuckets(reportsOfClient, now), addresses: newBuckets(reportsOfAddress, now),
	}
	mux := http.NewServeMux()
	for _, path := range []string{CSPReportsPath, CSPReportsPath + "/{policy}"} {
		mux.HandleFunc("OPTIONS "+path, preflight)
		mux.HandleFunc("POST "+path, i.take)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		SecureHeaders(w.Header())
		w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
		mux.ServeHTTP(w, r)
	})
}

type cspIntake struct {
	reports            CSPReports
	now                func() time.Time
	log                *slog.Logger
	clients, addresses *buckets
}

// preflight lets pages of every origin report: reports carry no credentials
// (Reporting API section 3.5), and nothing can be read.
func preflight(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", "POST")
	h.Set("Access-Control-Allow-Headers", "Content-Type")
	h.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
}

func (i *cspIntake) take(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	if ok, wait := i.admit(r); !ok {
		w.Header().Set("Retry-After", strconv.Itoa(wait))
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != mediaCSPReport && mediaType != mediaReports {
		w.WriteHeader(http.StatusUnsupportedMediaType)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxReportBody))
	if err != nil {
		w.WriteHeader(unreadable(err))
		return
	}
	found, err := parseReports(mediaType, body)
	if err != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		return
	}
	w.WriteHeader(i.count(r, found))
}

func unreadable(err error) int {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

func (i *cspIntake) admit(r *http.Request) (ok bool, wait int) {
	address := clientIP(r)
	ok, wait, _ = i.addresses.take(network(address), 1)
	if !ok {
		return false, wait
	}
	client := address
	if lines := r.Header.Values("X-Forwarded-For"); len(lines) > 0 {
		last := lines[len(lines)-1]
		last = strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
		if net.ParseIP(last) != nil {
			client = last
		}
	}
	ok, wait, _ = i.clients.take(network(client), 1)
	return ok, wait
}

// count adds the violations of one body up.
func (i *cspIntake) count(r *http.Request, found []violation) int {
	if len(found) == 0 {
		return http.StatusNoContent
	}
	policy, now := policyName(r.PathValue("policy")), i.now()
	var groups []CSPGroup
	at := map[violation]int{}
	for _, v := range found {
		key := v
		key.page = ""
		n, ok := at[key]
		if !ok {
			n = len(groups)
			at[key] = n
			groups = append(groups, CSPGroup{Policy: policy, Disposition: v.disposition, Directive: v.directive, Blocked: v.blocked, First: now, Last: now})
		}
		groups[n].Page = v.page
		groups[n].Reports++
	}
	ctx, cancel := context.WithTimeout(r.Context(), countWithin)
	defer cancel()
	if err := i.reports.Count(ctx, groups); err != nil {
		i.log.Error("CSP reports could not be counted", "error", err)
		return http.StatusServiceUnavailable
	}
	return http.StatusNoContent
}

// policyName takes what can name a policy; anything else is nobody's.
func policyName(s string) string {
	if len(s) > maxWord || strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.@", r)
	}) {
		return ""
	}
	return s
}
