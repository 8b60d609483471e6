package upload

import (
	"slices"
	"strings"
)

// kind is a file type.
type kind struct {
	id, group  string
	extensions []string
	media      []string // declared media types that agree, besides octet-stream
	// check makes the judge of the bytes that follow the head and of the end;
	// nil if there is nothing more to see.
	check func(env) checker
}

// The groups that a policy can allow as a whole. Programs and scripts have
// none: each of them must be named.
const (
	groupImage    = "image"
	groupDocument = "document"
	groupArchive  = "archive"
	groupAudio    = "audio"
	groupVideo    = "video"
	groupText     = "text"
	groupFont     = "font"
)

// kinds is a table, never written to.
var kinds = []kind{
	{"jpeg", groupImage, []string{"jpg", "jpeg", "jpe", "jfif", "pjpeg", "pjp", "jif"}, []string{"image/jpeg", "image/jpg", "image/pjpeg", "image/jfif", "image/citrix-jpeg", "application/jpg"}, newJPEG},
	{"png", groupImage, []string{"png", "apng"}, []string{"image/png", "image/x-png", "image/apng", "image/vnd.mozilla.apng", "image/citrix-png", "application/png"}, newPNG},
	{"gif", groupImage, []string{"gif"}, []string{"image/gif"}, newGIF},
	{"webp", groupImage, []string{"webp"}, []string{"image/webp"}, newRIFF},
	{"avif", groupImage, []string{"avif"}, []string{"image/avif", "image/avif-sequence"}, newRaster},
	{"heic", groupImage, []string{"heic", "heif", "hif"}, []string{"image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence"}, newRaster},
	{"bmp", groupImage, []string{"bmp", "dib"}, []string{"image/bmp", "image/x-bmp", "image/x-ms-bmp", "image/ms-bmp", "image/windows-bmp", "image/bitmap", "image/win-bitmap", "application/bmp"}, newRaster},
	{"ico", groupImage, []string{"ico"}, []string{"image/x-icon", "image/vnd.microsoft.icon", "image/ico", "image/icon", "text/ico", "application/ico"}, newRaster},
	{"tiff", groupImage, []string{"tif", "tiff"}, []string{"image/tiff", "image/x-tiff", "image/tif", "image/tiff-fx"}, newTIFF},
	{"jxl", groupImage, []string{"jxl"}, []string{"image/jxl"}, newRaster},
	{"jp2", groupImage, []string{"jp2", "jpx", "j2k", "j2c", "jpc", "jpf"}, []string{"image/jp2", "image/jpx", "image/j2c"}, newRaster},
	{"svg", groupImage, []string{"svg"}, []string{"image/svg+xml", "image/svg", "image/svg-xml", "text/xml-svg", "application/svg+xml"}, newSVG},
	{"pdf", groupDocument, []string{"pdf"}, []string{"application/pdf", "application/x-pdf", "application/acrobat", "applications/vnd.pdf", "application/vnd.pdf", "text/pdf"}, newPDF},
	{"docx", groupDocument, []string{"docx", "dotx"}, []string{"application/vnd.openxmlformats-officedocument.wordprocessingml.document", "application/vnd.openxmlformats-officedocument.wordprocessingml.template"}, newZIP("docx")},
	{"xlsx", groupDocument, []string{"xlsx", "xltx"}, []string{"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "application/vnd.openxmlformats-officedocument.spreadsheetml.template"}, newZIP("xlsx")},
	{"pptx", groupDocument, []string{"pptx", "ppsx", "potx"}, []string{"application/vnd.openxmlformats-officedocument.presentationml.presentation", "application/vnd.openxmlformats-officedocument.presentationml.slideshow", "application/vnd.openxmlformats-officedocument.presentationml.template"}, newZIP("pptx")},
	{"odt", groupDocument, []string{"odt", "ott"}, []string{"application/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.text-template"}, newZIP("odt")},
	{"ods", groupDocument, []string{"ods", "ots"}, []string{"application/vnd.oasis.opendocument.spreadsheet", "application/vnd.oasis.opendocument.spreadsheet-template"}, newZIP("ods")},
	{"odp", groupDocument, []string{"odp", "otp"}, []string{"application/vnd.oasis.opendocument.presentation", "application/vnd.oasis.opendocument.presentation-template"}, newZIP("odp")},
	{"odg", groupDocument, []string{"odg", "otg"}, []string{"application/vnd.oasis.opendocument.graphics", "application/vnd.oasis.opendocument.graphics-template"}, newZIP("odg")},
	{"epub", groupDocument, []string{"epub"}, []string{"application/epub+zip"}, newZIP("epub")},
	{"rtf", groupDocument, []string{"rtf"}, []string{"application/rtf", "text/rtf", "text/richtext", "application/msword"}, newRTF},
	{"ole", groupDocument, []string{"doc", "xls", "ppt", "msg", "dot", "xlt", "pps", "pot"}, []string{"application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint", "application/vnd.ms-outlook", "application/vnd.ms-word", "application/doc", "application/word", "application/msexcel", "application/ms-excel", "application/excel", "application/dos_ms_excel", "application/xls", "application/mspowerpoint", "application/ms-powerpoint", "application/powerpoint", "application/ppt"}, newOLE},
	{"zip", groupArchive, []string{"zip"}, []string{"application/zip", "application/x-zip-compressed", "application/x-zip", "application/zip-compressed", "application/x-compressed"}, newZIP("zip")},
	{"gzip", groupArchive, []string{"gz", "tgz", "gzip"}, []string{"application/gzip", "application/x-gzip", "application/gzip-compressed", "application/gzipped", "application/gunzip", "gzip/document", "application/x-compressed", "application/x-compressed-tar"}, newGZIP},
	{"bzip2", groupArchive, []string{"bz2"}, []string{"application/x-bzip2", "application/bzip2", "application/x-bzip", "application/bzip", "application/x-compressed"}, nil},
	{"xz", groupArchive, []string{"xz"}, []string{"application/x-xz", "application/xz", "application/x-compressed"}, nil},
	{"zstd", groupArchive, []string{"zst"}, []string{"application/zstd"}, nil},
	{"7z", groupArchive, []string{"7z"}, []string{"application/x-7z-compressed", "application/7z", "application/7zip", "application/x-compressed"}, newSevenZip},
	{"rar", groupArchive, []string{"rar"}, []string{"application/vnd.rar", "application/x-rar-compressed", "application/x-rar", "application/rar", "application/x-compressed"}, nil},
	{"tar", groupArchive, []string{"tar"}, []string{"application/x-tar", "application/tar", "application/gtar", "application/ustar", "application/x-compressed"}, newTAR},
	{"mp3", groupAudio, []string{"mp3", "mpga"}, []string{"audio/mpeg", "audio/mp3", "audio/mpeg3", "audio/mpeg-3", "audio/mpg", "audio/mpga"}, newRaster},
	{"wav", groupAudio, []string{"wav", "wave"}, []string{"audio/wav", "audio/x-wav", "audio/vnd.wave", "audio/wave", "audio/pn-wav"}, newRIFF},
	{"ogg", groupAudio, []string{"ogg", "oga", "ogv", "opus", "ogx", "spx"}, []string{"audio/ogg", "video/ogg", "application/ogg", "audio/opus", "audio/vorbis", "audio/speex"}, newRaster},
	{"flac", groupAudio, []string{"flac"}, []string{"audio/flac", "audio/x-flac", "application/flac"}, newRaster},
	{"aac", groupAudio, []string{"aac"}, []string{"audio/aac", "audio/x-aac", "audio/aacp"}, newRaster},
	{"aiff", groupAudio, []string{"aiff", "aif", "aifc"}, []string{"audio/aiff", "audio/x-aiff"}, newRaster},
	{"midi", groupAudio, []string{"mid", "midi"}, []string{"audio/midi", "audio/x-midi"}, newRaster},
	{"amr", groupAudio, []string{"amr"}, []string{"audio/amr"}, newRaster},
	{"mp4", groupVideo, []string{"mp4", "m4v", "m4a", "m4b", "m4r", "m4p", "mp4v", "mpg4", "f4v", "3gp", "3g2"}, []string{"video/mp4", "audio/mp4", "video/x-m4v", "audio/x-m4a", "application/mp4", "audio/m4a", "audio/mp4a-latm", "video/3gpp", "audio/3gpp", "video/3gpp2", "audio/3gpp2"}, newRaster},
	{"mov", groupVideo, []string{"mov", "qt"}, []string{"video/quicktime"}, newRaster},
	{"webm", groupVideo, []string{"webm"}, []string{"video/webm", "audio/webm"}, newRaster},
	{"mkv", groupVideo, []string{"mkv", "mka"}, []string{"video/x-matroska", "video/matroska", "audio/matroska", "video/mkv"}, newRaster},
	{"avi", groupVideo, []string{"avi"}, []string{"video/x-msvideo", "video/avi", "video/vnd.avi", "video/msvideo"}, newRaster},
	{"mpeg", groupVideo, []string{"mpg", "mpeg"}, []string{"video/mpeg"}, newRaster},
	{"ttf", groupFont, []string{"ttf", "ttc"}, []string{"font/ttf", "font/sfnt", "font/collection", "application/x-font-ttf", "font/truetype", "application/font-sfnt", "application/font-truetype"}, newRaster},
	{"otf", groupFont, []string{"otf", "otc"}, []string{"font/otf", "application/x-font-otf", "application/vnd.ms-opentype", "font/opentype", "application/font-opentype"}, newRaster},
	{"woff", groupFont, []string{"woff"}, []string{"font/woff", "application/font-woff"}, newRaster},
	{"woff2", groupFont, []string{"woff2"}, []string{"font/woff2", "application/font-woff2"}, newRaster},
	{"txt", groupText, []string{"txt", "text", "log", "md", "markdown", "asc", "srt", "vtt", "ics", "vcf", "rst", "tex", "bib", "diff", "patch", "nfo", "po"}, []string{"text/plain", "text/markdown", "text/x-markdown", "text/log", "application/txt", "text/anytext", "text/calendar", "text/vcard", "text/vtt", "application/x-subrip", "text/x-rst", "text/x-diff", "text/x-patch", "text/x-tex", "text/x-bibtex"}, newText},
	{"csv", groupText, []string{"csv", "tsv", "tab"}, []string{"text/csv", "text/tab-separated-values", "application/csv", "application/vnd.ms-excel", "text/plain", "text/comma-separated-values", "application/excel", "application/msexcel"}, newCSV},
	{"json", groupText, []string{"json", "ndjson", "jsonl", "geojson", "jsonld", "topojson", "har"}, []string{"application/json", "text/json", "application/x-ndjson", "text/plain", "text/x-json", "application/jsonlines"}, newJSON},
	{"xml", groupText, []string{"xml", "xsd", "rss", "atom", "gpx", "kml", "plist", "wsdl", "xmp", "musicxml", "tcx", "xlf", "xliff"}, []string{"application/xml", "text/xml"}, newXML},
	{"yaml", groupText, []string{"yaml", "yml"}, []string{"application/yaml", "text/yaml", "application/x-yaml", "text/x-yaml", "text/plain"}, newText},
	{"html", "", []string{"html", "htm", "xhtml"}, []string{"text/html", "application/xhtml+xml"}, newText},
	{"php", "", []string{"php", "phtml", "phar", "php5"}, []string{"application/x-php", "application/x-httpd-php", "text/x-php"}, nil},
	{"script", "", []string{"sh", "bash", "py", "pl", "rb", "js", "bat", "cmd", "ps1", "vbs"}, []string{"text/x-shellscript", "application/x-sh", "text/x-python", "text/javascript", "application/javascript"}, nil},
	{"exe", "", []string{"exe", "dll", "sys", "scr", "com"}, []string{"application/x-msdownload", "application/vnd.microsoft.portable-executable", "application/x-dosexec"}, nil},
	{"elf", "", []string{"elf", "so", "bin"}, []string{"application/x-executable", "application/x-elf", "application/x-sharedlib"}, nil},
	{"macho", "", []string{"dylib"}, []string{"application/x-mach-binary"}, nil},
	{"class", "", []string{"class"}, []string{"application/java-vm", "application/x-java-applet"}, nil},
	{"wasm", "", []string{"wasm"}, []string{"application/wasm"}, nil},
	{"jar", "", []string{"jar", "war", "ear"}, []string{"application/java-archive"}, newZIP("jar")},
	{"apk", "", []string{"apk"}, []string{"application/vnd.android.package-archive"}, newZIP("apk")},
	{"psd", "", []string{"psd"}, []string{"image/vnd.adobe.photoshop"}, newImage},
	{"flv", "", []string{"flv"}, []string{"video/x-flv"}, newImage},
	{"swf", "", []string{"swf"}, []string{"application/x-shockwave-flash"}, nil},
	{"sqlite", "", []string{"sqlite", "sqlite3", "db"}, []string{"application/vnd.sqlite3", "application/x-sqlite3"}, nil},
	{"cab", "", []string{"cab"}, []string{"application/vnd.ms-cab-compressed"}, nil},
	{"deb", "", []string{"deb", "a"}, []string{"application/vnd.debian.binary-package", "application/x-archive"}, nil},
	{"rpm", "", []string{"rpm"}, []string{"application/x-rpm"}, nil},
	{"dex", "", []string{"dex"}, []string{"application/vnd.android.dex"}, nil},
	{"chm", "", []string{"chm"}, []string{"application/vnd.ms-htmlhelp"}, nil},
	{"msi", "", []string{"msi", "msp"}, []string{"application/x-msi", "application/x-ole-storage"}, nil},
	{"lnk", "", []string{"lnk"}, []string{"application/x-ms-shortcut"}, nil},
}

func kindByID(id string) *kind {
	for i := range kinds {
		if kinds[i].id == id {
			return &kinds[i]
		}
	}
	return nil
}

// kindsByContent has, by what detect has found, the places in kinds of those that a
// file which begins so may be (contentIs). A policy keeps it: worked out where it
// stands, it would make TinyGo follow every function that kinds leads to.
func kindsByContent() map[string][]uint8 {
	all := make(map[string][]uint8, len(kinds))
	for i := range kinds {
		for k := range kinds {
			if found := kinds[i].id; contentIs(found, &kinds[k]) {
				all[found] = append(all[found], uint8(k)) // #nosec G115 -- a hundred kinds
			}
		}
	}
	return all
}

// KnownTypes lists the types in the order of their groups.
func KnownTypes() []string {
	ids := make([]string, len(kinds))
	for i := range kinds {
		ids[i] = kinds[i].id
	}
	return ids
}

// KnownGroups lists the groups.
func KnownGroups() []string {
	return []string{groupImage, groupDocument, groupArchive, groupAudio, groupVideo, groupText, groupFont}
}

func (k *kind) hasExtension(ext string) bool { return slices.Contains(k.extensions, ext) }

// hasMedia tells whether the type has that name, or had it before it was registered:
// then it was one with x- (RFC 6648).
func (k *kind) hasMedia(media string) bool {
	if slices.Contains(k.media, media) {
		return true
	}
	if group, name, _ := strings.Cut(media, "/"); strings.HasPrefix(name, "x-") {
		return slices.Contains(k.media, group+"/"+name[len("x-"):])
	}
	return k.id == "json" && strings.HasSuffix(media, "+json") || k.id == "xml" && isDataXML(media)
}

// isDataXML tells the types of XML (RFC 7303) that are neither drawings nor pages nor
// programs, which have their own names.
func isDataXML(media string) bool {
	return strings.HasSuffix(media, "+xml") && !strings.Contains(media, "svg") && !strings.Contains(media, "xhtml") && !strings.Contains(media, "xslt")
}

// SameMedia tells whether two media types are names of one type.
func SameMedia(a, b string) bool {
	if a == b {
		return true
	}
	for i := range kinds {
		if kinds[i].hasMedia(a) && kinds[i].hasMedia(b) {
			return true
		}
	}
	return false
}
