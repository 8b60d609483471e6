// Package uploadcorpus makes labelled files for the upload inspector: honest ones
// by other people's encoders, attacks as public collections describe them, and
// the two crossed. It also finds honest files of the Go distribution, which is on
// every machine that builds this (image/testdata, image/png/testdata and
// archive/zip/testdata), and, where they were fetched, of Debian packages
// (python3-docx, gnuplot-doc, alsa-utils, sound-theme-freedesktop, lyx-common,
// fonts-dejavu-core, adwaita-icon-theme).
//
// It promises the same generated files at every call, and labels that say what a
// careful person would do. It is for tests and benchmarks and nothing else.
package uploadcorpus

import (
	"go/build"
	"os"
	"path/filepath"
)

// File is one labelled file.
type File struct {
	Category  string
	What      string // for messages
	Name      string
	Declared  string // media type
	Content   []byte
	Malicious bool
}

// Files is the whole generated corpus.
func Files() []File {
	g := &generator{}
	g.honest()
	g.aliases()
	g.disguised()
	g.programs()
	g.names()
	g.pdfs()
	g.svgs()
	g.archives()
	g.office()
	g.polyglots()
	g.broken()
	g.siblings()
	return g.files
}

type generator struct{ files []File }

func (g *generator) add(category, what, name, declared string, content []byte, malicious bool) {
	g.files = append(g.files, File{category, what, name, declared, content, malicious})
}

// Found are honest files of the Go distribution.
func Found() []File {
	var out []File
	for _, f := range [...]struct{ pattern, declared string }{
		{"image/testdata/*.png", "image/png"}, {"image/testdata/*.jpeg", "image/jpeg"}, {"image/testdata/*.gif", "image/gif"},
		{"image/png/testdata/pngsuite/basn*.png", "image/png"}, {"archive/zip/testdata/utf8-*.zip", "application/zip"},
		{"archive/zip/testdata/time-*.zip", "application/zip"}, {"archive/zip/testdata/zip64*.zip", "application/zip"},
		{"archive/tar/testdata/ustar.tar", "application/x-tar"}, {"archive/tar/testdata/pax.tar", "application/x-tar"},
		{"archive/tar/testdata/gnu.tar", "application/x-tar"}, {"archive/tar/testdata/hardlink.tar", "application/x-tar"},
	} {
		paths, _ := filepath.Glob(filepath.Join(build.Default.GOROOT, "src", f.pattern)) // no match is no file
		for _, path := range paths {
			content, err := os.ReadFile(path)
			if err != nil {
				continue
			}
			out = append(out, File{"found", path, filepath.Base(path), f.declared, content, false})
		}
	}
	return out
}
