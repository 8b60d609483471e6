package code_test

import (
	"regexp"
	"strings"
	"testing"

	"gatehouse/authz/login/code"
)

func TestRecoveryCodesAreReadHoweverTheyAreTyped(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[0-9a-hjkmnp-tv-z]{4}(-[0-9a-hjkmnp-tv-z]{4}){5}$`)
	seen := map[string]bool{}
	for range 50 {
		for _, c := range code.NewRecovery() {
			if !form.MatchString(c) || seen[c] {
				t.Fatalf("code %q", c)
			}
			seen[c] = true
			bare := strings.ReplaceAll(c, "-", "")
			for _, typed := range []string{c, bare, strings.ToUpper(c), " " + bare[:6] + " " + bare[6:], strings.ReplaceAll(c, "0", "O"), strings.ReplaceAll(c, "1", "l")} {
				if got, ok := code.ReadRecovery(typed); !ok || got != c {
					t.Fatalf("%q was read as %q %v", typed, got, ok)
				}
			}
		}
	}
}

func TestACodeOfBeforeIsStillRead(t *testing.T) {
	t.Parallel()
	if got, ok := code.ReadRecovery("3F9K 77QP xOzd"); !ok || got != "3f9k-77qp-x0zd" {
		t.Errorf("%q %v", got, ok)
	}
}

func TestWhatIsNoRecoveryCodeIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "123456", "3f9k-77qp-x0z", "3f9k-77qp-x0zdd", "3f9k-77qp-x0zu", "3f9k_77qp_x0zd", strings.Repeat("a", 10_000), "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"} {
		if got, ok := code.ReadRecovery(text); ok {
			t.Errorf("%.20q was read as %q", text, got)
		}
	}
}

func TestAHashIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	key := []byte(code.NewToken())
	one := code.HashRecovery(key, "u1", "3f9k-77qp-x0zd")
	if one == code.HashRecovery(key, "u2", "3f9k-77qp-x0zd") || one == code.HashRecovery([]byte(code.NewToken()), "u1", "3f9k-77qp-x0zd") {
		t.Error("the hash does not depend on owner and key")
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	token := code.NewToken()
	if !code.IsToken(token) || token == code.NewToken() || len(code.HashToken(token)) != 64 {
		t.Error(token)
	}
	for _, bad := range []string{"", token[:42], token + "A", strings.Repeat("!", 43)} {
		if code.IsToken(bad) {
			t.Errorf("%q was taken", bad)
		}
	}
}

func FuzzReadRecovery(f *testing.F) {
	f.Add("3f9k-77qp-x0zd")
	f.Fuzz(func(t *testing.T, text string) {
		if got, ok := code.ReadRecovery(text); ok {
			if again, ok := code.ReadRecovery(got); !ok || again != got {
				t.Errorf("%q is %q is %q", text, got, again)
			}
		}
	})
}
