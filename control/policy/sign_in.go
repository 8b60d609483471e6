package policy

import (
	"errors"
	"fmt"
	"strings"
	"time"

	authzpolicy "gatehouse/authz/policy"
	authzsession "gatehouse/authz/session"
)

type rawSignIn struct {
	idle, absolute            value[time.Duration]
	page, site, domain, theme value[string]
	origins                   value[[]value[string]]
	signUp                    value[bool]
	password                  value[rawPassword]
	providers                 value[[]value[rawProvider]]
	maxSessions, confirmedBy  value[int64]
	whenFull, bind            value[string]
}

type rawPassword struct {
	minLength value[int64]
	words     value[[]value[string]]
	list      value[string]
}

type rawProvider struct {
	name, title, issuer, clientID, roleClaim value[string]
	scopes                                   value[[]value[string]]
	public, newUsers                         value[bool]
	refresh, maxStale                        value[time.Duration]
}

func signInKind() kind[rawSignIn] {
	return object(
		key("idle", "a session ends after this time without a request: 30m", seconds(), func(s *rawSignIn) *value[time.Duration] { return &s.idle }),
		key("absolute", "a session ends after this time whatever happens: 12h", seconds(), func(s *rawSignIn) *value[time.Duration] { return &s.absolute }),
		key("max_sessions", "how many a user has at a time; 100 unless told", integer(1, authzsession.MaxCap), func(s *rawSignIn) *value[int64] { return &s.maxSessions }),
		key("when_full", whenFullDoc, whenFull(), func(s *rawSignIn) *value[string] { return &s.whenFull }),
		key("bind", "a session is good only from the client it was given to: none, certificate (as Envoy states it), or fingerprint (kind of browser and system)",
			word("none", string(authzsession.BindCertificate), string(authzsession.BindFingerprint)), func(s *rawSignIn) *value[string] { return &s.bind }),
		key("confirmed_by", "how many replicas of Redis must have a new session or a revocation before it counts; 0 unless told",
			integer(0, authzsession.MaxReplicas), func(s *rawSignIn) *value[int64] { return &s.confirmedBy }),
		key("page", "the path to which browsers are sent that need a session, on every host; /auth/sign-in where authz has the users, or none: /account/enter", text(), func(s *rawSignIn) *value[string] { return &s.page }),
		key("site", "the site's name, as the pages of sign-in and authenticators show it", text(), func(s *rawSignIn) *value[string] { return &s.site }),
		key("origins", "where people may be sent after sign-in, and come back to from their provider: [https://app.example.com]; passkeys are the first one's", list(text()), func(s *rawSignIn) *value[[]value[string]] { return &s.origins }),
		key("passkey_domain", "the domain of passkeys (RP ID); the first origin's host unless told", text(), func(s *rawSignIn) *value[string] { return &s.domain }),
		key("password", "the rules of new passwords", passwordKind(), func(s *rawSignIn) *value[rawPassword] { return &s.password }),
		key("sign_up", "whether strangers may make an account; false unless told", boolean(), func(s *rawSignIn) *value[bool] { return &s.signUp }),
		key("theme_file", "a style sheet for the pages of sign-in, as authz sees it", text(), func(s *rawSignIn) *value[string] { return &s.theme }),
		key("providers", "who else signs people in (OpenID Connect)", list(providerKind()), func(s *rawSignIn) *value[[]value[rawProvider]] { return &s.providers }),
	)
}

func passwordKind() kind[rawPassword] {
	return object(
		key("min_length", "characters of a new password, 8 to 64: 8 unless told, 15 is recommended", integer(8, 64), func(p *rawPassword) *value[int64] { return &p.minLength }),
		key("context_words", "what no password may be: names of the organisation, the product, the site", list(text()), func(p *rawPassword) *value[[]value[string]] { return &p.words }),
		key("compromised_list", "file or folder of known passwords in the layout of Have I Been Pwned, as authz sees it", text(), func(p *rawPassword) *value[string] { return &p.list }),
	)
}

func providerKind() kind[rawProvider] {
	return object(
		required(key("name", "the provider's name in URLs, and of the file with the client's secret: name: corporate", text(), func(p *rawProvider) *value[string] { return &p.name })),
		key("title", "what people read on the button: Example Ltd", text(), func(p *rawProvider) *value[string] { return &p.title }),
		required(key("issuer", "its address, as its discovery document has it: issuer: https://idp.example.com", text(), func(p *rawProvider) *value[string] { return &p.issuer })),
		required(key("client_id", "as what it knows Gatehouse: client_id: gatehouse", text(), func(p *rawProvider) *value[string] { return &p.clientID })),
		key("public", "true for a client without a secret", boolean(), func(p *rawProvider) *value[bool] { return &p.public }),
		key("scopes", "scopes besides openid: [profile, email, offline_access]", list(text()), func(p *rawProvider) *value[[]value[string]] { return &p.scopes }),
		key("role_claim", "the claim with the person's roles: groups, or realm_access.roles", text(), func(p *rawProvider) *value[string] { return &p.roleClaim }),
		key("new_users", "true makes a user of whom it vouches for the first time", boolean(), func(p *rawProvider) *value[bool] { return &p.newUsers }),
		key("refresh", "how often it is asked about people who are signed in: 10m; needs the scope offline_access", seconds(), func(p *rawProvider) *value[time.Duration] { return &p.refresh }),
		key("max_stale", "after this time without its answer they are signed out: 1h", seconds(), func(p *rawProvider) *value[time.Duration] { return &p.maxStale }),
	)
}

func (k *compiler) signIn() {
	raw := k.raw.signIn.v
	t := trace{"sign_in": k.raw.signIn.at}
	out := authzpolicy.SignIn{
		IdleSeconds:     int64(put(t, "sign_in.idle", raw.idle) / time.Second),
		AbsoluteSeconds: int64(put(t, "sign_in.absolute", raw.absolute) / time.Second),
		Page:            put(t, "sign_in.page", raw.page),
		MaxSessions:     raw.maxSessions.v,
		WhenFull:        raw.whenFull.v,
		Bind:            raw.bind.v,
		ConfirmedBy:     raw.confirmedBy.v,
		Site:            raw.site.v,
		Origins:         putList(t, "sign_in.origins", raw.origins),
		PasskeyDomain:   put(t, "sign_in.passkey_domain", raw.domain),
		SignUp:          raw.signUp.v,
		ThemeFile:       raw.theme.v,
		Password: authzpolicy.Password{
			MinLength: put(t, "sign_in.password.min_length", raw.password.v.minLength), CompromisedList: raw.password.v.list.v,
			ContextWords: putList(t, "sign_in.password.context_words", raw.password.v.words),
		},
	}
	if tls := k.out.Envoy.TLS; raw.bind.v == string(authzsession.BindCertificate) && (tls == nil || tls.ClientCAFile == "") {
		k.d.warn(raw.bind.at, "Envoy asks nobody for a certificate, and without one nobody signs in", raw.bind.v,
			"name the authorities in envoy.tls.client_ca_file, or have your own Envoy set x-forwarded-client-cert (SANITIZE_SET)")
	}
	if raw.providers.set {
		t["sign_in.providers"] = raw.providers.at
	}
	for i, p := range raw.providers.v {
		out.Providers = append(out.Providers, provider(fmt.Sprintf("sign_in.providers[%d]", i), p, t))
	}
	k.out.Authz.SignIn = out
	_, err := authzpolicy.Compile(authzpolicy.Config{Version: "v", SignIn: out})
	var found authzpolicy.Mistakes
	if !errors.As(err, &found) {
		return
	}
	for _, m := range found {
		at, _ := t.at(strings.TrimSuffix(m.Where, "_seconds"))
		k.d.fail(at, strings.ReplaceAll(m.What, "_seconds", ""), "", m.Fix)
	}
}

func provider(at string, raw value[rawProvider], t trace) authzpolicy.Provider {
	t[at] = raw.at
	p := raw.v
	return authzpolicy.Provider{
		Name: put(t, at+".name", p.name), Title: put(t, at+".title", p.title), Issuer: put(t, at+".issuer", p.issuer),
		ClientID: put(t, at+".client_id", p.clientID), Public: put(t, at+".public", p.public),
		Scopes: putList(t, at+".scopes", p.scopes), RoleClaim: put(t, at+".role_claim", p.roleClaim),
		NewUsers:        put(t, at+".new_users", p.newUsers),
		RefreshSeconds:  int64(put(t, at+".refresh", p.refresh) / time.Second),
		MaxStaleSeconds: int64(put(t, at+".max_stale", p.maxStale) / time.Second),
	}
}
