package policy

import (
	"errors"
	"strconv"

	"github.com/tidwall/gjson"
)

// maxConfigBytes bounds a configuration; a thousand policies take a tenth.
const maxConfigBytes = 4 << 20

// Parse reads the plugin's JSON strictly and compiles it. Unknown and duplicate
// keys, wrong types and everything that Compile finds are reported together.
func Parse(text []byte) (*Set, error) {
	if len(text) > maxConfigBytes {
		return nil, errors.New("the configuration is larger than 4 MiB")
	}
	if !gjson.ValidBytes(text) {
		return nil, errors.New("the configuration is not JSON (RFC 8259)")
	}
	r := &reader{}
	c := r.config(gjson.ParseBytes(text))
	set, err := Compile(c)
	if len(r.errs) > 0 {
		return nil, errors.Join(append(r.errs, err)...)
	}
	return set, err
}

// reader walks the JSON and collects what does not fit.
type reader struct{ errs []error }

func (r *reader) fail(where, what string) {
	if where == "" {
		where = "configuration"
	}
	r.errs = append(r.errs, &Mistake{where, what})
}

type field func(where string, v gjson.Result)

func (r *reader) object(where string, v gjson.Result, each func(key string) field) {
	if !v.IsObject() {
		r.fail(where, "must be an object")
		return
	}
	seen := map[string]bool{}
	v.ForEach(func(key, value gjson.Result) bool {
		at := join(where, key.Str)
		if seen[key.Str] {
			r.fail(at, "stands twice")
			return true
		}
		seen[key.Str] = true
		if read := each(key.Str); read != nil {
			read(at, value)
		} else {
			r.fail(at, "is not a key here")
		}
		return true
	})
}

func join(where, key string) string {
	if where == "" {
		return key
	}
	return where + "." + key
}

// fields reads an object whose keys are known.
func (r *reader) fields(where string, v gjson.Result, known map[string]field) {
	r.object(where, v, func(key string) field { return known[key] })
}

func (r *reader) str(dst *string) field {
	return func(where string, v gjson.Result) {
		if v.Type != gjson.String {
			r.fail(where, "must be a string")
			return
		}
		*dst = v.Str
	}
}

func (r *reader) mode(dst *Mode) field {
	return func(where string, v gjson.Result) {
		var s string
		r.str(&s)(where, v)
		*dst = Mode(s)
	}
}

func (r *reader) boolean(dst *bool) field {
	return func(where string, v gjson.Result) {
		if !v.IsBool() {
			r.fail(where, "must be true or false")
			return
		}
		*dst = v.Bool()
	}
}

func (r *reader) integer(dst *int64) field {
	return func(where string, v gjson.Result) {
		n, err := strconv.ParseInt(v.Raw, 10, 64)
		if v.Type != gjson.Number || err != nil {
			r.fail(where, "must be a whole number")
			return
		}
		*dst = n
	}
}

func (r *reader) strings(dst *[]string) field {
	return func(where string, v gjson.Result) {
		r.array(where, v, func(at string, e gjson.Result) {
			var s string
			r.str(&s)(at, e)
			*dst = append(*dst, s)
		})
	}
}

func (r *reader) array(where string, v gjson.Result, each field) {
	if !v.IsArray() {
		r.fail(where, "must be an array")
		return
	}
	for i, e := range v.Array() {
		each(where+"."+strconv.Itoa(i), e)
	}
}

func (r *reader) config(v gjson.Result) Config {
	var c Config
	r.fields("", v, map[string]field{
		"version":              r.str(&c.Version),
		"hold_request_headers": r.boolean(&c.HoldRequestHeaders),
		"gather_body":          r.integer(&c.GatherBody),
		"ignore_metadata":      r.boolean(&c.IgnoreMetadata),
		"verdicts": func(where string, v gjson.Result) {
			var s string
			r.str(&s)(where, v)
			c.Verdicts = Verdicts(s)
		},
		"scan_service":   r.str(&c.ScanService),
		"default_policy": r.str(&c.DefaultPolicy),
		"rules": func(where string, v gjson.Result) {
			r.array(where, v, func(at string, e gjson.Result) { c.Rules = append(c.Rules, r.rule(at, e)) })
		},
		"policies": func(where string, v gjson.Result) {
			c.Policies = map[string]Policy{}
			r.object(where, v, func(name string) field {
				return func(at string, e gjson.Result) { c.Policies[name] = r.policy(at, e) }
			})
		},
	})
	return c
}

func (r *reader) rule(where string, v gjson.Result) Rule {
	var out Rule
	r.fields(where, v, map[string]field{
		"hosts": r.strings(&out.Hosts), "path": r.str(&out.Path), "path_prefix": r.str(&out.PathPrefix),
		"methods": r.strings(&out.Methods), "policy": r.str(&out.Policy),
	})
	return out
}

func (r *reader) policy(where string, v gjson.Result) Policy {
	var p Policy
	r.fields(where, v, map[string]field{
		"headers": func(at string, e gjson.Result) { p.Headers = r.headers(at, e) },
		"cors":    func(at string, e gjson.Result) { p.CORS = r.cors(at, e) },
		"csrf": func(at string, e gjson.Result) {
			p.CSRF = &CSRF{}
			r.fields(at, e, map[string]field{"mode": r.mode(&p.CSRF.Mode), "trust_origins": r.strings(&p.CSRF.TrustOrigins)})
		},
		"uploads": func(at string, e gjson.Result) { p.Uploads = r.uploads(at, e) },
	})
	return p
}

func (r *reader) headers(where string, v gjson.Result) *Headers {
	h := &Headers{}
	r.fields(where, v, map[string]field{
		"mode": r.mode(&h.Mode), "preset": r.str(&h.Preset), "remove": r.strings(&h.Remove), "set": r.texts(&h.Set),
		"csp": r.lists(&h.CSP), "csp_report_only": r.lists(&h.CSPReportOnly), "reporting_endpoints": r.texts(&h.ReportingEndpoints),
		"existing": r.texts(&h.Existing), "clear_site_data": r.strings(&h.ClearSiteData),
		"cookies": func(at string, e gjson.Result) { h.Cookies = r.cookies(at, e) },
	})
	return h
}

func (r *reader) cookies(where string, v gjson.Result) *Cookies {
	c := &Cookies{}
	r.fields(where, v, map[string]field{
		"secure": r.optional(&c.Secure), "http_only": r.optional(&c.HTTPOnly), "same_site": r.str(&c.SameSite),
		"script_readable": r.strings(&c.ScriptReadable), "except": r.strings(&c.Except),
	})
	return c
}

// texts reads an object whose values are strings.
func (r *reader) texts(dst *map[string]string) field {
	return func(where string, v gjson.Result) {
		*dst = map[string]string{}
		r.object(where, v, func(name string) field {
			return func(at string, e gjson.Result) {
				var value string
				r.str(&value)(at, e)
				(*dst)[name] = value
			}
		})
	}
}

// lists reads an object whose values are arrays of strings.
func (r *reader) lists(dst *map[string][]string) field {
	return func(where string, v gjson.Result) {
		*dst = map[string][]string{}
		r.object(where, v, func(name string) field {
			return func(at string, e gjson.Result) {
				var values []string
				r.strings(&values)(at, e)
				(*dst)[name] = values
			}
		})
	}
}

func (r *reader) optional(dst **bool) field {
	return func(where string, v gjson.Result) {
		*dst = new(bool)
		r.boolean(*dst)(where, v)
	}
}

func (r *reader) cors(where string, v gjson.Result) *CORS {
	c := &CORS{}
	r.fields(where, v, map[string]field{
		"mode": r.mode(&c.Mode), "allow_origins": r.strings(&c.AllowOrigins),
		"allow_credentials": r.boolean(&c.AllowCredentials), "allow_methods": r.strings(&c.AllowMethods),
		"allow_headers": r.strings(&c.AllowHeaders), "expose_headers": r.strings(&c.ExposeHeaders),
		"allow_private_network": r.boolean(&c.AllowPrivateNetwork), "debug": r.boolean(&c.Debug),
		"max_age": func(at string, e gjson.Result) {
			var n int64
			r.integer(&n)(at, e)
			seconds := int(min(max(n, -1), 1<<30))
			c.MaxAge = &seconds
		},
	})
	return c
}

func (r *reader) uploads(where string, v gjson.Result) *Uploads {
	u := &Uploads{}
	var files int64
	r.fields(where, v, map[string]field{
		"mode": r.mode(&u.Mode), "allow": r.strings(&u.Allow), "max_file_size": r.integer(&u.MaxFileSize),
		"max_request_size": r.integer(&u.MaxRequestSize), "max_files": r.integer(&files),
		"max_unpacked_size": r.integer(&u.MaxUnpackedSize), "max_pixels": r.integer(&u.MaxPixels), "on_uncertain": r.str(&u.OnUncertain),
		"pdf": func(at string, e gjson.Result) {
			u.PDF = &UploadPDF{}
			r.fields(at, e, map[string]field{"uri": r.str(&u.PDF.URI), "goto_remote": r.str(&u.PDF.GoToRemote)})
		},
		"scan": func(at string, e gjson.Result) { u.Scan = r.scan(at, e) },
		"fields": func(at string, e gjson.Result) {
			r.array(at, e, func(at string, e gjson.Result) { u.Fields = append(u.Fields, r.uploadField(at, e)) })
		},
		"names": r.str(&u.Names), "media": r.str(&u.Media),
		"json_fields": func(at string, e gjson.Result) {
			r.array(at, e, func(at string, e gjson.Result) { u.JSONFields = append(u.JSONFields, r.jsonField(at, e)) })
		},
	})
	u.MaxFiles = int(min(max(files, -1), 1<<30))
	return u
}

func (r *reader) jsonField(where string, v gjson.Result) JSONField {
	var f JSONField
	r.fields(where, v, map[string]field{
		"path": r.str(&f.Path), "allow": r.strings(&f.Allow), "max_file_size": r.integer(&f.MaxFileSize), "encoding": r.str(&f.Encoding),
	})
	return f
}

func (r *reader) scan(where string, v gjson.Result) *Scan {
	s := &Scan{}
	r.fields(where, v, map[string]field{
		"when": r.str(&s.When), "hold": r.str(&s.Hold), "max_hold": r.integer(&s.MaxHold),
		"timeout_ms": r.integer(&s.TimeoutMillis), "on_timeout": r.str(&s.OnTimeout), "on_error": r.str(&s.OnError),
	})
	return s
}

func (r *reader) uploadField(where string, v gjson.Result) UploadField {
	var f UploadField
	r.fields(where, v, map[string]field{
		"name": r.str(&f.Name), "allow": r.strings(&f.Allow), "max_file_size": r.integer(&f.MaxFileSize),
	})
	return f
}
