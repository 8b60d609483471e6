package policy

import (
	"strconv"

	"gatehouse/filter/headers"
	"gatehouse/filter/scan"
	"gatehouse/filter/upload"
)

// Config is the plugin's configuration as it stands in JSON: what control
// renders and what a person writes by hand. Its json tags are for writers
// (control marshals it); the filter itself reads with gjson (see Parse), because
// encoding/json would add 1 MB to the module.
type Config struct {
	// Version identifies this configuration in verdicts; free text.
	Version string `json:"version,omitempty"`
	// HoldRequestHeaders says that the host was configured with
	// allow_on_headers_stop_iteration, so that the filter may keep the request
	// headers back until it has judged an upload. Without it the headers leave
	// before the first body byte.
	HoldRequestHeaders bool `json:"hold_request_headers,omitempty"`
	// GatherBody is how many of an upload's first bytes, at most MaxGatherBody, the host
	// keeps until as many have come, or the whole body has, to be read at once: a frame of
	// HTTP/2 brings 16 KiB, and each costs as much to ask for as to judge. The host's buffer
	// (request_body_buffer_limit) must be larger than this and its largest read
	// (per_connection_buffer_limit_bytes) together, else it answers 413. 0 reads what
	// comes. A body without a Content-Length, or that is to be scanned, is not gathered, nor
	// is one whose headers cannot be held (HoldRequestHeaders).
	GatherBody int64 `json:"gather_body,omitempty"`
	// IgnoreMetadata says that neither routes nor virtual hosts name a policy in
	// their metadata, so that the filter need not ask: asking costs as much as
	// setting six headers. What they name all the same does not count.
	IgnoreMetadata bool `json:"ignore_metadata,omitempty"`
	// Verdicts says which verdicts the filter publishes for the access log: all
	// (also when empty), or decisions: not those that say no more than that the
	// request was allowed, unless the response is a server error.
	Verdicts Verdicts `json:"verdicts,omitempty"`
	// ScanService is the name of the host's cluster at which control serves the
	// virus scanner; needed where a policy scans.
	ScanService string `json:"scan_service,omitempty"`
	// DefaultPolicy applies where neither metadata nor a rule names a policy.
	DefaultPolicy string `json:"default_policy,omitempty"`
	// Rules choose a policy where route metadata cannot be set (Istio). The
	// first match wins.
	Rules    []Rule            `json:"rules,omitempty"`
	Policies map[string]Policy `json:"policies"`
}

// MaxGatherBody bounds GatherBody, in bytes.
const MaxGatherBody = 256 << 10

// Gate is the whole configuration of the plugin where it stands a second time,
// as the last filter before the router, to keep back what waits for the virus
// scanner. It needs the same vm_id and code as the first.
const Gate = `{"gate":true}`

// Verdicts is all or decisions.
type Verdicts string

const (
	VerdictsAll       Verdicts = "all"
	VerdictsDecisions Verdicts = "decisions"
)

// Rule matches requests by host, path and method; what is empty matches all.
type Rule struct {
	// Hosts are lower-case host names without port; "*.example.com" matches
	// one or more further labels, "*" all.
	Hosts []string `json:"hosts,omitempty"`
	// Path matches exactly, PathPrefix on segment boundaries: "/a" matches
	// "/a" and "/a/b", not "/ab". At most one of the two.
	Path       string   `json:"path,omitempty"`
	PathPrefix string   `json:"path_prefix,omitempty"`
	Methods    []string `json:"methods,omitempty"`
	Policy     string   `json:"policy"`
}

// Policy is what applies to a request. An absent feature is off.
type Policy struct {
	Headers *Headers `json:"headers,omitempty"`
	CORS    *CORS    `json:"cors,omitempty"`
	CSRF    *CSRF    `json:"csrf,omitempty"`
	Uploads *Uploads `json:"uploads,omitempty"`
}

// Mode is enforce (also when empty), report or off.
type Mode string

const (
	Enforce Mode = "enforce"
	Report  Mode = "report"
	Off     Mode = "off"
)

// Headers configures the security headers of responses.
type Headers struct {
	Mode   Mode   `json:"mode,omitempty"`
	Preset string `json:"preset,omitempty"` // strict, web-app, api, legacy-compatible
	// Set overrides or adds single headers by name; an empty value removes a
	// header that the preset would set.
	Set map[string]string `json:"set,omitempty"`
	// Remove names upstream response headers that must not leave.
	Remove []string `json:"remove,omitempty"`
	// CSP changes the preset's Content-Security-Policy by directive: a list of
	// values, [] for a directive that takes none, [""] to take one away.
	CSP map[string][]string `json:"csp,omitempty"`
	// CSPReportOnly is a policy of its own, beside the enforced one.
	CSPReportOnly map[string][]string `json:"csp_report_only,omitempty"`
	// ReportingEndpoints are https URLs or paths by name.
	ReportingEndpoints map[string]string `json:"reporting_endpoints,omitempty"`
	// Existing says by header what becomes of the upstream's own: replace
	// (unless told), keep or merge.
	Existing map[string]string `json:"existing,omitempty"`
	Cookies  *Cookies          `json:"cookies,omitempty"`
	// ClearSiteData are types of data that a success makes browsers drop.
	ClearSiteData []string `json:"clear_site_data,omitempty"`
}

// Cookies configures the hardening of the upstream's cookies (RFC 6265bis).
type Cookies struct {
	Secure   *bool `json:"secure,omitempty"`
	HTTPOnly *bool `json:"http_only,omitempty"`
	// SameSite is Lax, Strict or keep.
	SameSite       string   `json:"same_site,omitempty"`
	ScriptReadable []string `json:"script_readable,omitempty"`
	Except         []string `json:"except,omitempty"`
}

// Compile validates the settings, whatever the mode; the mistakes are joined
// *headers.ConfigError.
func (h *Headers) Compile() (*headers.Policy, error) {
	c := headers.Config{
		Preset: h.Preset, Set: h.Set, Remove: h.Remove, CSP: h.CSP, CSPReportOnly: h.CSPReportOnly,
		ReportingEndpoints: h.ReportingEndpoints, Existing: h.Existing, ClearSiteData: h.ClearSiteData,
	}
	if h.Cookies != nil {
		own := headers.Cookies(*h.Cookies)
		c.Cookies = &own
	}
	return headers.Compile(c)
}

// CORS configures cross-origin sharing (Fetch standard, section 3.3).
type CORS struct {
	Mode             Mode     `json:"mode,omitempty"`
	AllowOrigins     []string `json:"allow_origins"`
	AllowCredentials bool     `json:"allow_credentials,omitempty"`
	AllowMethods     []string `json:"allow_methods,omitempty"`
	AllowHeaders     []string `json:"allow_headers,omitempty"`
	ExposeHeaders    []string `json:"expose_headers,omitempty"`
	// MaxAge in seconds; nil sends no header, 0 sends 0.
	MaxAge              *int `json:"max_age,omitempty"`
	AllowPrivateNetwork bool `json:"allow_private_network,omitempty"`
	// Debug tells the sender of a refused preflight why; not for production.
	Debug bool `json:"debug,omitempty"`
}

// CSRF configures the refusal of what other sites make browsers send (W3C Fetch
// Metadata, and the Origin field).
type CSRF struct {
	Mode Mode `json:"mode,omitempty"`
	// TrustOrigins may send all the same; what CORS allows is trusted anyway.
	TrustOrigins []string `json:"trust_origins,omitempty"`
}

// Uploads configures the inspection of request bodies that carry files. Sizes
// are in bytes; 0 means the default.
type Uploads struct {
	Mode Mode `json:"mode,omitempty"`
	// Allow lists type ids ("pdf") and groups ("image").
	Allow          []string `json:"allow"`
	MaxFileSize    int64    `json:"max_file_size,omitempty"`
	MaxRequestSize int64    `json:"max_request_size,omitempty"`
	MaxFiles       int      `json:"max_files,omitempty"`
	// MaxUnpackedSize bounds what one file may hold once unpacked, MaxPixels the
	// width times the height of an image.
	MaxUnpackedSize int64 `json:"max_unpacked_size,omitempty"`
	MaxPixels       int64 `json:"max_pixels,omitempty"`
	// OnUncertain is accept, reject or scan: what becomes of files that nobody can
	// see into, because they are encrypted or packed in an unknown way.
	OnUncertain string `json:"on_uncertain,omitempty"`
	// PDF is about actions that lead out of a PDF.
	PDF *UploadPDF `json:"pdf,omitempty"`
	// Scan is how files are handed to the virus scanner behind scan_service.
	Scan *Scan `json:"scan,omitempty"`
	// Fields says otherwise for some fields of a form.
	Fields []UploadField `json:"fields,omitempty"`
	// JSONFields names the places in JSON bodies that hold files.
	JSONFields []JSONField `json:"json_fields,omitempty"`
	// Names is refuse (also when empty) or rewrite: what becomes of file names
	// that could do harm.
	Names string `json:"names,omitempty"`
	// Media is content (also when empty) or type: what of images, sounds and films
	// is looked at.
	Media string `json:"media,omitempty"`
}

// JSONField is a place in JSON bodies that holds a file in base64, plain or as a
// data: URL: its path ($.document.content, files[*].data), what it may hold, as
// for an UploadField, and its alphabet, base64 (also when empty) or base64url.
type JSONField struct {
	Path        string   `json:"path"`
	Allow       []string `json:"allow,omitempty"`
	MaxFileSize int64    `json:"max_file_size,omitempty"`
	Encoding    string   `json:"encoding,omitempty"`
}

// UploadPDF says what becomes of addresses and of other files that a PDF leads to:
// allow; click (also when empty), which refuses what happens without one; or reject.
type UploadPDF struct {
	URI        string `json:"uri,omitempty"`
	GoToRemote string `json:"goto_remote,omitempty"`
}

// Scan configures the scanning of files. What it says is in force only where
// When is always or OnUncertain is scan.
type Scan struct {
	// When is uncertain (also when empty: files that nobody can see into) or always.
	When string `json:"when,omitempty"`
	// Hold is none (also when empty: bytes pass, the end of a file waits for its
	// verdict) or body: nothing passes before. MaxHold bounds such a body in bytes.
	Hold    string `json:"hold,omitempty"`
	MaxHold int64  `json:"max_hold,omitempty"`
	// TimeoutMillis is how long the scanner may be silent while it is waited for.
	TimeoutMillis int64 `json:"timeout_ms,omitempty"`
	// OnTimeout and OnError are reject (also when empty) or accept.
	OnTimeout string `json:"on_timeout,omitempty"`
	OnError   string `json:"on_error,omitempty"`
}

// The words of Scan.
const (
	ScanUncertain = "uncertain"
	ScanAlways    = "always"
	HoldNone      = "none"
	HoldBody      = "body"
	Accept        = "accept"
	Reject        = "reject"
)

// mistakes lists what is none of the words.
func (s *Scan) mistakes() []Mistake {
	var out []Mistake
	for _, word := range []struct{ key, value, first, second string }{
		{"when", s.When, ScanUncertain, ScanAlways}, {"hold", s.Hold, HoldNone, HoldBody},
		{"on_timeout", s.OnTimeout, Reject, Accept}, {"on_error", s.OnError, Reject, Accept},
	} {
		if word.value != "" && word.value != word.first && word.value != word.second {
			out = append(out, Mistake{"scan." + word.key, strconv.Quote(word.value) + " is neither " + word.first + " nor " + word.second})
		}
	}
	return out
}

// UploadField is what one field of a form may hold; what it leaves out is as for
// all the others.
type UploadField struct {
	Name        string   `json:"name"`
	Allow       []string `json:"allow,omitempty"`
	MaxFileSize int64    `json:"max_file_size,omitempty"`
}

// Config is what filter/upload compiles.
func (u *Uploads) Config() upload.Config {
	c := upload.Config{
		Allow: u.Allow, MaxFileSize: u.MaxFileSize, MaxRequestSize: u.MaxRequestSize, MaxFiles: u.MaxFiles,
		MaxUnpacked: u.MaxUnpackedSize, MaxPixels: u.MaxPixels, OnUncertain: u.OnUncertain,
		Names: u.Names, Media: u.Media,
	}
	if u.PDF != nil {
		c.PDF = upload.PDF(*u.PDF)
	}
	if s := u.Scan; s != nil {
		c.Scan = &scan.Settings{
			Always: s.When == ScanAlways, Hold: s.Hold == HoldBody, MaxHold: s.MaxHold, Millis: s.TimeoutMillis,
			AcceptTimeout: s.OnTimeout == Accept, AcceptError: s.OnError == Accept,
		}
	} else if u.OnUncertain == upload.OnUncertainScan {
		c.Scan = &scan.Settings{}
	}
	for _, f := range u.Fields {
		c.Fields = append(c.Fields, upload.Field(f))
	}
	for _, f := range u.JSONFields {
		c.JSONFields = append(c.JSONFields, upload.JSONField(f))
	}
	return c
}
