package policy

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gatehouse/authz/secret"
	"gatehouse/authz/secret/redisauth"
)

func (k *compiler) envoy() {
	raw := k.raw.envoy.v
	k.address(raw.listen)
	k.out.Envoy = EnvoySettings{Listen: raw.listen.v, TrustedHops: uint32(raw.hops.v)} // #nosec G115 -- 0 to 16
	if !raw.tls.set {
		return
	}
	t := raw.tls.v
	k.address(t.listen)
	if t.listen.set && t.listen.v == raw.listen.v {
		k.d.fail(t.listen.at, "two listeners on one address", t.listen.v, "give TLS another port")
	}
	k.out.Envoy.TLS = &TLSSettings{
		Listen: t.listen.v, CertFile: k.file(t.cert), KeyFile: k.file(t.key),
		ClientCAFile: k.file(t.clientCA), RequireClientCertificate: t.clientCert.v == "required",
	}
	if t.clientCert.set && !t.clientCA.set {
		k.d.fail(t.clientCert.at, "client_certificate without client_ca_file: nobody is asked for one", t.clientCert.v, "name the authorities of clients' certificates")
	}
	k.redirect(t)
}

// redirect finds the port that clients know: behind other proxies it is theirs.
func (k *compiler) redirect(t rawTLS) {
	if !t.redirect.v {
		if t.redirectPort.set {
			k.d.fail(t.redirectPort.at, "redirect_port without redirect_http does nothing", "", "write redirect_http: true")
		}
		return
	}
	port := t.redirectPort.v
	if at, err := netip.ParseAddrPort(t.listen.v); port == 0 && err == nil && k.out.Envoy.TrustedHops == 0 {
		port = int64(at.Port())
	}
	if port == 0 {
		port = 443
	}
	k.out.Envoy.TLS.RedirectHTTP, k.out.Envoy.TLS.RedirectPort = true, uint32(port) // #nosec G115 -- 1 to 65535
}

// address demands what Envoy can bind: an IP address and a port.
func (k *compiler) address(v value[string]) {
	if !v.set {
		return
	}
	if at, err := netip.ParseAddrPort(v.v); err == nil && at.Port() != 0 {
		return
	}
	advice := "write IP:port, like 127.0.0.1:8080 or [::]:8080"
	host, port, err := net.SplitHostPort(v.v)
	if n, wrong := strconv.ParseUint(port, 10, 16); err == nil && wrong == nil && n > 0 {
		switch host {
		case "":
			advice = "write 0.0.0.0:" + port + " for all interfaces, or 127.0.0.1:" + port
		case "localhost":
			advice = "write 127.0.0.1:" + port
		}
	}
	k.d.fail(v.at, "not an IP address with a port", v.v, advice)
}

func (k *compiler) file(v value[string]) string {
	if v.set && (v.v == "" || strings.ContainsRune(v.v, 0)) {
		k.d.fail(v.at, "not the name of a file", v.v, "")
	}
	return v.v
}

// joinFiles makes relative names relative to the folder of gatehouse.yaml. It
// comes after the version is made: where the folder lies is not its matter.
func (k *compiler) joinFiles() {
	dir := filepath.Dir(k.out.Source)
	names := []*string{&k.out.Redis.URLFile, &k.out.Redis.PasswordFile}
	if t := k.out.Envoy.TLS; t != nil {
		names = append(names, &t.CertFile, &t.KeyFile, &t.ClientCAFile)
	}
	names = append(names, k.out.Control.tokenFiles()...)
	names = append(names, privacyFiles(&k.out.Privacy)...)
	for i := range k.out.Alerts.Sinks {
		names = append(names, k.out.Alerts.Sinks[i].files()...)
	}
	for _, name := range names {
		if *name != "" && !filepath.IsAbs(*name) {
			*name = filepath.Join(dir, *name)
		}
	}
}

func (k *compiler) upstreams() {
	for _, raw := range k.raw.upstreams.v {
		checkName(k.d, raw.keyAt, "an upstream", raw.name)
		if !raw.v.url.set {
			continue
		}
		u, advice, err := parseUpstream(raw.name, raw.v.url.v)
		if err != nil {
			k.d.fail(raw.v.url.at, err.Error(), withoutUserinfo(raw.v.url.v), advice)
			continue
		}
		k.out.Upstreams = append(k.out.Upstreams, u)
	}
	slices.SortFunc(k.out.Upstreams, func(a, b Upstream) int { return strings.Compare(a.Name, b.Name) })
}

func parseUpstream(name, text string) (u Upstream, advice string, err error) {
	parsed, err := url.Parse(text)
	if err != nil {
		return u, "write it like http://127.0.0.1:9000", errors.New("not a URL")
	}
	u = Upstream{Name: name, Host: strings.ToLower(parsed.Hostname()), TLS: parsed.Scheme == "https"}
	switch {
	case parsed.Scheme != "http" && parsed.Scheme != "https":
		return u, "write http://host:port or https://host:port", errors.New("not an http or https URL")
	case u.Host == "":
		return u, "write it like http://127.0.0.1:9000", errors.New("has no host")
	case parsed.User != nil:
		return u, "leave it out", errors.New("has user information, which would be sent to nobody")
	case strings.Trim(parsed.Path, "/") != "" || parsed.RawQuery != "" || parsed.Fragment != "":
		return u, "leave the path out: requests keep their own", errors.New("has a path, query or fragment")
	}
	port := parsed.Port()
	if port == "" {
		port = map[bool]string{false: "80", true: "443"}[u.TLS]
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return u, "write a port from 1 to 65535", errors.New("not a port")
	}
	u.Port = uint32(n)
	u.URL = parsed.Scheme + "://" + net.JoinHostPort(u.Host, strconv.FormatUint(n, 10))
	return u, "", nil
}

func withoutUserinfo(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if i := strings.LastIndexByte(rest, '@'); ok && i >= 0 {
		return scheme + "://…@" + rest[i+1:]
	}
	return text
}

func (k *compiler) redis() {
	raw := k.raw.redis.v
	k.out.Redis = RedisSettings{
		URL: raw.url.v, URLFile: k.file(raw.urlFile), PasswordFile: k.file(raw.passwordFile), PoolSize: int(raw.poolSize.v),
	}
	if raw.url.set && raw.urlFile.set {
		k.d.fail(raw.urlFile.at, "url and url_file are both set", raw.urlFile.v, "keep one")
	}
	if !raw.url.set {
		return
	}
	// What authz and control open it with reads it: one server, a Cluster, Sentinels.
	if _, err := (redisauth.Options{URL: secret.New([]byte(raw.url.v))}).Parse(); err != nil {
		k.d.fail(raw.url.at, "not a Redis URL", withoutUserinfo(raw.url.v), "write redis://host:6379/0 or unix:///path.sock")
		return
	}
	if redisPassword(raw.url.v) && !k.d.blamed(raw.url.at.path) {
		k.d.fail(raw.url.at, "a password does not belong into this file", "", secretAdvice)
	}
}

// redisPassword says whether a URL of Redis holds one; a list of addresses is not
// for net/url.
func redisPassword(text string) bool {
	_, rest, _ := strings.Cut(text, "://")
	rest, query, _ := strings.Cut(rest, "?")
	authority, _, _ := strings.Cut(rest, "/")
	user := authority[:strings.LastIndexByte(authority, '@')+1]
	return strings.Contains(user, ":") || strings.Contains(query, "password=")
}
