package upload

import "slices"

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
	{"jpeg", groupImage, []string{"jpg", "jpeg", "jpe", "jfif"}, []string{"image/jpeg", "image/jpg", "image/pjpeg"}, newJPEG},
	{"png", groupImage, []string{"png"}, []string{"image/png", "image/x-png"}, newPNG},
	{"gif", groupImage, []string{"gif"}, []string{"image/gif"}, newGIF},
	{"webp", groupImage, []string{"webp"}, []string{"image/webp"}, newRIFF},
	{"avif", groupImage, []string{"avif"}, []string{"image/avif"}, newRaster},
	{"heic", groupImage, []string{"heic", "heif"}, []string{"image/heic", "image/heif"}, newRaster},
	{"bmp", groupImage, []string{"bmp", "dib"}, []string{"image/bmp", "image/x-bmp", "image/x-ms-bmp"}, newRaster},
	{"ico", groupImage, []string{"ico"}, []string{"image/x-icon", "image/vnd.microsoft.icon", "image/ico"}, newRaster},
	{"tiff", groupImage, []string{"tif", "tiff"}, []string{"image/tiff", "image/x-tiff"}, newTIFF},
	{"jxl", groupImage, []string{"jxl"}, []string{"image/jxl"}, newRaster},
	{"jp2", groupImage, []string{"jp2", "jpx", "j2k"}, []string{"image/jp2", "image/jpx"}, newRaster},
	{"svg", groupImage, []string{"svg"}, []string{"image/svg+xml"}, newSVG},
	{"pdf", groupDocument, []string{"pdf"}, []string{"application/pdf", "application/x-pdf"}, newPDF},
	{"docx", groupDocument, []string{"docx"}, []string{"application/vnd.openxmlformats-officedocument.wordprocessingml.document"}, newZIP("docx")},
	{"xlsx", groupDocument, []string{"xlsx"}, []string{"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}, newZIP("xlsx")},
	{"pptx", groupDocument, []string{"pptx"}, []string{"application/vnd.openxmlformats-officedocument.presentationml.presentation"}, newZIP("pptx")},
	{"odt", groupDocument, []string{"odt"}, []string{"application/vnd.oasis.opendocument.text"}, newZIP("odt")},
	{"ods", groupDocument, []string{"ods"}, []string{"application/vnd.oasis.opendocument.spreadsheet"}, newZIP("ods")},
	{"odp", groupDocument, []string{"odp"}, []string{"application/vnd.oasis.opendocument.presentation"}, newZIP("odp")},
	{"epub", groupDocument, []string{"epub"}, []string{"application/epub+zip"}, newZIP("epub")},
	{"rtf", groupDocument, []string{"rtf"}, []string{"application/rtf", "text/rtf"}, newRTF},
	{"ole", groupDocument, []string{"doc", "xls", "ppt", "msg"}, []string{"application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint", "application/vnd.ms-outlook"}, newOLE},
	{"zip", groupArchive, []string{"zip"}, []string{"application/zip", "application/x-zip-compressed", "application/x-zip"}, newZIP("zip")},
	{"gzip", groupArchive, []string{"gz", "tgz"}, []string{"application/gzip", "application/x-gzip"}, newGZIP},
	{"bzip2", groupArchive, []string{"bz2"}, []string{"application/x-bzip2", "application/bzip2", "application/x-bzip"}, nil},
	{"xz", groupArchive, []string{"xz"}, []string{"application/x-xz"}, nil},
	{"zstd", groupArchive, []string{"zst"}, []string{"application/zstd"}, nil},
	{"7z", groupArchive, []string{"7z"}, []string{"application/x-7z-compressed"}, nil},
	{"rar", groupArchive, []string{"rar"}, []string{"application/vnd.rar", "application/x-rar-compressed", "application/x-rar"}, nil},
	{"tar", groupArchive, []string{"tar"}, []string{"application/x-tar"}, newTAR},
	{"mp3", groupAudio, []string{"mp3"}, []string{"audio/mpeg", "audio/mp3"}, newRaster},
	{"wav", groupAudio, []string{"wav"}, []string{"audio/wav", "audio/x-wav", "audio/vnd.wave", "audio/wave"}, newRIFF},
	{"ogg", groupAudio, []string{"ogg", "oga", "ogv", "opus"}, []string{"audio/ogg", "video/ogg", "application/ogg", "audio/opus"}, newRaster},
	{"flac", groupAudio, []string{"flac"}, []string{"audio/flac", "audio/x-flac"}, newRaster},
	{"aac", groupAudio, []string{"aac"}, []string{"audio/aac", "audio/x-aac", "audio/aacp"}, newRaster},
	{"aiff", groupAudio, []string{"aiff", "aif", "aifc"}, []string{"audio/aiff", "audio/x-aiff"}, newRaster},
	{"midi", groupAudio, []string{"mid", "midi"}, []string{"audio/midi", "audio/x-midi"}, newRaster},
	{"amr", groupAudio, []string{"amr"}, []string{"audio/amr"}, newRaster},
	{"mp4", groupVideo, []string{"mp4", "m4v", "m4a"}, []string{"video/mp4", "audio/mp4", "video/x-m4v", "audio/x-m4a"}, newRaster},
	{"mov", groupVideo, []string{"mov", "qt"}, []string{"video/quicktime"}, newRaster},
	{"webm", groupVideo, []string{"webm"}, []string{"video/webm", "audio/webm"}, newRaster},
	{"mkv", groupVideo, []string{"mkv"}, []string{"video/x-matroska"}, newRaster},
	{"avi", groupVideo, []string{"avi"}, []string{"video/x-msvideo", "video/avi", "video/vnd.avi"}, newRaster},
	{"mpeg", groupVideo, []string{"mpg", "mpeg"}, []string{"video/mpeg"}, newRaster},
	{"ttf", groupFont, []string{"ttf", "ttc"}, []string{"font/ttf", "font/sfnt", "font/collection", "application/x-font-ttf"}, newRaster},
	{"otf", groupFont, []string{"otf"}, []string{"font/otf", "application/x-font-otf", "application/vnd.ms-opentype"}, newRaster},
	{"woff", groupFont, []string{"woff"}, []string{"font/woff", "application/font-woff"}, newRaster},
	{"woff2", groupFont, []string{"woff2"}, []string{"font/woff2", "application/font-woff2"}, newRaster},
	{"txt", groupText, []string{"txt", "text", "log", "md", "markdown"}, []string{"text/plain", "text/markdown", "text/x-markdown"}, newText},
	{"csv", groupText, []string{"csv", "tsv"}, []string{"text/csv", "text/tab-separated-values", "application/csv", "application/vnd.ms-excel", "text/plain"}, newCSV},
	{"json", groupText, []string{"json", "ndjson", "jsonl"}, []string{"application/json", "text/json", "application/x-ndjson", "text/plain"}, newJSON},
	{"xml", groupText, []string{"xml"}, []string{"application/xml", "text/xml"}, newXML},
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
func (k *kind) hasMedia(media string) bool   { return slices.Contains(k.media, media) }

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
