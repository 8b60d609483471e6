package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLicencesAreToldByTheirSentences(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"Apache":                      {"                  Apache License\n            Version 2.0, January 2004", "Apache-2.0"},
		"MIT, broken into lines":      {"Permission is hereby granted, free of\ncharge, to any person obtaining\na copy", "MIT"},
		"BSD":                         {"Redistribution and use in source and binary forms, with or without\nmodification, are permitted provided", "BSD"},
		"ISC":                         {"Permission to use, copy, modify, and/or distribute this software for any\npurpose with or without fee is hereby granted", "ISC"},
		"MPL, which names the GPL":    {"Mozilla Public License Version 2.0\n ... GNU General Public License", "MPL-2.0"},
		"GPL":                         {"GNU GENERAL PUBLIC LICENSE\nVersion 3", "GPL"},
		"AGPL, which names the GPL":   {"GNU AFFERO GENERAL PUBLIC LICENSE ... GNU General Public License", "AGPL"},
		"source that is not open yet": {"Business Source License 1.1", "BUSL"},
		"something else":              {"All rights reserved.", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := licenceOf(c.text); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestAFolderOffersOneAcceptedLicenceOrNone(t *testing.T) {
	t.Parallel()
	const apache, gpl = "Apache License Version 2.0", "GNU GENERAL PUBLIC LICENSE"
	for name, c := range map[string]struct {
		files map[string]string
		want  string
		fails bool
	}{
		"one":                 {map[string]string{"LICENSE": apache}, "Apache-2.0", false},
		"with an ending":      {map[string]string{"License.md": apache, "README.md": gpl}, "Apache-2.0", false},
		"a choice":            {map[string]string{"LICENSE-GPL": gpl, "LICENSE-APACHE": apache}, "Apache-2.0", false},
		"one that is refused": {map[string]string{"COPYING": gpl}, "GPL", false},
		"none":                {map[string]string{"README": apache}, "", true},
		"one that is foreign": {map[string]string{"LICENCE": "mine"}, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := licenceIn(folder(t, c.files))
			if got != c.want || (err != nil) != c.fails {
				t.Errorf("%q %v", got, err)
			}
		})
	}
}

func TestWheelsWithoutVersionOrHashAreNamed(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		".ci/requirements-good.txt": "# one\na==1 \\\n    --hash=sha256:00 \\\n    --hash=sha256:01\n",
		".ci/requirements-bad.txt":  "b>=1 --hash=sha256:00\nc==2\n",
	})
	_, err := wheels(context.Background(), dir)
	if err == nil {
		t.Fatal("nothing is wrong with them")
	}
	for _, want := range []string{"requirements-bad.txt: b>=1 is not pinned", "c==2 has no hash"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "a==1") {
		t.Error(err)
	}
}

func TestModulesThatAreReplacedOrMissingAreNamed(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"go.mod":   "module x\n\ngo 1.26\n\nrequire example.com/y v1.0.0\n\nreplace example.com/y => ./y\n\nexclude example.com/z v1.0.0\n",
		"y/go.mod": "module example.com/y\n",
		"x.go":     "package x\n",
	})
	_, err := directives(t.Context(), dir)
	if err == nil || !strings.Contains(err.Error(), "example.com/y is replaced by ./y") || !strings.Contains(err.Error(), "example.com/z v1.0.0 is excluded") {
		t.Errorf("%v", err)
	}
	incomplete := folder(t, map[string]string{
		"go.mod": "module x\n\ngo 1.26\n\nrequire github.com/spf13/cobra v1.10.1\n",
		"x.go":   "package x\n\nimport _ \"github.com/spf13/cobra\"\n",
	})
	if _, err := verified(t.Context(), incomplete); err == nil || !strings.Contains(err.Error(), "not complete") {
		t.Errorf("%v", err)
	}
}

func TestEverythingThatIsWrongIsReported(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"go.mod": "module x\n\ngo 1.26\n\nreplace example.com/y => ./y\n", "x.go": "package x\n",
		"filter/f.go": "package f\n", ".ci/requirements-a.txt": "c==2\n",
	})
	var out strings.Builder
	err := check(t.Context(), dir, &out)
	if err == nil || !strings.Contains(err.Error(), "replaced") || !strings.Contains(err.Error(), "no hash") || !strings.Contains(out.String(), "licences: 0 linked modules") {
		t.Errorf("%v\n%s", err, out.String())
	}
}
