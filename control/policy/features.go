package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	authzpolicy "gatehouse/authz/policy"
	"gatehouse/filter/cors"
	"gatehouse/filter/csrf"
	"gatehouse/filter/headers"
	filterpolicy "gatehouse/filter/policy"
	"gatehouse/filter/upload"
)

// put notes the place of a value, if it was written.
func put[V any](t trace, path string, v value[V]) V {
	if v.set {
		t[path] = v.at
	}
	return v.v
}

func putList(t trace, path string, v value[[]value[string]]) []string {
	if !v.set {
		return nil
	}
	t[path] = v.at
	out := make([]string, len(v.v))
	for i, item := range v.v {
		out[i] = item.v
		t[fmt.Sprintf("%s[%d]", path, i)] = item.at
		t[path+"="+item.v] = item.at
	}
	return out
}

func (k *compiler) csrf(raw value[rawCSRF], t trace) *filterpolicy.CSRF {
	if !raw.set {
		return nil
	}
	t["csrf"] = raw.at
	c := &filterpolicy.CSRF{
		Mode:         filterpolicy.Mode(put(t, "csrf.mode", raw.v.mode)),
		TrustOrigins: putList(t, "csrf.trust_origins", raw.v.trust),
	}
	if c.Mode == filterpolicy.Off {
		return c
	}
	_, err := csrf.Compile(csrf.Config{TrustOrigins: c.TrustOrigins})
	k.judge(err, "csrf", t)
	for _, o := range raw.v.trust.v {
		k.publicSuffix(o)
	}
	return c
}

func (k *compiler) uploads(raw value[rawUploads], t trace) *filterpolicy.Uploads {
	if !raw.set {
		return nil
	}
	t["uploads"] = raw.at
	u := &filterpolicy.Uploads{
		Mode:           filterpolicy.Mode(put(t, "uploads.mode", raw.v.mode)),
		Allow:          putList(t, "uploads.allow", raw.v.allow),
		MaxFileSize:    put(t, "uploads.max_file_size", raw.v.maxFile),
		MaxRequestSize: put(t, "uploads.max_request_size", raw.v.maxRequest),
		MaxFiles:       int(put(t, "uploads.max_files", raw.v.maxFiles)),

		MaxUnpackedSize: put(t, "uploads.max_unpacked_size", raw.v.maxUnpacked),
		MaxPixels:       put(t, "uploads.max_pixels", raw.v.maxPixels),
		OnUncertain:     put(t, "uploads.on_uncertain", raw.v.onUncertain),
		Scan:            uploadScan(raw.v.scan, t),
		Fields:          k.uploadFields(raw.v.fields, t),
		JSONFields:      k.jsonFields(raw.v.jsonFields, t),
		Names:           put(t, "uploads.names", raw.v.names),
		Media:           put(t, "uploads.media", raw.v.media),
	}
	if pdf := raw.v.pdf; pdf.set {
		u.PDF = &filterpolicy.UploadPDF{URI: put(t, "uploads.pdf.uri", pdf.v.uri), GoToRemote: put(t, "uploads.pdf.goto_remote", pdf.v.gotoRemote)}
	}
	k.scannable(u, raw.v, t)
	known := k.knownTypes(raw.v.allow)
	if u.Mode != filterpolicy.Off && len(known) == len(u.Allow) {
		_, err := upload.Compile(u.Config())
		k.judge(err, "uploads", t)
	}
	return u
}

func (k *compiler) uploadFields(raw value[[]value[rawUploadField]], t trace) []filterpolicy.UploadField {
	if raw.set {
		t["uploads.fields"] = raw.at
	}
	var out []filterpolicy.UploadField
	for _, f := range raw.v {
		if f.v.name.v == "" {
			continue // reported where it was read
		}
		out = append(out, filterpolicy.UploadField{
			Name: f.v.name.v, Allow: k.knownTypes(f.v.allow), MaxFileSize: f.v.maxFile.v,
		})
	}
	return out
}

func (k *compiler) jsonFields(raw value[[]value[rawJSONField]], t trace) []filterpolicy.JSONField {
	if raw.set {
		t["uploads.json_fields"] = raw.at
	}
	var out []filterpolicy.JSONField
	for _, f := range raw.v {
		if f.v.path.v == "" {
			continue // reported where it was read
		}
		out = append(out, filterpolicy.JSONField{
			Path: f.v.path.v, Allow: k.knownTypes(f.v.allow), MaxFileSize: f.v.maxFile.v, Encoding: f.v.encoding.v,
		})
	}
	return out
}

// knownTypes leaves out, and reports, what names neither a type nor a group.
func (k *compiler) knownTypes(allow value[[]value[string]]) []string {
	names := append(upload.KnownGroups(), upload.KnownTypes()...)
	var known []string
	for _, item := range allow.v {
		if slices.Contains(names, item.v) {
			known = append(known, item.v)
			continue
		}
		k.d.fail(item.at, "unknown type of file", item.v, suggest(item.v, names, "type"))
	}
	return known
}

// judge reports what a room's own compiler found, at the place of the setting
// or of the item in its list that it names.
func (k *compiler) judge(err error, feature string, t trace) {
	if err == nil {
		return
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			k.judge(e, feature, t)
		}
		return
	}
	f := t.find(err, feature)
	if f.key != "" && !strings.Contains(f.at.path, f.key) && k.d.blamed(join(f.at.path, f.key)) {
		return // it was written, and could not be read
	}
	if f.offending == "" && k.d.blamed(f.at.path) {
		return // it is empty because what stands there could not be read
	}
	k.d.fail(f.at, f.reason, f.offending, suggestionFor(f.key, f.offending))
}

// finding is what a room said of a setting, and where that was written.
type finding struct {
	at                     pos
	key, offending, reason string
}

func (t trace) find(err error, feature string) finding {
	f := finding{}
	f.key, f.offending, f.reason = complaint(err)
	path := feature
	if f.key != "" {
		path += "." + f.key
	}
	at, ok := t[path+"="+f.offending]
	if !ok {
		at, _ = t.at(path)
	}
	f.at, f.reason = at, strings.TrimPrefix(f.reason, ": ")
	if !strings.Contains(at.path, f.key) {
		f.reason = f.key + ": " + f.reason
	}
	return f
}

func complaint(err error) (key, offending, reason string) {
	var c *cors.ConfigError
	if errors.As(err, &c) {
		return c.Key, c.Value, c.Reason
	}
	var f *csrf.ConfigError
	if errors.As(err, &f) {
		return f.Key, f.Value, f.Reason
	}
	var h *headers.ConfigError
	if errors.As(err, &h) {
		return h.Key, h.Value, h.Reason
	}
	var u *upload.ConfigError
	if errors.As(err, &u) {
		return u.Key, u.Value, u.Reason
	}
	return "", "", err.Error()
}

func session(raw value[rawSession], t trace) authzpolicy.Session {
	if !raw.set {
		return authzpolicy.Session{Require: authzpolicy.SessionNone}
	}
	t["session"] = raw.at
	s := authzpolicy.Session{
		Mode:           authzpolicy.Mode(put(t, "session.mode", raw.v.mode)),
		Require:        authzpolicy.Require(put(t, "session.require", raw.v.require)),
		MaxIdleSeconds: int64(put(t, "session.max_idle", raw.v.maxIdle) / time.Second),
		MaxAgeSeconds:  int64(put(t, "session.max_age", raw.v.maxAge) / time.Second),
		MaxSessions:    put(t, "session.max_sessions", raw.v.maxSessions),
		WhenFull:       put(t, "session.when_full", raw.v.whenFull),
		Cache:          put(t, "session.cache", raw.v.cache),
		APIKeyScope:    put(t, "session.api_key_scope", raw.v.apiKeyScope),

		MaxAuthAgeSeconds: int64(put(t, "session.max_auth_age", raw.v.maxAuthAge) / time.Second),
		SecondFactor:      put(t, "session.second_factor", raw.v.secondFactor),
		Passkey:           put(t, "session.passkey", raw.v.passkey),
		Roles:             putList(t, "session.roles", raw.v.roles),
		Scopes:            putList(t, "session.scopes", raw.v.scopes),
		Audience:          put(t, "session.audience", raw.v.audience),
	}
	if s.Require == "" {
		s.Require = authzpolicy.SessionNone
	}
	return s
}

func (k *compiler) limits(raw value[[]value[rawLimit]], t trace) []authzpolicy.Limit {
	if !raw.set {
		return nil
	}
	t["limits"] = raw.at
	out := make([]authzpolicy.Limit, len(raw.v))
	for i, l := range raw.v {
		path := fmt.Sprintf("limits[%d]", i)
		t[path] = l.at
		window := put(t, path+".rate", l.v.rate)
		out[i] = authzpolicy.Limit{
			Name:         put(t, path+".name", l.v.name),
			Mode:         authzpolicy.Mode(put(t, path+".mode", l.v.mode)),
			By:           putList(t, path+".by", l.v.by),
			Requests:     window.requests,
			WindowMillis: window.window.Milliseconds(),
			Period:       window.period,
			TimeZone:     put(t, path+".time_zone", l.v.timeZone),
			Algorithm:    authzpolicy.Algorithm(put(t, path+".algorithm", l.v.algorithm)),
			Burst:        put(t, path+".burst", l.v.burst),
			OnRedisError: authzpolicy.OnRedisError(put(t, path+".on_redis_error", l.v.onRedisError)),
			Lease:        putLease(t, path+".lease", l.v.lease),
		}
	}
	return out
}

// putLease tells 0 from what is not told.
func putLease(t trace, path string, lease value[int64]) *int64 {
	n := put(t, path, lease)
	if !lease.set {
		return nil
	}
	return &n
}

// judgeAuthz has authz's compiler look at one policy.
func (k *compiler) judgeAuthz(p authzpolicy.Policy, t trace) {
	const name = "p"
	_, err := authzpolicy.Compile(authzpolicy.Config{Version: "v", Policies: map[string]authzpolicy.Policy{name: p}})
	var found authzpolicy.Mistakes
	if !errors.As(err, &found) {
		return
	}
	for _, m := range found {
		path := yamlPath(strings.TrimPrefix(m.Where, "policies."+name+"."))
		at, _ := t.at(path)
		if !k.d.blamed(at.path) {
			k.d.fail(at, m.What, "", m.Fix)
		}
	}
}

// yamlPath is where gatehouse.yaml says what authz's JSON says elsewhere.
func yamlPath(path string) string {
	for json, yaml := range map[string]string{
		".requests": ".rate", ".window_ms": ".rate", ".period": ".rate", "max_idle_seconds": "max_idle", "max_age_seconds": "max_age",
		"max_auth_age_seconds": "max_auth_age",
	} {
		if base, ok := strings.CutSuffix(path, json); ok {
			return base + yaml
		}
	}
	return path
}
