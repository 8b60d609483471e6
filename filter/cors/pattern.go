package cors

import (
	"errors"
	"strings"
)

// patterns is the compiled allow_origins: exact origins by their bytes, and the
// two forms of wildcard.
type patterns struct {
	any      bool
	null     bool
	exact    map[string]struct{}
	listed   []string // those of exact, which are compared one by one while they are few
	suffixes []subdomains
	anyPorts []string // "http://localhost", to be followed by nothing or a port
}

// subdomains is "https://*.example.com": one or more further labels, the same
// scheme, the default port.
type subdomains struct{ prefix, suffix string }

func (p *patterns) add(s string) error {
	switch s {
	case "*":
		p.any = true
		return nil
	case "null":
		p.null = true
		return nil
	}
	if base, ok := strings.CutSuffix(s, ":*"); ok {
		o, err := validOrigin(base)
		switch {
		case err != nil:
			return err
		case o.port != "":
			return errors.New("* stands for every port: leave the other port out")
		}
		p.anyPorts = append(p.anyPorts, base)
		return nil
	}
	if scheme, rest, ok := strings.Cut(s, "://*."); ok {
		return p.addSubdomains(scheme, rest)
	}
	if _, err := validOrigin(s); err != nil {
		return err
	}
	p.exact[s] = struct{}{}
	p.listed = append(p.listed, s)
	return nil
}

func (p *patterns) addSubdomains(scheme, base string) error {
	o, err := validOrigin(scheme + "://" + base)
	switch {
	case err != nil:
		return err
	case o.port != "":
		return errors.New("a wildcard of subdomains stands for the default port: leave the port out")
	case !strings.Contains(o.host, "."):
		return errors.New("a wildcard under a top-level domain allows everybody's sites: name the domain")
	case isDotted(o.host) || o.host[0] == '[':
		return errors.New("an IP address has no subdomains")
	}
	p.suffixes = append(p.suffixes, subdomains{scheme + "://", "." + base})
	return nil
}

// insecure returns the patterns whose pages a network attacker can write,
// loopback excepted (W3C Secure Contexts, section 3.1).
func insecure(list []string) []string {
	var found []string
	for _, s := range list {
		plain := strings.TrimSuffix(strings.Replace(s, "://*.", "://", 1), ":*")
		if o, ok := parseOrigin(plain); ok && o.scheme == "http" && !o.loopback() {
			found = append(found, s)
		}
	}
	return found
}

// validOrigin parses a configured origin and says what is wrong with it.
func validOrigin(s string) (origin, error) {
	scheme, rest, ok := strings.Cut(s, "://")
	switch {
	case !ok:
		return origin{}, errors.New("an origin is scheme://host[:port], such as https://app.example.com")
	case strings.ContainsAny(s, " \t,"):
		return origin{}, errors.New("an origin has no spaces or commas: one origin in each element of the list")
	case s != strings.ToLower(s):
		return origin{}, errors.New("browsers send origins in lower case: " + strings.ToLower(s))
	case strings.ContainsAny(rest, "/?#"):
		return origin{}, errors.New("an origin has no path, query or fragment, nor a slash at its end")
	case strings.Contains(rest, "@"):
		return origin{}, errors.New("an origin has no user information")
	case !ascii(s):
		return origin{}, errors.New("browsers send international names in punycode (xn--...)")
	case scheme == "file" || scheme == "data" || scheme == "about" || scheme == "blob" || scheme == "javascript":
		return origin{}, errors.New("pages under " + scheme + ": have the origin null")
	case scheme == "ws" || scheme == "wss" || scheme == "ftp":
		return origin{}, errors.New("no page comes over " + scheme + ":, and a WebSocket carries the origin of its page: https or http")
	case strings.Contains(scheme, "*"):
		return origin{}, errors.New("* never stands for a scheme: write each of the schemes out")
	case strings.Contains(rest, "*"):
		return origin{}, errors.New("* stands for all origins, for further labels (https://*.example.com) or for any port (http://localhost:*)")
	}
	host, port, ok := splitPort(rest)
	switch {
	case !ok:
		return origin{}, errors.New("the port is a number from 1 to 65535 without leading zeros")
	case isDefaultPort(scheme, port):
		return origin{}, errors.New("browsers leave the default port out: " + scheme + "://" + host)
	case strings.HasSuffix(host, "."):
		return origin{}, errors.New("a trailing dot makes another origin: leave it out")
	case isHost(host) && host[0] != '[' && isDotted(host) && !isDottedQuad(host):
		return origin{}, errors.New("browsers write IPv4 addresses as four decimal numbers")
	case len(host) > 253:
		return origin{}, errors.New("a host name has at most 253 characters")
	case strings.Contains(host, ".."):
		return origin{}, errors.New("a host name has no empty label")
	case longLabel(host):
		return origin{}, errors.New("a label of a host name has at most 63 characters")
	case host != "" && host[0] == '[' && !isCanonicalIPv6(host):
		return origin{}, errors.New("browsers write IPv6 addresses shortened, as [2001:db8::1]: no leading zeros, no dotted part, no zone, and :: for the longest run of zeros")
	}
	o, ok := parseOrigin(s)
	if !ok {
		return origin{}, errors.New("not an origin that a browser sends")
	}
	return o, nil
}

func longLabel(host string) bool {
	for label := range strings.SplitSeq(host, ".") {
		if len(label) > 63 {
			return true
		}
	}
	return false
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// allows tells whether s, the value of an Origin header, is allowed. Matching
// is byte for byte (Fetch section 4.10, CORS check, step 4).
// few origins are compared faster than one is hashed.
const few = 8

func (p *patterns) isListed(s string) bool {
	if len(p.listed) > few {
		_, ok := p.exact[s]
		return ok
	}
	for _, o := range p.listed {
		if o == s {
			return true
		}
	}
	return false
}

func (p *patterns) allows(s string) bool {
	if p.any {
		return true
	}
	if s == "null" {
		return p.null
	}
	if p.isListed(s) {
		return true
	}
	return p.matches(s)
}

// matches looks for a pattern.
//
//go:noinline
func (p *patterns) matches(s string) bool {
	for _, base := range p.anyPorts {
		if rest, ok := strings.CutPrefix(s, base); ok && (rest == "" || rest[0] == ':') {
			if _, ok := parseOrigin(s); ok {
				return true
			}
		}
	}
	for _, d := range p.suffixes {
		if d.matches(s) {
			return true
		}
	}
	return false
}

func (d subdomains) matches(s string) bool {
	if len(s) <= len(d.prefix)+len(d.suffix) || !strings.HasPrefix(s, d.prefix) || !strings.HasSuffix(s, d.suffix) {
		return false
	}
	// The rest must be labels, or "https://evil.com/.example.com" would do.
	_, ok := parseOrigin(s)
	return ok
}
