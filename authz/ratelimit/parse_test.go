package ratelimit

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	ratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
)

const mongo = `
domain: mongo_cps
descriptors:
  - key: database
    value: users
    rate_limit: {unit: second, requests_per_unit: 500}
  - key: database
    value: default
    rate_limit:
      unit: MINUTE
      requests_per_unit: 20
    descriptors:
      - key: table
        rate_limit: {unit: hour, requests_per_unit: 5}
  - key: path
    value: /api/*
    rate_limit: {unit: day, requests_per_unit: 7}
  - key: path
    rate_limit: {unlimited: true}
  - key: status
    value: 404
    shadow_mode: true
    rate_limit: &weekly {unit: week, requests_per_unit: 9, name: weekly, replaces: [{name: other}]}
  - key: again
    rate_limit: *weekly
`

func mustParse(t testing.TB, text string) *Config {
	t.Helper()
	config, err := Parse([]File{{Name: "test.yaml", Data: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// descriptor takes keys and values in turn.
func descriptor(pairs ...string) *ratelimitv3.RateLimitDescriptor {
	d := &ratelimitv3.RateLimitDescriptor{}
	for i := 0; i < len(pairs); i += 2 {
		d.Entries = append(d.Entries, &ratelimitv3.RateLimitDescriptor_Entry{Key: pairs[i], Value: pairs[i+1]})
	}
	return d
}

func TestARuleIsFoundAsEnvoyproxyRatelimitDoes(t *testing.T) {
	config := mustParse(t, mongo)
	for _, c := range []struct {
		name string
		of   []string
		want string
	}{
		{"an exact value", []string{"database", "users"}, "500/SECOND"},
		{"another value", []string{"database", "x"}, ""},
		{"a unit in upper case", []string{"database", "default"}, "20/MINUTE"},
		{"a nested rule for any value", []string{"database", "default", "table", "t1"}, "5/HOUR"},
		{"a rule of a parent does not apply to more entries", []string{"database", "users", "table", "t1"}, ""},
		{"more entries than the file is deep", []string{"database", "default", "table", "t1", "row", "1"}, ""},
		{"a wildcard", []string{"path", "/api/v1"}, "7/DAY"},
		{"a key without value is for what no wildcard covers", []string{"path", "/web"}, "unlimited"},
		{"an exact value that is a number", []string{"status", "404"}, "9/WEEK shadow"},
		{"an anchor used again", []string{"again", "x"}, "9/WEEK"},
		{"an unknown key", []string{"x", "y"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := text(config.Find("mongo_cps", descriptor(c.of...))); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	if config.Find("another", descriptor("database", "users")).Rule != nil {
		t.Error("a rule applies in another domain")
	}
}

func TestALimitInTheRequestGoesBeforeTheFile(t *testing.T) {
	d := descriptor("database", "users")
	d.Limit = &ratelimitv3.RateLimitDescriptor_RateLimitOverride{RequestsPerUnit: 3, Unit: typev3.RateLimitUnit_HOUR}
	if got := text(mustParse(t, mongo).Find("mongo_cps", d)); got != "3/HOUR" {
		t.Errorf("got %q", got)
	}
	d.Limit.Unit = typev3.RateLimitUnit_UNKNOWN
	if got := mustParse(t, mongo).Find("mongo_cps", d); got.Rule != nil {
		t.Errorf("an unknown unit gave %+v", got)
	}
}

func text(r Match) string {
	switch {
	case r.Rule == nil:
		return ""
	case r.Unlimited:
		return "unlimited"
	}
	s := slog.Int64Value(int64(r.Requests)).String() + "/" + r.Unit.String()
	if r.Shadow {
		s += " shadow"
	}
	return s
}

func TestEachMistakeIsNamedWithFileLineAndKey(t *testing.T) {
	in := func(s string) string { return "domain: d\ndescriptors:\n- " + s + "\n" }
	for _, c := range []struct{ name, text, want string }{
		{"no YAML", "a: [", "test.yaml:1"},
		{"an empty file", "", "not one YAML document"},
		{"two documents", "domain: a\n---\ndomain: b\n", "not one YAML document"},
		{"a list", "- a\n", "test.yaml:1:1: document: is not a mapping"},
		{"no domain", "descriptors: []\n", "domain: is missing"},
		{"an unknown key", "domain: d\ndescriptor: []\n", "test.yaml:2:1: document.descriptor: is not known"},
		{"a key twice", "domain: d\ndescriptors: []\ndescriptors: []\n", ""},
		{"a descriptor without key", in("value: x"), "descriptors[0].key: is missing"},
		{"a descriptor that is a text", in("x"), "descriptors[0]: is not a mapping"},
		{"descriptors that are a text", "domain: d\ndescriptors: x\n", "descriptors: is not a list"},
		{"a descriptor twice", in("key: a\n- key: a"), `repeats "a"`},
		{"no unit", in("key: a\n  rate_limit: {requests_per_unit: 1}"), "rate_limit.unit: is missing"},
		{"no count", in("key: a\n  rate_limit: {unit: day}"), "write how many requests a day may have"},
		{"an unknown unit", in("key: a\n  rate_limit: {unit: fortnight, requests_per_unit: 1}"), `is "fortnight"`},
		{"the unit that is called unknown", in("key: a\n  rate_limit: {unit: unknown, requests_per_unit: 1}"), `is "unknown"`},
		{"a negative count", in("key: a\n  rate_limit: {unit: day, requests_per_unit: -1}"), "is not a count"},
		{"a count of 33 bits", in("key: a\n  rate_limit: {unit: day, requests_per_unit: 4294967296}"), "is not a count"},
		{"a limit that is unlimited", in("key: a\n  rate_limit: {unlimited: true, unit: day, requests_per_unit: 1}"), "is unlimited and has a limit"},
		{"a truth that is none", in("key: a\n  shadow_mode: maybe"), `shadow_mode: is "maybe"`},
		{"a limit that replaces itself", in("key: a\n  rate_limit: {unit: day, requests_per_unit: 1, name: n, replaces: [{name: n}]}"), "names the limit itself"},
		{"a shared threshold without a star", in("key: a\n  value: b\n  share_threshold: true"), "is for values with a *"},
		{"metadata that is no mapping", in("key: a\n  metadata: [1]"), "is not a mapping that JSON can say"},
		{"a limit that replaces nothing", in("key: a\n  rate_limit: {unit: day, requests_per_unit: 1, replaces: [{name: ''}]}"), "has an empty name"},
		{"an alias without anchor", in("key: a\n  rate_limit: *x"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			config, err := Parse([]File{{Name: "test.yaml", Data: []byte(c.text)}})
			if config != nil || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestAllMistakesOfAllFilesAreReportedAtOnce(t *testing.T) {
	_, err := Parse([]File{
		{Name: "a.yaml", Data: []byte("domain: d\nx: 1\ny: 2\n")},
		{Name: "b.yaml", Data: []byte("domain: d\ndescriptors: [{value: v}]\n")},
	})
	var mistakes ConfigErrors
	if !errors.As(err, &mistakes) || len(mistakes) != 4 {
		t.Fatalf("got %v, want two unknown keys, a missing key and a domain that is taken", err)
	}
	if !strings.Contains(err.Error(), "also the domain of a.yaml") {
		t.Errorf("got %v", err)
	}
}

func TestAFolderIsReadAsConfigMapsAreLaidOut(t *testing.T) {
	dir := t.TempDir()
	hidden := filepath.Join(dir, "..2026")
	if err := os.Mkdir(hidden, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(hidden, "a.yaml"), "domain: a\n")
	if err := os.Symlink(filepath.Join("..2026", "a.yaml"), filepath.Join(dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "sub", "b.yml"), "domain: b\n")
	write(t, filepath.Join(dir, "README.md"), "no YAML: [")
	d, err := OpenDirectory(dir, slog.New(slog.DiscardHandler))
	if err != nil || d.Current().Domains() != 2 {
		t.Fatalf("%v, %v", d, err)
	}
}

func TestABrokenEditChangesNothingAndARepairedOneIsLoaded(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.yaml")
	write(t, file, mongo)
	d, err := OpenDirectory(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	before := d.Current()
	if swapped, err := d.Look(); swapped || err != nil {
		t.Errorf("an unchanged folder: %v, %v", swapped, err)
	}
	write(t, file, "domain: d\nx: 1\n")
	if swapped, err := d.Look(); swapped || err == nil || !strings.Contains(err.Error(), "a.yaml:2:1") {
		t.Errorf("a broken edit: %v, %v", swapped, err)
	}
	if d.Current() != before {
		t.Error("a broken edit replaced the configuration")
	}
	write(t, file, "domain: d\n")
	if swapped, err := d.Look(); !swapped || err != nil || d.Current().Domains() != 1 {
		t.Errorf("a repaired edit: %v, %v", swapped, err)
	}
}

func TestAFolderWithoutConfigurationIsAMistake(t *testing.T) {
	if _, err := OpenDirectory(t.TempDir(), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("an empty folder was accepted")
	}
	if _, err := OpenDirectory(filepath.Join(t.TempDir(), "none"), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a missing folder was accepted")
	}
}

func write(t testing.TB, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(mongo))
	f.Add([]byte("domain: &a *a\n"))
	f.Add([]byte("domain: d\ndescriptors: [&x {key: k, descriptors: [*x]}]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		config, err := Parse([]File{{Name: "f", Data: data}})
		if (config == nil) == (err == nil) {
			t.Fatalf("config %v and error %v", config, err)
		}
		if config != nil {
			for domain := range config.domains {
				config.Find(domain, descriptor("k", "v"))
			}
		}
	})
}
