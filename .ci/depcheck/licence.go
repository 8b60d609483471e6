package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// accepted are licences that may be linked into an Apache-2.0 program that is
// passed on. MPL-2.0 asks for the source of its own files only.
var accepted = []string{"Apache-2.0", "MIT", "BSD", "ISC", "MPL-2.0", "Unlicense", "CC0-1.0"}

// forms tell licences by a sentence that only they have; the first that matches
// counts. MPL-2.0 comes before the GNU licences, which it names.
var forms = []struct {
	name string
	text *regexp.Regexp
}{
	{"MPL-2.0", words("Mozilla Public License Version 2.0")},
	{"AGPL", words("GNU AFFERO GENERAL PUBLIC LICENSE")},
	{"LGPL", words("GNU LESSER GENERAL PUBLIC LICENSE")},
	{"GPL", words("GNU GENERAL PUBLIC LICENSE")},
	{"SSPL", words("Server Side Public License")},
	{"BUSL", words("Business Source License")},
	{"Apache-2.0", words("Apache License Version 2.0")},
	{"MIT", words("Permission is hereby granted, free of charge, to any person obtaining a copy")},
	{"BSD", words("Redistribution and use in source and binary forms, with or without modification, are permitted")},
	{"ISC", words("Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted")},
	{"ISC", words("Permission to use, copy, modify, and distribute this software for any purpose with or without fee is hereby granted")},
	{"Unlicense", words("This is free and unencumbered software released into the public domain")},
	{"CC0-1.0", words("CC0 1.0 Universal")},
}

// words matches a sentence however it is broken into lines and set.
func words(sentence string) *regexp.Regexp {
	parts := strings.Fields(regexp.QuoteMeta(sentence))
	return regexp.MustCompile(`(?i)` + strings.Join(parts, `[\s,*#]+`))
}

func licenceOf(text string) string {
	for _, f := range forms {
		if f.text.MatchString(text) {
			return f.name
		}
	}
	return ""
}

var licenceFile = regexp.MustCompile(`(?i)^(un)?(licen[cs]e|copying)([.-].*)?$`)

// licences judges every module that is linked into the command or the filter.
func licences(ctx context.Context, root string) (string, error) {
	const format = `{{with .Module}}{{if not .Main}}{{.Path}}{{"\t"}}{{.Dir}}{{end}}{{end}}`
	text, err := run(ctx, root, "go", "list", "-deps", "-f", format, ".", "./filter")
	if err != nil {
		return "", err
	}
	modules := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if path, dir, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			modules[path] = dir
		}
	}
	count := map[string]int{}
	var errs []error
	for _, path := range slices.Sorted(maps.Keys(modules)) {
		name, err := licenceIn(modules[path])
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
		case !slices.Contains(accepted, name):
			errs = append(errs, fmt.Errorf("%s: %s is not accepted (%s are)", path, name, strings.Join(accepted, ", ")))
		}
		count[name]++
	}
	var said []string
	for _, name := range slices.Sorted(maps.Keys(count)) {
		said = append(said, fmt.Sprintf("%d %s", count[name], name))
	}
	return fmt.Sprintf("%d linked modules: %s", len(modules), strings.Join(said, ", ")), errors.Join(errs...)
}

// licenceIn reads the licence files of a module's folder. With several, one that
// is accepted is enough: they offer a choice, or say what parts are under.
func licenceIn(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	found := ""
	for _, e := range entries {
		if !e.Type().IsRegular() || !licenceFile.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return "", err
		}
		name := licenceOf(string(text))
		if slices.Contains(accepted, name) {
			return name, nil
		}
		found = max(found, name)
	}
	if found == "" {
		return "", errors.New("no licence is recognised in its folder: read it, and name its form here")
	}
	return found, nil
}
