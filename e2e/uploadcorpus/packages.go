package uploadcorpus

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// packageMedia are the types that files of packages are declared as, by extension.
var packageMedia = map[string]string{
	"png": "image/png", "jpg": "image/jpeg", "gif": "image/gif", "svg": "image/svg+xml", "pdf": "application/pdf", "docx": docx, "odt": odt,
	"ods": "application/vnd.oasis.opendocument.spreadsheet", "xls": "application/vnd.ms-excel", "rtf": "application/rtf", "wav": "audio/wav",
	"oga": "audio/ogg", "ttf": "font/ttf", "xml": "application/xml", "gz": "application/gzip",
}

// notWhatTheySay are files of packages whose extension is not their type's.
var notWhatTheySay = []string{"gnuplot/examples/html/index.svg", "gnuplot/examples/html/Makefile.svg"}

const (
	maxPerType     = 250     // of one package
	maxPackageFile = 8 << 20 // bytes
)

// Packages are honest files of the Debian packages that were unpacked in a folder,
// one folder each (.ci/upload-packages; the list with versions and sums is beside
// it). A folder that is not there has no files.
func Packages(folder string) ([]File, error) {
	var out []File
	taken := map[string]int{}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		extension := strings.TrimPrefix(filepath.Ext(path), ".")
		media := packageMedia[extension]
		info, err := d.Info()
		if err != nil || !info.Mode().IsRegular() || media == "" || info.Size() == 0 || info.Size() > maxPackageFile || lies(path) {
			return err //nolint:wrapcheck // wrapped below
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(path, folder+string(filepath.Separator)), string(filepath.Separator))
		if taken[name+extension]++; taken[name+extension] > maxPerType {
			return nil
		}
		content, err := os.ReadFile(path) // #nosec G122 -- a folder of our own
		out = append(out, File{"package", path, "upload." + extension, media, content, false})
		return err //nolint:wrapcheck // wrapped below
	})
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the packages' files: %w", err)
	}
	return out, nil
}

func lies(path string) bool {
	for _, end := range notWhatTheySay {
		if strings.HasSuffix(filepath.ToSlash(path), end) {
			return true
		}
	}
	return false
}
