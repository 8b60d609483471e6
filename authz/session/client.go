package session

import (
	"net/netip"
	"strings"
)

// ClientOf reads what Envoy says of a client: x-forwarded-client-cert and the
// User-Agent. The first may only be trusted where Envoy sets it itself
// (forward_client_cert_details: SANITIZE_SET or APPEND_FORWARD): of several
// elements the last is Envoy's own.
func ClientOf(xfcc, userAgent string) Client {
	return Client{Certificate: certificateHash(xfcc), Fingerprint: Fingerprint(userAgent)}
}

// certificateHash is the Hash of the last element, in lower case; empty if it is
// no SHA-256 in hex.
func certificateHash(xfcc string) string {
	last := lastOf(xfcc, ',')
	for last != "" {
		pair := lastOf(last, ';')
		last = strings.TrimSuffix(strings.TrimSuffix(last, pair), ";")
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if strings.EqualFold(name, "hash") {
			value = strings.ToLower(strings.Trim(value, `"`))
			if len(value) == 64 && strings.Trim(value, "0123456789abcdef") == "" {
				return value
			}
			return ""
		}
	}
	return ""
}

// lastOf is what follows the last separator outside quotes.
func lastOf(text string, separator byte) string {
	start, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && c == separator:
			start = i + 1
		}
	}
	return text[start:]
}

// Network is where an address is, coarsely: its /24, or its /48 for IPv6; empty
// for what is no address.
func Network(ip string) string {
	address, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	address = address.Unmap().WithZone("")
	bits := 48
	if address.Is4() {
		bits = 24
	}
	network, err := address.Prefix(bits)
	if err != nil {
		return ""
	}
	return network.String()
}
