package cors

import (
	"net/netip"
	"testing"
)

func TestIPv6IsCanonicalAsBrowsersWriteIt(t *testing.T) {
	t.Parallel()
	for h, want := range map[string]bool{
		"[::1]": true, "[::]": true, "[2001:db8::1]": true, "[1:2:3:4:5:6:7:8]": true, "[1::]": true, "[1:0:2::3]": true,
		"[1:0:2:3:4:5:6:7]": true, "[::ffff:102:304]": true, "[1::4:0:0:7:8]": true, "[1:0:0:4::8]": true, "[1:0:0:4:0:0:7:8]": false,
		"[0:0:0:0:0:0:0:1]": false, "[2001:DB8::1]": false, "[2001:0db8::1]": false, "[::ffff:1.2.3.4]": false, "[1::2::3]": false,
		"[1:2:3:4:5:6:7]": false, "[1:2:3:4:5:6:7:8:9]": false, "[1::2:3:4:5:6:7:8]": false, "[fe80::1%25eth0]": false,
		"[:1]": false, "[]": false, "[12345::]": false, "::1": false, "[::1": false, "[1:2:3:4:5:6:7::]": false,
	} {
		if got := isCanonicalIPv6(h); got != want {
			t.Errorf("%s: %v", h, got)
		}
	}
}

// The standard library writes IPv6 as browsers do, but for addresses that embed
// an IPv4 one.
func FuzzIPv6AgreesWithTheStandardLibrary(f *testing.F) {
	for _, s := range []string{"::1", "2001:db8::1", "1:0:0:2:0:0:0:3", "0:0:1::", "::ffff:1.2.3.4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		addr, err := netip.ParseAddr(s)
		if err == nil && (addr.Is4In6() || addr.Zone() != "") {
			return
		}
		want := err == nil && addr.Is6() && addr.String() == s
		if got := isCanonicalIPv6("[" + s + "]"); got != want {
			t.Fatalf("%q: %v, want %v", s, got, want)
		}
	})
}
