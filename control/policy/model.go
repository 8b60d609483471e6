package policy

import "time"

// The document as it was written: every setting with its place, nothing
// resolved yet. The tables in tables.go say how it is read.

type rawFile struct {
	version   value[int64]
	envoy     value[rawEnvoy]
	upstreams value[[]named[rawUpstream]]
	redis     value[rawRedis]
	signIn    value[rawSignIn]
	auth      value[rawAuth]
	control   value[rawControl]
	privacy   value[rawPrivacy]
	policies  value[[]named[rawPolicy]]
	routes    value[[]value[rawRoute]]
	alerts    value[rawAlerts]
}

type rawEnvoy struct {
	listen value[string]
	tls    value[rawTLS]
	hops   value[int64]
}

type rawTLS struct {
	listen, cert, key    value[string]
	clientCA, clientCert value[string]
	redirect             value[bool]
	redirectPort         value[int64]
}

type rawUpstream struct{ url value[string] }

type rawRedis struct {
	url, urlFile, passwordFile value[string]
	poolSize                   value[int64]
}

type rawAuth struct{ policy value[string] }

type rawPolicy struct {
	extends value[string]
	rawFeatures
}

type rawRoute struct {
	name, path, prefix, upstream, policy value[string]
	hosts, methods                       value[[]value[string]]
	rawFeatures
}

// rawFeatures are what a policy says, and what a route may override.
type rawFeatures struct {
	headers value[rawHeaders]
	cors    value[rawCORS]
	csrf    value[rawCSRF]
	session value[rawSession]
	consent value[rawConsent]
	limits  value[[]value[rawLimit]]
	uploads value[rawUploads]
}

type rawCORS struct {
	mode                            value[string]
	origins, methods, allow, expose value[[]value[string]]
	credentials, privateNetwork     value[bool]
	debug                           value[bool]
	maxAge                          value[int]
}

type rawCSRF struct {
	mode  value[string]
	trust value[[]value[string]]
}

type rawSession struct {
	mode, require, audience     value[string]
	maxIdle, maxAge, maxAuthAge value[time.Duration]
	secondFactor                value[bool]
	passkey                     value[string]
	roles, scopes               value[[]value[string]]
	apiKeyScope                 value[string]
	maxSessions                 value[int64]
	whenFull, cache             value[string]
}

type rawLimit struct {
	name, mode, algorithm, onRedisError value[string]
	timeZone                            value[string]
	by                                  value[[]value[string]]
	rate                                value[rate]
	burst, lease                        value[int64]
}

type rawUploads struct {
	mode                value[string]
	allow               value[[]value[string]]
	maxFile, maxRequest value[int64]
	maxFiles            value[int64]
	maxUnpacked         value[int64]
	maxPixels           value[int64]
	onUncertain         value[string]
	pdf                 value[rawUploadPDF]
	scan                value[rawScan]
	fields              value[[]value[rawUploadField]]
	jsonFields          value[[]value[rawJSONField]]
	names               value[string]
	media               value[string]
}

type rawJSONField struct {
	path, encoding value[string]
	allow          value[[]value[string]]
	maxFile        value[int64]
}

type rawUploadPDF struct{ uri, gotoRemote value[string] }

type rawScan struct {
	when, hold, onTimeout, onError value[string]
	maxHold                        value[int64]
	timeout                        value[time.Duration]
}

type rawUploadField struct {
	name    value[string]
	allow   value[[]value[string]]
	maxFile value[int64]
}
