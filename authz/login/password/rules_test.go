package password_test

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gatehouse/authz/login/password"
)

type words []string

func (w words) Contains(_ context.Context, p string) (bool, error) { return slices.Contains(w, p), nil }

type broken struct{}

func (broken) Contains(context.Context, string) (bool, error) { return false, errors.New("disk gone") }

func TestWhatAPasswordMayBe(t *testing.T) {
	t.Parallel()
	rules := password.Rules{Words: []string{"Gatehouse", "acme"}, List: words{"correct horse"}}
	for name, c := range map[string]struct {
		password string
		want     error
	}{
		"seven characters":                     {"abcdxyz", password.ErrShort},
		"eight characters":                     {"xkcdwmpq", nil},
		"eight code points of many bytes":      {"日本語日本語長い", nil},
		"four emoji in sixteen bytes":          {"😀😁😂😃", password.ErrShort},
		"64 characters":                        {strings.Repeat("ab c", 16), nil},
		"256 characters":                       {strings.Repeat("ab c", 64), nil},
		"257 characters":                       {strings.Repeat("ab c", 64) + "x", password.ErrLong},
		"lower-case letters only":              {"qwmnzbxv", nil},
		"spaces only inside":                   {"two words", nil},
		"the product, with digits":             {"Gatehouse123!", password.ErrContext},
		"the organisation twice":               {"acmeAcme2024", password.ErrContext},
		"the product inside of more":           {"my gatehouse has walls", nil},
		"the person's name":                    {"anna.example", password.ErrContext},
		"a part of their address":              {"example1!", password.ErrContext},
		"one character over and over":          {"aaaaaaaaaa", password.ErrContext},
		"a run of digits":                      {"12345678", password.ErrContext},
		"a run backwards":                      {"987654321", password.ErrContext},
		"on the list":                          {"correct horse", password.ErrCompromised},
		"not on the list in other letter case": {"Correct Horse", nil},
		"no UTF-8":                             {"abcdefg\xff", password.ErrText},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := rules.Check(t.Context(), c.password, "anna@example"); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

func TestALongerLeastLengthHolds(t *testing.T) {
	t.Parallel()
	rules := password.Rules{MinLength: password.RecommendedMinLength}
	if err := rules.Check(t.Context(), "fourteen chars", ""); !errors.Is(err, password.ErrShort) {
		t.Error(err)
	}
	if err := rules.Check(t.Context(), "fifteen chars !", ""); err != nil {
		t.Error(err)
	}
	shorter := password.Rules{MinLength: 4}
	if err := shorter.Check(t.Context(), "xkcdwmp", ""); !errors.Is(err, password.ErrShort) {
		t.Error("a setting went below the least of the standard:", err)
	}
}

func TestAListThatCannotBeReadLetsNothingPass(t *testing.T) {
	t.Parallel()
	err := password.Rules{List: broken{}}.Check(t.Context(), "a fine password", "")
	if !errors.Is(err, password.ErrUnavailable) {
		t.Error(err)
	}
}

func TestOnePasswordIsTheSameOnEveryKeyboard(t *testing.T) {
	t.Parallel()
	composed, ok1 := password.Normalize("Gr\u00f6\u00dfe \u2460")
	apart, ok2 := password.Normalize("Gro\u0308\u00dfe 1")
	if composed != apart || !ok1 || !ok2 {
		t.Errorf("%q %q", composed, apart)
	}
	for _, bad := range []string{"\xff", strings.Repeat("x", password.MaxBytes+1), strings.Repeat("\ufdfa", 300)} {
		if _, ok := password.Normalize(bad); ok {
			t.Errorf("%.10q was taken", bad)
		}
	}
}

func hash(text string) string { return fmt.Sprintf("%X", sha1.Sum([]byte(text))) }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestASortedFileIsSearchedWhereItLies(t *testing.T) {
	t.Parallel()
	for _, form := range []struct{ name, count, end string }{{"plain", "", "\n"}, {"with counts", ":12", "\n"}, {"with CRLF", ":3", "\r\n"}} {
		t.Run(form.name, func(t *testing.T) {
			t.Parallel()
			for n := range 40 {
				searchAll(t, n, form.count, form.end)
			}
			searchAll(t, 2000, form.count, form.end)
		})
	}
}

func searchAll(t *testing.T, n int, count, end string) {
	t.Helper()
	lines := make([]string, n+1)
	for i := range lines {
		lines[i] = hash(fmt.Sprint("known ", i)) + count
	}
	slices.Sort(lines)
	path := filepath.Join(t.TempDir(), "list.txt")
	write(t, path, strings.Join(lines, end)+[]string{"", end}[n%2])
	list, err := password.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 * (n + 1) {
		found, err := list.Contains(t.Context(), fmt.Sprint("known ", i))
		if want := i <= n; err != nil || found != want {
			t.Fatalf("%d lines, number %d: %v %v", n+1, i, found, err)
		}
	}
}

func TestAFolderOfRangesIsRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := hash("hunter22")
	write(t, filepath.Join(dir, h[:5]+".txt"), "0018A45C4D1DEF81644B54AB7F969B88D65:3\r\n"+h[5:]+":17043\r\n")
	write(t, filepath.Join(dir, "00000"), "0005AD76BD555C1D6D771DE417A4B87E4B4:10\n")
	list, err := password.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if found, err := list.Contains(t.Context(), "hunter22"); err != nil || !found {
		t.Errorf("%v %v", found, err)
	}
	if _, err := list.Contains(t.Context(), "of a prefix that is missing"); err == nil {
		t.Error("a broken copy passed for an answer")
	}
}

func TestWhatIsNoListIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "words.txt"), "password\n123456\n")
	write(t, filepath.Join(dir, "empty.txt"), "")
	for _, path := range []string{dir, filepath.Join(dir, "words.txt"), filepath.Join(dir, "empty.txt"), filepath.Join(dir, "none")} {
		if _, err := password.Open(path); err == nil {
			t.Errorf("%s was taken for a list", path)
		}
	}
}
