package event

import (
	"regexp"
	"strings"
	"testing"
)

func pseudonymizer(t testing.TB, key string) *Pseudonymizer {
	t.Helper()
	p, err := NewPseudonymizer([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const testKey = "0123456789abcdef"

func TestPseudonymsHaveOneForm(t *testing.T) {
	t.Parallel()
	p := pseudonymizer(t, testKey)
	form := regexp.MustCompile(`^[unc]:[A-Za-z0-9_-]{22}$`)
	for _, got := range []string{p.Subject("u-1"), p.Name("alice"), p.Client("192.0.2.1"), p.Client("nonsense")} {
		if !form.MatchString(got) {
			t.Errorf("%q", got)
		}
	}
	for name, got := range map[string]string{"subject": p.Subject(""), "name": p.Name(""), "client": p.Client("")} {
		if got != "" {
			t.Errorf("nobody's %s is %q", name, got)
		}
	}
}

func TestPseudonymsDoNotMixTheirDomainsOrKeys(t *testing.T) {
	t.Parallel()
	p, q := pseudonymizer(t, testKey), pseudonymizer(t, testKey+"!")
	seen := map[string]string{}
	for name, got := range map[string]string{
		"subject": p.Subject("192.0.2.1"), "name": p.Name("192.0.2.1"), "client": p.Client("192.0.2.1"),
		"another subject": p.Subject("192.0.2.2"), "subject under another key": q.Subject("192.0.2.1"),
		"client under another key": q.Client("192.0.2.1"),
	} {
		if other, ok := seen[got[2:]]; ok {
			t.Errorf("%s and %s are the same", name, other)
		}
		seen[got[2:]] = name
	}
	if p.Subject("u-1") != pseudonymizer(t, testKey).Subject("u-1") {
		t.Error("the same key gives different pseudonyms")
	}
}

func TestAllSpellingsOfAnAddressAreOneClient(t *testing.T) {
	t.Parallel()
	p := pseudonymizer(t, testKey)
	for _, spellings := range [][]string{
		{"192.0.2.1", "::ffff:192.0.2.1", "::ffff:c000:201"},
		{"2001:db8::1", "2001:DB8:0:0::1", "2001:0db8::0001"},
	} {
		for _, spelling := range spellings {
			if p.Client(spelling) != p.Client(spellings[0]) {
				t.Errorf("%s is another client than %s", spelling, spellings[0])
			}
		}
	}
}

func TestAShortKeyIsRefusedWithWhatToDo(t *testing.T) {
	t.Parallel()
	if _, err := NewPseudonymizer([]byte("short")); err == nil || !strings.Contains(err.Error(), "openssl rand") {
		t.Errorf("%v", err)
	}
}

func TestTheKeyIsCopied(t *testing.T) {
	t.Parallel()
	key := []byte(testKey)
	p, err := NewPseudonymizer(key)
	if err != nil {
		t.Fatal(err)
	}
	before := p.Subject("u-1")
	clear(key)
	if p.Subject("u-1") != before {
		t.Error("the caller's key can still change it")
	}
}
