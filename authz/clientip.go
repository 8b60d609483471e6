package authz

import (
	"net"
	"net/http"
	"strings"
)

// clientIP is the address of the person behind a request to /auth/*. Envoy
// attests it: Check passes on what Envoy itself sees (see extauthz.ClientHeader);
// else the address that Envoy trusts, else the last hop that it appended. The
// first entries of X-Forwarded-For are whatever the client wrote.
func clientIP(r *http.Request, attested string) string {
	for _, candidate := range []string{
		r.Header.Get(attested),
		r.Header.Get("X-Envoy-External-Address"),
		lastHop(r.Header.Values("X-Forwarded-For")),
	} {
		if ip := net.ParseIP(strings.TrimSpace(candidate)); ip != nil {
			return ip.String()
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}

func lastHop(fields []string) string {
	if len(fields) == 0 {
		return ""
	}
	last := fields[len(fields)-1]
	return last[strings.LastIndexByte(last, ',')+1:]
}
