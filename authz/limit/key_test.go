package limit

import (
	"strings"
	"testing"
)

func TestKeysOfDifferentPartsDiffer(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 200)
	different := [][]string{
		{"a", "b"}, {"a|b"}, {"ab"}, {"a", "", "b"}, {"a", "b", ""}, {"", "a", "b"}, {"a%7Cb"}, {"a\x00b"}, {"A", "b"},
		{long}, {long + "y"}, {long, "y"}, {"y" + long}, {"{a}"}, {"a}"}, {"ä"},
	}
	seen := map[string][]string{}
	for _, parts := range different {
		key := Key(parts...)
		if other, ok := seen[key]; ok {
			t.Errorf("%q and %q have the same key %q", parts, other, key)
		}
		seen[key] = parts
	}
}

func TestShortPlainKeysStayReadable(t *testing.T) {
	t.Parallel()
	if got := Key("api_calls:i", "2001:db8::/64", "u-1"); got != "api_calls:i|2001:db8::/64|u-1" {
		t.Errorf("key %q", got)
	}
}

func FuzzKeyIsBoundedAndPlain(f *testing.F) {
	f.Add("a", "b")
	f.Add("{x}|%~", strings.Repeat("é", 90))
	f.Fuzz(func(t *testing.T, a, b string) {
		key := Key(a, b)
		if len(key) > maxKey {
			t.Errorf("%d bytes", len(key))
		}
		for i := range len(key) {
			if c := key[i]; c <= ' ' || c > '~' || c == '{' || c == '}' {
				t.Errorf("byte %q in %q", c, key)
			}
		}
		if a != b && key == Key(b, a) {
			t.Errorf("%q and %q can change places", a, b)
		}
	})
}

func TestAClientCountsByItsAddressOrItsNetwork(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, ip string
		prefix   int
		want     string
	}{
		{"an IPv4 address is itself", "192.0.2.7", 64, "192.0.2.7"},
		{"mapped IPv4 is IPv4", "::ffff:192.0.2.7", 64, "192.0.2.7"},
		{"mapped IPv4 in hex is IPv4", "::ffff:c000:207", 64, "192.0.2.7"},
		{"IPv6 counts by its /64", "2001:db8:1:2:3:4:5:6", 64, "2001:db8:1:2::/64"},
		{"another host of the same /64 is the same", "2001:0DB8:1:2:ffff::1", 64, "2001:db8:1:2::/64"},
		{"the prefix can be another", "2001:db8:1:2::1", 48, "2001:db8:1::/48"},
		{"a prefix of nothing means 64", "2001:db8:1:2::1", 0, "2001:db8:1:2::/64"},
		{"a prefix beyond the address means 64", "2001:db8:1:2::1", 129, "2001:db8:1:2::/64"},
		{"a zone makes no new client", "fe80::1%eth0", 64, "fe80::/64"},
		{"no address is unknown", "", 64, UnknownClient},
		{"a port is no address", "192.0.2.7:80", 64, UnknownClient},
		{"text is unknown", "localhost", 64, UnknownClient},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := ClientKey(test.ip, test.prefix); got != test.want {
				t.Errorf("ClientKey(%q, %d) = %q, want %q", test.ip, test.prefix, got, test.want)
			}
		})
	}
}
