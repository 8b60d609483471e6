package policy

import (
	"encoding/json"
	"fmt"
	"strings"

	authzpolicy "gatehouse/authz/policy"
	"gatehouse/control/privacy/datamap"
	filterpolicy "gatehouse/filter/policy"
)

// Names of the policies that every compilation holds besides the user's own.
const (
	// AuthPolicy guards AuthPrefix unless auth.policy names another.
	AuthPolicy = authzpolicy.AuthRoute
	// DefaultPolicy gives the security headers to the 404 of what no route
	// matches.
	DefaultPolicy = "gatehouse-default"
	// AuthPrefix is always routed to authz, before the user's routes.
	AuthPrefix = "/auth/"
)

// Compiled is a gatehouse.yaml that was found to be without mistakes. It is
// shared between goroutines and must not be changed.
type Compiled struct {
	// Version is 16 hexadecimal digits of a SHA-256 over the meaning of the
	// file: comments, order of keys and the way of writing do not change it.
	Version string
	// Source is the name of the file as it was given to Load.
	Source string

	Filter    filterpolicy.Config
	Authz     authzpolicy.Config
	Envoy     EnvoySettings
	Upstreams []Upstream // sorted by name
	Routes    []Route    // in the order of the file; the first match wins
	Redis     RedisSettings
	// AuthPolicy is the policy of AuthPrefix.
	AuthPolicy string
	Control    ControlSettings
	// Privacy is the data map. Relative file names are relative to
	// gatehouse.yaml's folder; Load has already joined the two.
	Privacy datamap.Map
	Alerts  AlertSettings

	// Warnings are about what is allowed and probably not meant.
	Warnings []Error

	origins map[string]trace // by effective policy name
}

// EnvoySettings are those of the listeners. Addresses are host:port.
type EnvoySettings struct {
	Listen string       `json:"listen"`
	TLS    *TLSSettings `json:"tls,omitempty"`
	// TrustedHops is the number of proxies in front of Envoy whose
	// X-Forwarded-For is believed.
	TrustedHops uint32 `json:"trusted_hops,omitempty"`
}

// TLSSettings are those of the TLS listener. A relative file name is relative
// to gatehouse.yaml's folder; Load has already joined the two.
type TLSSettings struct {
	Listen   string `json:"listen"`
	CertFile string `json:"cert_file"`
	KeyFile  string `json:"key_file"`
	// ClientCAFile is what clients' certificates are verified with; empty: Envoy
	// asks for none. With RequireClientCertificate there is no connection without.
	ClientCAFile             string `json:"client_ca_file,omitempty"`
	RequireClientCertificate bool   `json:"require_client_certificate,omitempty"`
	// RedirectHTTP answers requests without TLS with 308 (RFC 9110 section
	// 15.4.9) to RedirectPort, the port at which clients reach TLS.
	RedirectHTTP bool   `json:"redirect_http,omitempty"`
	RedirectPort uint32 `json:"redirect_port,omitempty"`
}

// Upstream is an application behind Envoy.
type Upstream struct {
	Name string `json:"name"`
	URL  string `json:"url"`
	// Host, Port and TLS are the parts of URL.
	Host string `json:"-"`
	Port uint32 `json:"-"`
	TLS  bool   `json:"-"`
}

// Route sends what it matches to an upstream under a policy. Empty Hosts and
// Methods match all; Path is exact, PathPrefix on segment boundaries, and
// exactly one of the two is set.
type Route struct {
	Name       string   `json:"name"`
	Hosts      []string `json:"hosts,omitempty"`
	Path       string   `json:"path,omitempty"`
	PathPrefix string   `json:"path_prefix,omitempty"`
	Methods    []string `json:"methods,omitempty"`
	Upstream   string   `json:"upstream"`
	// Policy is the effective name: that of the policy, or "policy@route" where
	// the route overrides some of it.
	Policy string `json:"policy"`
	Line   int    `json:"-"`
}

// RedisSettings say where Redis is. The zero value leaves it to flags and
// environment. There is never a password in it.
type RedisSettings struct {
	URL          string `json:"url,omitempty"`
	URLFile      string `json:"url_file,omitempty"`
	PasswordFile string `json:"password_file,omitempty"`
	PoolSize     int    `json:"pool_size,omitempty"`
}

// FilterJSON is the Wasm plugin's configuration.
func (c *Compiled) FilterJSON() ([]byte, error) { return toJSON("the filter's policy", c.Filter) }

// AuthzJSON is what authz reads from Redis or a file.
func (c *Compiled) AuthzJSON() ([]byte, error) { return toJSON("authz's policy", c.Authz) }

func toJSON(what string, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write %s as JSON: %w", what, err)
	}
	return b, nil
}

// IsWritten tells whether an effective policy is one that the file writes: not
// a built-in one, nor one made for a route with settings of its own.
func IsWritten(name string) bool {
	return !strings.HasPrefix(name, reservedPrefix) && !strings.Contains(name, "@")
}
