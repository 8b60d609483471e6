package cors

import (
	"errors"
	"strings"
	"testing"
)

func TestCompileRefusesWhatIsUnsafeOrCanNeverMatch(t *testing.T) {
	age := func(n int) *int { return &n }
	one := []string{"https://a.example"}
	tests := []struct {
		name string
		c    Config
		says string
	}{
		{"no origins", Config{}, "is empty"},
		{"a star with credentials", Config{AllowOrigins: []string{"*"}, AllowCredentials: true}, "every site"},
		{"null with credentials", Config{AllowOrigins: []string{"null"}, AllowCredentials: true}, "sandboxed"},
		{"http with credentials", Config{AllowOrigins: []string{"http://a.example"}, AllowCredentials: true}, "use https"},
		{"http subdomains with credentials", Config{AllowOrigins: []string{"http://*.a.example"}, AllowCredentials: true}, "use https"},
		{"http any port with credentials", Config{AllowOrigins: []string{"http://a.example:*"}, AllowCredentials: true}, "use https"},
		{"a star beside others", Config{AllowOrigins: []string{"*", "https://a.example"}}, "already allows"},
		{"a duplicate", Config{AllowOrigins: []string{"https://a.example", "https://a.example"}}, "twice"},
		{"a bare host", Config{AllowOrigins: []string{"a.example"}}, "scheme://host"},
		{"upper case", Config{AllowOrigins: []string{"https://A.example"}}, "lower case"},
		{"a path", Config{AllowOrigins: []string{"https://a.example/x"}}, "no path"},
		{"a slash at the end", Config{AllowOrigins: []string{"https://a.example/"}}, "slash"},
		{"a query", Config{AllowOrigins: []string{"https://a.example?x"}}, "query"},
		{"user information", Config{AllowOrigins: []string{"https://u@a.example"}}, "user information"},
		{"the default port of https", Config{AllowOrigins: []string{"https://a.example:443"}}, "default port"},
		{"the default port of http", Config{AllowOrigins: []string{"http://a.example:80"}}, "default port"},
		{"any port beside a port", Config{AllowOrigins: []string{"https://a.example:8443:*"}}, "every port"},
		{"a WebSocket's scheme", Config{AllowOrigins: []string{"wss://a.example"}}, "origin of its page"},
		{"a scheme that no page comes over", Config{AllowOrigins: []string{"ftp://a.example"}}, "no page comes over ftp"},
		{"port zero", Config{AllowOrigins: []string{"https://a.example:0"}}, "port"},
		{"an empty port", Config{AllowOrigins: []string{"https://a.example:"}}, "port"},
		{"a port too large", Config{AllowOrigins: []string{"https://a.example:65536"}}, "port"},
		{"a port with leading zeros", Config{AllowOrigins: []string{"https://a.example:0443"}}, "port"},
		{"a trailing dot", Config{AllowOrigins: []string{"https://a.example."}}, "trailing dot"},
		{"an international name", Config{AllowOrigins: []string{"https://bücher.example"}}, "punycode"},
		{"IPv4 shorthand", Config{AllowOrigins: []string{"https://127.1"}}, "four decimal"},
		{"hexadecimal IPv4", Config{AllowOrigins: []string{"https://0x7f000001"}}, "four decimal"},
		{"IPv4 with leading zeros", Config{AllowOrigins: []string{"https://127.0.0.01"}}, "four decimal"},
		{"a wildcard top-level domain", Config{AllowOrigins: []string{"https://*.com"}}, "top-level"},
		{"a wildcard with a port", Config{AllowOrigins: []string{"https://*.a.example:8443"}}, "default port"},
		{"a wildcard of an address", Config{AllowOrigins: []string{"https://*.127.0.0.1"}}, "no subdomains"},
		{"a star inside a label", Config{AllowOrigins: []string{"https://a*.example"}}, "stands for"},
		{"two wildcards", Config{AllowOrigins: []string{"https://*.*.example"}}, "stands for"},
		{"an empty label", Config{AllowOrigins: []string{"https://a..example"}}, "empty label"},
		{"a space", Config{AllowOrigins: []string{"https://a example"}}, "no spaces"},
		{"an unclosed IPv6 address", Config{AllowOrigins: []string{"https://[::1"}}, "shortened"},
		{"a list in one element", Config{AllowOrigins: []string{"https://a.example,https://b.example"}}, "one origin in each"},
		{"a star for the scheme", Config{AllowOrigins: []string{"*://a.example"}}, "scheme"},
		{"a file", Config{AllowOrigins: []string{"file://"}}, "origin null"},
		{"IPv6 written out", Config{AllowOrigins: []string{"https://[0:0:0:0:0:0:0:1]"}}, "shortened"},
		{"IPv6 with a leading zero", Config{AllowOrigins: []string{"https://[2001:0db8::1]"}}, "shortened"},
		{"IPv6 with a dotted part", Config{AllowOrigins: []string{"https://[::ffff:1.2.3.4]"}}, "shortened"},
		{"a label too long", Config{AllowOrigins: []string{"https://" + strings.Repeat("a", 64) + ".example"}}, "63"},
		{"a name too long", Config{AllowOrigins: []string{"https://" + strings.Repeat("a.", 130) + "example"}}, "253"},
		{"a star into a private network", Config{AllowOrigins: []string{"*"}, AllowPrivateNetwork: true}, "every site"},
		{"null into a private network", Config{AllowOrigins: []string{"null"}, AllowPrivateNetwork: true}, "sandboxed"},
		{"http into a private network", Config{AllowOrigins: []string{"http://a.example"}, AllowPrivateNetwork: true}, "use https"},
		{"a response header as a request header", Config{AllowOrigins: one, AllowHeaders: []string{"Access-Control-Allow-Origin"}}, "response header"},
		{"a star twice among headers", Config{AllowOrigins: one, AllowHeaders: []string{"*", "*"}}, "twice"},
		{"exposing the protocol", Config{AllowOrigins: one, ExposeHeaders: []string{"Access-Control-Allow-Origin"}}, "not to the page"},
		{"CONNECT", Config{AllowOrigins: one, AllowMethods: []string{"CONNECT"}}, "forbidden"},
		{"trace in lower case", Config{AllowOrigins: one, AllowMethods: []string{"trace"}}, "forbidden"},
		{"put in lower case", Config{AllowOrigins: one, AllowMethods: []string{"put"}}, "upper case"},
		{"a method with a space", Config{AllowOrigins: one, AllowMethods: []string{"PU T"}}, "not a method"},
		{"an empty method", Config{AllowOrigins: one, AllowMethods: []string{""}}, "not a method"},
		{"a method twice", Config{AllowOrigins: one, AllowMethods: []string{"PUT", "PUT"}}, "twice"},
		{"a star beside a method", Config{AllowOrigins: one, AllowMethods: []string{"PUT", "*"}}, "already allows"},
		{"a header name with a space", Config{AllowOrigins: one, AllowHeaders: []string{"X A"}}, "not a header"},
		{"a forbidden header", Config{AllowOrigins: one, AllowHeaders: []string{"Cookie"}}, "forbidden"},
		{"a forbidden prefix", Config{AllowOrigins: one, AllowHeaders: []string{"Sec-Fetch-Site"}}, "forbidden"},
		{"a header twice in two cases", Config{AllowOrigins: one, AllowHeaders: []string{"X-A", "x-a"}}, "twice"},
		{"a star beside a header", Config{AllowOrigins: one, AllowHeaders: []string{"*", "x-a"}}, "already allows"},
		{"exposing Set-Cookie", Config{AllowOrigins: one, ExposeHeaders: []string{"Set-Cookie"}}, "never shown"},
		{"exposing a star with credentials", Config{AllowOrigins: one, AllowCredentials: true, ExposeHeaders: []string{"*"}}, "named *"},
		{"exposing twice", Config{AllowOrigins: one, ExposeHeaders: []string{"x-a", "X-A"}}, "twice"},
		{"a negative max-age", Config{AllowOrigins: one, MaxAge: age(-1)}, "outside"},
		{"a max-age no browser keeps", Config{AllowOrigins: one, MaxAge: age(86401)}, "outside"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Compile(tt.c)
			if err == nil {
				t.Fatal("accepted")
			}
			var mistake *ConfigError
			if !errors.As(err, &mistake) {
				t.Errorf("not a ConfigError: %v", err)
			}
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v\ndoes not say %q", err, tt.says)
			}
		})
	}
}

func TestCompileReportsEveryMistakeAtOnce(t *testing.T) {
	_, err := Compile(Config{
		AllowOrigins: []string{"https://A.example", "https://b.example/"}, AllowMethods: []string{"TRACE"},
		AllowHeaders: []string{"cookie"}, ExposeHeaders: []string{"set-cookie"},
	})
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 5 {
		t.Errorf("got %v, want 5 mistakes", err)
	}
}

func TestCompileAcceptsLoopbackOverHTTPWithCredentials(t *testing.T) {
	for _, o := range []string{"http://localhost:3000", "http://localhost:*", "http://127.0.0.1:8080", "http://[::1]:8080", "http://app.localhost"} {
		if _, err := Compile(Config{AllowOrigins: []string{o}, AllowCredentials: true}); err != nil {
			t.Errorf("%s: %v", o, err)
		}
	}
}

func TestAllowedComparesByteForByte(t *testing.T) {
	tests := []struct {
		name    string
		allowed string
		origin  string
		want    bool
	}{
		{"the same", "https://a.example", "https://a.example", true},
		{"another scheme", "https://a.example", "http://a.example", false},
		{"another port", "https://a.example", "https://a.example:8443", false},
		{"the default port spelt out", "https://a.example", "https://a.example:443", false},
		{"upper case", "https://a.example", "https://A.example", false},
		{"a trailing dot", "https://a.example", "https://a.example.", false},
		{"a suffix", "https://a.example", "https://a.example.evil.com", false},
		{"a prefix", "https://a.example", "https://xa.example", false},
		{"null", "https://a.example", "null", false},
		{"null if listed", "null", "null", true},
		{"Null in another case", "null", "Null", false},
		{"an empty value", "https://a.example", "", false},
		{"a list of origins", "https://a.example", "https://a.example, https://a.example", false},
		{"a space around", "https://a.example", " https://a.example", false},
		{"a subdomain", "https://*.a.example", "https://x.a.example", true},
		{"a deeper subdomain", "https://*.a.example", "https://y.x.a.example", true},
		{"not the apex", "https://*.a.example", "https://a.example", false},
		{"not an empty label", "https://*.a.example", "https://.a.example", false},
		{"not a port", "https://*.a.example", "https://x.a.example:8443", false},
		{"not http", "https://*.a.example", "http://x.a.example", false},
		{"not a label's tail", "https://*.a.example", "https://xa.example", false},
		{"not through a path", "https://*.a.example", "https://evil.com/.a.example", false},
		{"not through user information", "https://*.a.example", "https://evil.com@x.a.example", false},
		{"not through a NUL", "https://*.a.example", "https://evil.com\x00.a.example", false},
		{"any port without one", "http://localhost:*", "http://localhost", true},
		{"any port with one", "http://localhost:*", "http://localhost:3000", true},
		{"any port, not port 0", "http://localhost:*", "http://localhost:0", false},
		{"any port, not the default one", "http://localhost:*", "http://localhost:80", false},
		{"any port, not a name", "http://localhost:*", "http://localhost:x", false},
		{"any port, not a longer host", "http://localhost:*", "http://localhost.evil.com", false},
		{"any port, not user information", "http://localhost:*", "http://localhost:1@evil.com", false},
		{"a star takes an origin", "*", "https://a.example", true},
		{"a star takes null", "*", "null", true},
		{"a star does not take what is no origin", "*", "nonsense", false},
		{"an IPv6 origin", "http://[::1]:8080", "http://[::1]:8080", true},
		{"another scheme altogether", "app://localhost", "app://localhost", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Compile(Config{AllowOrigins: []string{tt.allowed}})
			if err != nil {
				t.Fatal(err)
			}
			if _, got := p.Allowed([]string{tt.origin}); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestAllowedRefusesSeveralOriginLinesAndNone(t *testing.T) {
	p, err := Compile(Config{AllowOrigins: []string{"https://a.example"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, lines := range [][]string{nil, {"https://a.example", "https://a.example"}, {strings.Repeat("a", 600)}} {
		if _, ok := p.Allowed(lines); ok {
			t.Errorf("%q allowed", lines)
		}
	}
}

func FuzzOriginIsAllowedOnlyIfItIsOne(f *testing.F) {
	for _, s := range []string{"https://a.example", "null", "https://x.a.example:8443", "http://[::1]:80", "https://a..b", "://", "https://x.a.example/"} {
		f.Add(s)
	}
	p, err := Compile(Config{AllowOrigins: []string{"https://*.a.example", "http://localhost:*", "https://b.example"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, ok := p.Allowed([]string{s})
		o, valid := parseOrigin(s)
		if !valid {
			if ok {
				t.Fatalf("%q is allowed and no origin", s)
			}
			return
		}
		again := o.scheme + "://" + o.host
		if o.port != "" {
			again += ":" + o.port
		}
		if again != s {
			t.Fatalf("%q came back as %q", s, again)
		}
		want := s == "https://b.example" || o.scheme == "http" && o.host == "localhost" ||
			o.scheme == "https" && o.port == "" && strings.HasSuffix(o.host, ".a.example")
		if ok != want {
			t.Fatalf("%q: allowed %v, want %v", s, ok, want)
		}
	})
}
