package login

import (
	"net/url"
	"strings"
	"testing"

	"gatehouse/authz/login/openid"
	"gatehouse/authz/login/throttle"
)

func TestOnlyLocalPathsAreGoneTo(t *testing.T) {
	t.Parallel()
	for next, want := range map[string]bool{
		"/": true, "/a/b?c=d#e": true, "/a//b": true, "/%2F%2Fevil.example": true, "/@evil.example": true, "/a?u=https://x": true,
		"": false, "a": false, "//evil.example": false, "///evil.example": false, `/\evil.example`: false, `\\evil.example`: false,
		`/a\b`: false, "https://evil.example": false, "javascript:alert(1)": false, "/\t/evil.example": false, "/\n/evil.example": false,
		"\t//evil.example": false, " /a": false, "/a b": false, "/a\r\nSet-Cookie: x=y": false, "/\x00": false, "/é": false, "/\x7f": false,
		"?a": false, "#a": false, "./a": false, "/" + strings.Repeat("a", maxNext): false,
	} {
		if got := localPath(next); got != want {
			t.Errorf("%q: %v, want %v", next, got, want)
		}
	}
}

func FuzzLocalPathStaysOnThisHost(f *testing.F) {
	for _, seed := range []string{"/", "//x", `/\x`, "/\t/x", "https://x", "/a?b#c", "/..//x"} {
		f.Add(seed)
	}
	base, err := url.Parse("https://app.example.com/auth/login")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, next string) {
		if !localPath(next) {
			return
		}
		// As browsers read it (WHATWG URL): "\" is "/", tabs and breaks vanish.
		lenient := strings.NewReplacer(`\`, "/", "\t", "", "\n", "", "\r", "").Replace(next)
		if strings.HasPrefix(lenient, "//") || strings.ContainsAny(next, "\r\n\x00 ") {
			t.Errorf("%q leads elsewhere", next)
		}
		if to, err := base.Parse(next); err == nil && (to.Host != base.Host || to.Scheme != base.Scheme) {
			t.Errorf("%q leads to %s", next, to)
		}
	})
}

func TestNamesAreTrimmedAndBounded(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"alice": "alice", "  alice\t": "alice", "Alice": "Alice", "Ålice B": "Ålice B", strings.Repeat("x", MaxName): strings.Repeat("x", MaxName),
		"": "", "  ": "", "a\x00b": "", "a\nb": "", "\xff": "", strings.Repeat("x", MaxName+1): "",
	} {
		if got, ok := NormalizeName(name); got != want || ok != (want != "") {
			t.Errorf("%q became %q, %v", name, got, ok)
		}
	}
}

func TestTheCookiesOfSignInAreKnownByTheirNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{formCookie, secondCookie, throttle.DeviceCookie, openid.CookiePrefix + "abcdefgh"} {
		if !OfSignIn(name) {
			t.Errorf("%s goes to applications", name)
		}
	}
	for _, name := range []string{CookieName, CookieName + "-console", CookieName + "2", "x" + formCookie, "form", ""} {
		if OfSignIn(name) {
			t.Errorf("%s is taken for sign-in's", name)
		}
	}
}
