package policy

import (
	"net/url"
	"slices"
)

// ControlSettings are those of control itself.
type ControlSettings struct {
	API APISettings `json:"api,omitzero"`
	// Scanner is nil if there is none.
	Scanner *ScannerSettings `json:"scanner,omitempty"`
}

// APISettings say who may call control's API.
type APISettings struct {
	Tokens []APIToken `json:"tokens,omitempty"`
	OIDC   *APIOIDC   `json:"oidc,omitempty"`
}

// APIToken is one caller that has a token. A relative file name is relative to
// gatehouse.yaml's folder; Load has already joined the two.
type APIToken struct {
	Name      string `json:"name"`
	Role      string `json:"role"`
	TokenFile string `json:"token_file"`
}

// APIOIDC is the provider whose JWTs are taken, and what its roles are here.
type APIOIDC struct {
	Issuer    string            `json:"issuer"`
	Audience  string            `json:"audience"`
	RoleClaim string            `json:"role_claim"`
	Roles     map[string]string `json:"roles"`
}

type rawControl struct {
	api     value[rawAPI]
	scanner value[rawScanner]
}

type rawAPI struct {
	tokens value[[]value[rawAPIToken]]
	oidc   value[rawOIDC]
}

type rawAPIToken struct{ name, role, file value[string] }

type rawOIDC struct {
	issuer, audience, claim value[string]
	roles                   value[[]named[string]]
}

func apiRole() kind[string] { return word("subject", "operator", "dpo", "auditor", "admin") }

func controlKind() kind[rawControl] {
	return object(key("api", "who may call control's API and see its console", object(
		key("tokens", "callers with a token", list(apiTokenKind()), func(a *rawAPI) *value[[]value[rawAPIToken]] { return &a.tokens }),
		key("oidc", "callers whom another provider knows (OpenID Connect)", oidcKind(), func(a *rawAPI) *value[rawOIDC] { return &a.oidc }),
	), func(c *rawControl) *value[rawAPI] { return &c.api }),
		key("scanner", "the virus scanner that policies hand files to", scannerKind(), func(c *rawControl) *value[rawScanner] { return &c.scanner }))
}

func apiTokenKind() kind[rawAPIToken] {
	return object(
		required(key("name", "the caller's name in events: name: ci", text(), func(t *rawAPIToken) *value[string] { return &t.name })),
		required(key("role", "subject, operator, dpo, auditor or admin", apiRole(), func(t *rawAPIToken) *value[string] { return &t.role })),
		required(key("token_file", "file that holds the token, readable by its owner only", text(), func(t *rawAPIToken) *value[string] { return &t.file })),
	)
}

func oidcKind() kind[rawOIDC] {
	return object(
		required(key("issuer", "issuer: https://id.example.com", text(), func(o *rawOIDC) *value[string] { return &o.issuer })),
		required(key("audience", "what must stand in a token's aud", text(), func(o *rawOIDC) *value[string] { return &o.audience })),
		required(key("role_claim", "the claim with the caller's roles: groups, or realm_access.roles", text(), func(o *rawOIDC) *value[string] { return &o.claim })),
		required(key("roles", "the provider's role to ours: {gatehouse-admins: admin}", dictionary(apiRole()), func(o *rawOIDC) *value[[]named[string]] { return &o.roles })),
	)
}

func (k *compiler) control() {
	raw := k.raw.control.v.api.v
	seen := map[string]bool{}
	for _, t := range raw.tokens.v {
		if !t.v.name.set || !t.v.role.set || !t.v.file.set {
			continue // said already
		}
		checkName(k.d, t.v.name.at, "a caller", t.v.name.v)
		if seen[t.v.name.v] {
			k.d.fail(t.v.name.at, "two callers of one name", t.v.name.v, "give each a name of its own: events tell them apart by it")
		}
		seen[t.v.name.v] = true
		k.out.Control.API.Tokens = append(k.out.Control.API.Tokens, APIToken{Name: t.v.name.v, Role: t.v.role.v, TokenFile: k.file(t.v.file)})
	}
	if raw.oidc.set {
		k.oidc(raw.oidc)
	}
}

func (k *compiler) oidc(set value[rawOIDC]) {
	raw := set.v
	if !raw.issuer.set || !raw.audience.set || !raw.claim.set || !raw.roles.set {
		return // said already
	}
	u, err := url.Parse(raw.issuer.v)
	loopback := err == nil && slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname())
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		k.d.fail(raw.issuer.at, "not an issuer", withoutUserinfo(raw.issuer.v), "write https://id.example.com")
	case u.Scheme == "http" && !loopback:
		k.d.fail(raw.issuer.at, "an issuer without TLS can be anybody", withoutUserinfo(raw.issuer.v), "write https://; http:// is for loopback only")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		k.d.fail(raw.issuer.at, "an issuer has neither user, query nor fragment", withoutUserinfo(raw.issuer.v), "write https://id.example.com")
	}
	for _, v := range []value[string]{raw.audience, raw.claim} {
		if v.v == "" {
			k.d.fail(v.at, "is empty", "", "without it any user of the issuer would be a caller")
		}
	}
	if len(raw.roles.v) == 0 {
		k.d.fail(raw.roles.at, "names no role", "", "write {gatehouse-admins: admin}")
	}
	roles := map[string]string{}
	for _, r := range raw.roles.v {
		roles[r.name] = r.v
	}
	k.out.Control.API.OIDC = &APIOIDC{Issuer: raw.issuer.v, Audience: raw.audience.v, RoleClaim: raw.claim.v, Roles: roles}
}

// tokenFiles are the names that joinFiles makes whole.
func (c *ControlSettings) tokenFiles() []*string {
	names := make([]*string, len(c.API.Tokens))
	for i := range c.API.Tokens {
		names[i] = &c.API.Tokens[i].TokenFile
	}
	return names
}
