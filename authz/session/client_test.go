package session

import (
	"strings"
	"testing"
)

func TestOnlyEnvoysOwnElementNamesTheCertificate(t *testing.T) {
	t.Parallel()
	one, two := strings.Repeat("1a", 32), strings.Repeat("2b", 32)
	for name, test := range map[string]struct{ xfcc, want string }{
		"none":                      {"", ""},
		"one":                       {"By=spiffe://a;Hash=" + one + `;Subject="CN=x"`, one},
		"upper case":                {"hash=" + strings.ToUpper(one), one},
		"the last of two":           {"Hash=" + one + ",By=b;Hash=" + two, two},
		"one inside quotes":         {`Subject="CN=x,Hash=` + one + `;Hash=` + one + `"`, ""},
		"one inside escaped quotes": {`Hash=` + two + `;Subject="a\",Hash=` + one + `"`, two},
		"the last element has none": {"Hash=" + one + ",By=b", ""},
		"too short":                 {"Hash=1a", ""},
		"no hex":                    {"Hash=" + strings.Repeat("zz", 32), ""},
		"a quote that never ends":   {`Hash=` + one + `;Subject="`, one},
		"separators alone":          {";,;,", ""},
	} {
		if got := ClientOf(test.xfcc, "").Certificate; got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func FuzzCertificateHash(f *testing.F) {
	f.Add(`By=a;Hash=` + strings.Repeat("1a", 32) + `;Subject="x,\""`)
	f.Fuzz(func(t *testing.T, xfcc string) {
		if got := certificateHash(xfcc); got != "" && len(got) != 64 {
			t.Errorf("%q gives %q", xfcc, got)
		}
	})
}

func TestANetworkIsCoarse(t *testing.T) {
	t.Parallel()
	for ip, want := range map[string]string{
		"192.0.2.7": "192.0.2.0/24", "::ffff:192.0.2.7": "192.0.2.0/24", "2001:db8:1:2::3": "2001:db8:1::/48",
		"fe80::1%eth0": "fe80::/48", "unknown": "", "": "",
	} {
		if got := Network(ip); got != want {
			t.Errorf("%q: %q, want %q", ip, got, want)
		}
	}
}
