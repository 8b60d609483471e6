package limit

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"
)

// maxKey bounds a counter's key in bytes; what is longer ends in a hash.
const maxKey = 96

const keptOfLongKey = 31

// Key joins the parts that separate one counter from another, such as a limit's
// scope, a client and a user. Different parts give different keys, whatever
// bytes they hold; the result has at most 96 bytes, all printable ASCII without
// braces. Parts up to that length stay readable.
func Key(parts ...string) string {
	var b strings.Builder
	size := len(parts)
	for _, part := range parts {
		size += len(part)
	}
	b.Grow(size + 8) // the rare text that is escaped grows it
	for i, part := range parts {
		if i > 0 {
			b.WriteByte('|')
		}
		escapeInto(&b, part)
	}
	key := b.String()
	if len(key) <= maxKey {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return key[:keptOfLongKey] + "~" + hex.EncodeToString(sum[:])
}

// escapeInto keeps what is plain and writes the rest as %XX, so that no part
// can contain the separator, the mark of a hash, or a Redis hash tag's braces.
func escapeInto(b *strings.Builder, part string) {
	const hexDigits = "0123456789ABCDEF"
	for i := range len(part) {
		switch c := part[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '.', c == '_', c == '-', c == ':', c == '/', c == '@':
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&0xf])
		}
	}
}

// DefaultIPv6Prefix is the size of the network that one subscriber is usually
// given (RFC 6177): below it, addresses are free to change.
const DefaultIPv6Prefix = 64

// UnknownClient is the key that all callers without a readable address share.
const UnknownClient = "unknown"

// ClientKey is what a client's address counts as: the address itself for IPv4,
// also when mapped into IPv6, and the network of v6Prefix bits for IPv6 (values
// outside 1 to 128 mean DefaultIPv6Prefix). Text that is no address counts as
// UnknownClient, so that nobody escapes a limit by being unreadable.
func ClientKey(ip string, v6Prefix int) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return UnknownClient
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr.String()
	}
	if v6Prefix < 1 || v6Prefix > 128 {
		v6Prefix = DefaultIPv6Prefix
	}
	network, err := addr.Prefix(v6Prefix)
	if err != nil {
		return UnknownClient
	}
	return network.String()
}
