package apikey_test

import (
	"slices"
	"strings"
	"testing"

	"gatehouse/authz/login/apikey"
)

func TestAKeyIsKnownByItsForm(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 200 {
		key := apikey.New()
		if !apikey.Is(key) || seen[key] || len(apikey.Hash(key)) != 64 {
			t.Fatal("not a key of its own")
		}
		seen[key] = true
	}
	key := apikey.New()
	for i := range len(key) {
		other := byte('0')
		if key[i] == other {
			other = '1'
		}
		if mistyped := key[:i] + string(other) + key[i+1:]; apikey.Is(mistyped) {
			t.Errorf("a key with another character at %d was taken", i)
		}
	}
	for _, bad := range []string{"", apikey.Prefix, key + "0", key[:len(key)-1], "ghs_" + key[4:], apikey.Prefix + strings.Repeat("é", 24) + "a"} {
		if apikey.Is(bad) {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestScopesAreSortedAndBounded(t *testing.T) {
	t.Parallel()
	if got, err := apikey.Scopes("write, read  read"); err != nil || !slices.Equal(got, []string{"read", "write"}) {
		t.Errorf("%v %v", got, err)
	}
	for _, bad := range []string{"a\"b", "tab\tbed", "ü", strings.Repeat("s", apikey.MaxScope+1), strings.Repeat("a b c d ", 1) + many()} {
		if got, err := apikey.Scopes(bad); err == nil {
			t.Errorf("%.20q gave %v", bad, got)
		}
	}
}

func many() string {
	var b strings.Builder
	for i := range apikey.MaxScopes + 1 {
		b.WriteString(" s" + strings.Repeat("x", i))
	}
	return b.String()
}

func FuzzIs(f *testing.F) {
	f.Add("ghk_")
	f.Fuzz(func(t *testing.T, text string) {
		if apikey.Is(text) && len(text) != apikey.Length {
			t.Errorf("%q", text)
		}
	})
}
