package upload

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"

	"gatehouse/filter/scan"
)

// Config is what a policy says; see filter/policy.Uploads for the keys. Sizes
// are in bytes, 0 means the default.
type Config struct {
	Allow          []string
	MaxFileSize    int64
	MaxRequestSize int64
	MaxFiles       int
	// MaxUnpacked bounds what one file may hold once unpacked, in bytes.
	MaxUnpacked int64
	// MaxPixels bounds an image's width times its height.
	MaxPixels int64
	// OnUncertain says what becomes of a file that nobody can see into, because
	// it is encrypted or packed in a way that is not known here: OnUncertainAccept
	// (the default), OnUncertainReject or OnUncertainScan.
	OnUncertain string
	// PDF is about actions that lead out of a PDF.
	PDF PDF
	// Scan hands files to a virus scanner: each of them if it says Always, else
	// those that nobody can see into, which OnUncertainScan asks for. Nil scans
	// nothing, and goes with no OnUncertainScan.
	Scan *scan.Settings
	// Fields says otherwise for some fields of a form.
	Fields []Field
	// JSONFields names the places in JSON bodies that hold files.
	JSONFields []JSONField
	// Names says what becomes of names that could do harm: NamesRefuse (the
	// default), or NamesRewrite, which makes them harmless in the stream where
	// that is possible without changing its length.
	Names string
	// Media says what of images, sounds and films is looked at: MediaContent (the
	// default), or MediaType, which looks at what tells their type alone: a file's
	// first 256 KiB, and whether it ends as an archive.
	Media string
}

// Field is what one field of a form may hold: its own types, if it names any,
// and its own size, if that is not 0.
type Field struct {
	Name        string
	Allow       []string
	MaxFileSize int64
}

// What becomes of files that nobody can see into.
const (
	OnUncertainAccept = "accept"
	OnUncertainReject = "reject"
	OnUncertainScan   = "scan"
)

// What becomes of names that could do harm.
const (
	NamesRefuse  = "refuse"
	NamesRewrite = "rewrite"
)

// What of images, sounds and films is looked at.
const (
	MediaContent = "content"
	MediaType    = "type"
)

// The defaults of a Config.
const (
	DefaultMaxFileSize = 10 << 20
	DefaultMaxFiles    = 10
	// requestSlack is what a request may be larger than its largest file:
	// form fields and the multipart framing.
	requestSlack = 1 << 20
)

// Policy is a compiled Config; immutable and safe for concurrent use.
type Policy struct {
	allow      map[string]bool
	holding    map[string][]uint8
	maxFile    int64
	maxRequest int64
	maxFiles   int

	maxUnpacked     int64
	maxPixels       int64
	rejectUncertain bool
	acceptUncertain bool // as it was written, not by default
	fields          map[string]*Policy
	pdf             PDF
	jsonFields      []jsonField
	rewriteNames    bool
	mediaType       bool
	scan            *scan.Settings
	beginnings      *sync.Pool
}

// Scan is how files are scanned, nil if they are not.
func (p *Policy) Scan() *scan.Settings { return p.scan }

// ConfigError is one mistake in a Config.
type ConfigError struct{ Key, Value, Reason string }

func (e *ConfigError) Error() string { return e.Key + ": \"" + e.Value + "\" " + e.Reason }

// Compile validates c and reports all of its mistakes together (errors.Join).
func Compile(c Config) (*Policy, error) {
	p := &Policy{allow: map[string]bool{}, holding: kindsByContent(), maxFile: c.MaxFileSize, maxRequest: c.MaxRequestSize, maxFiles: c.MaxFiles,
		maxUnpacked: c.MaxUnpacked, maxPixels: c.MaxPixels, rejectUncertain: c.OnUncertain == OnUncertainReject,
		acceptUncertain: c.OnUncertain == OnUncertainAccept, pdf: c.PDF, rewriteNames: c.Names == NamesRewrite, mediaType: c.Media == MediaType, beginnings: newBeginnings()}
	var errs []error
	fail := func(key, value, reason string) { errs = append(errs, &ConfigError{key, value, reason}) }
	if len(c.Allow) == 0 {
		fail("allow", "", "is empty: name the types, or leave uploads out")
	}
	for _, name := range c.Allow {
		if !p.allowName(name) {
			fail("allow", name, "is no type and no group; types are "+strings.Join(KnownTypes(), ", ")+
				"; groups are "+strings.Join(KnownGroups(), ", "))
		}
	}
	for _, size := range []struct {
		key   string
		value int64
	}{{"max_file_size", c.MaxFileSize}, {"max_request_size", c.MaxRequestSize}, {"max_files", int64(c.MaxFiles)},
		{"max_unpacked_size", c.MaxUnpacked}, {"max_pixels", c.MaxPixels}} {
		if size.value < 0 {
			fail(size.key, strconv.FormatInt(size.value, 10), "is negative")
		}
	}
	p.uncertain(c, fail)
	for _, lead := range [...]struct{ key, value string }{{"pdf.uri", c.PDF.URI}, {"pdf.goto_remote", c.PDF.GoToRemote}} {
		if !leadKnown(lead.value) {
			fail(lead.key, lead.value, "is none of allow, click and reject")
		}
	}
	if c.Names != "" && c.Names != NamesRefuse && c.Names != NamesRewrite {
		fail("names", c.Names, "is neither refuse nor rewrite")
	}
	if c.Media != "" && c.Media != MediaContent && c.Media != MediaType {
		fail("media", c.Media, "is neither content nor type")
	}
	p.defaults()
	if p.maxRequest < p.maxFile {
		fail("max_request_size", strconv.FormatInt(p.maxRequest, 10), "is smaller than max_file_size: no such file could ever arrive")
	}
	for _, f := range c.Fields {
		p.field(f, fail)
	}
	for _, f := range c.JSONFields {
		p.jsonField(f, fail)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return p, nil
}

// field compiles what one field may hold, from what all may.
func (p *Policy) field(f Field, fail func(key, value, reason string)) {
	if f.Name == "" || p.fields[f.Name] != nil {
		fail("fields", f.Name, "has no name, or that of another")
		return
	}
	if p.fields == nil {
		p.fields = map[string]*Policy{}
	}
	p.fields[f.Name] = p.narrowed("fields", f.Allow, f.MaxFileSize, fail)
}

// narrowed is the policy with its own types and size, where it has any.
func (p *Policy) narrowed(key string, allow []string, maxFile int64, fail func(key, value, reason string)) *Policy {
	own := *p
	own.fields, own.jsonFields = nil, nil
	if len(allow) > 0 {
		own.allow = map[string]bool{}
	}
	for _, name := range allow {
		if !own.allowName(name) {
			fail(key, name, "is no type and no group")
		}
	}
	switch {
	case maxFile < 0 || maxFile > p.maxRequest:
		fail(key, strconv.FormatInt(maxFile, 10), "is no size that a file in a request could have")
	case maxFile > 0:
		own.maxFile = maxFile
	}
	return &own
}

// of is the policy of a form's field. A rule for photos also holds for photos[] and
// photos[3], as PHP and others group fields. What some servers would take for the
// name of a rule is refused: PHP drops spaces in front, and makes underscores of
// dots, spaces and a bracket that is not closed; Django drops spaces at both ends;
// ASP.NET takes letters in either case.
func (p *Policy) of(field string) (*Policy, *Refusal) {
	if len(p.fields) == 0 {
		return p, nil
	}
	if own := p.fields[field]; own != nil {
		return own, nil
	}
	base, _, _ := strings.Cut(field, "[")
	if own := p.fields[base]; own != nil {
		return own, nil
	}
	whole := loosely(strings.Replace(field, "[", "_", 1))
	for name := range p.fields {
		name = loosely(name)
		if name == loosely(base) || name == loosely(strings.TrimSpace(base)) || name == whole && !strings.Contains(field, "]") {
			return nil, malformed("the name of a field that some servers take for that of another, which has a rule")
		}
	}
	return p, nil
}

// loosely is the name of a field as it may be read by whoever is careless about it.
func loosely(name string) string {
	return strings.NewReplacer(".", "_", " ", "_").Replace(strings.ToLower(strings.TrimLeft(name, " ")))
}

func (p *Policy) allowName(name string) bool {
	if kindByID(name) != nil {
		p.allow[name] = true
		return true
	}
	if !slices.Contains(KnownGroups(), name) {
		return false
	}
	for i := range kinds {
		if kinds[i].group == name {
			p.allow[kinds[i].id] = true
		}
	}
	return true
}

func (p *Policy) defaults() {
	if p.maxFile == 0 {
		p.maxFile = DefaultMaxFileSize
		if p.maxRequest > 0 {
			p.maxFile = min(p.maxFile, p.maxRequest)
		}
	}
	if p.maxUnpacked == 0 {
		p.maxUnpacked = DefaultMaxUnpacked
	}
	if p.maxPixels == 0 {
		p.maxPixels = DefaultMaxPixels
	}
	if p.maxFiles == 0 {
		p.maxFiles = DefaultMaxFiles
	}
	if p.maxRequest == 0 {
		p.maxRequest = p.maxFile + requestSlack
	}
}
