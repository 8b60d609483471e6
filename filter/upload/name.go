package upload

import (
	"strings"
	"unicode/utf8"
)

// maxName is what common file systems take, in bytes.
const maxName = 255

// nameMistake says why a file name could do harm where it is written or shown;
// empty if it is harmless.
func nameMistake(name string) string {
	switch {
	case name == "":
		return "the name is empty"
	case len(name) > maxName:
		return "the name is longer than 255 bytes"
	case !utf8.ValidString(name):
		return "the name is not UTF-8"
	case strings.ContainsAny(name, `/\`):
		return "the name has a path"
	case name == "." || name == "..":
		return "the name is a folder"
	case strings.HasSuffix(name, ".") || strings.HasSuffix(name, " ") || strings.HasPrefix(name, " "):
		return "the name begins or ends with a dot or space that systems drop"
	case strings.ContainsAny(name, `:;*?"<>|`):
		return "the name has a character that is special to a file system"
	}
	lower := strings.ToLower(name)
	for _, coded := range [...]string{"%2e", "%2f", "%5c", "%00"} {
		if strings.Contains(lower, coded) {
			return "the name hides a dot, slash or NUL behind percent signs"
		}
	}
	for _, r := range name {
		if reason := runeMistake(r); reason != "" {
			return reason
		}
	}
	if base, _, _ := strings.Cut(name, "."); isDevice(strings.ToUpper(strings.TrimRight(base, " "))) {
		return "the name is that of a device"
	}
	return ""
}

func runeMistake(r rune) string {
	switch {
	case r < 0x20 || r >= 0x7f && r < 0xa0:
		return "the name has a control character"
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f, r == 0x061c:
		return "the name turns its reading direction, which hides the extension"
	case r == 0x2024, r == 0xff0e, r == 0x3002, r == 0xff61, r == 0xfe52, r == 0x2215, r == 0x2044, r == 0xff0f, r == 0xff3c:
		return "the name has a character that looks like a dot or slash"
	case r >= 0x200b && r <= 0x200d, r == 0x2060, r == 0xfeff, r == 0x2028, r == 0x2029:
		return "the name has an invisible character"
	}
	return ""
}

func isDevice(base string) bool {
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	base = strings.NewReplacer("¹", "1", "²", "2", "³", "3").Replace(base)
	return len(base) == 4 && (strings.HasPrefix(base, "COM") || strings.HasPrefix(base, "LPT")) && base[3] >= '0' && base[3] <= '9'
}

// extension is what follows the last dot, in lower case, or "".
func extension(name string) string {
	i := strings.LastIndexByte(name, '.')
	if i <= 0 {
		return ""
	}
	return strings.ToLower(name[i+1:])
}

// hidesProgram tells whether an inner extension is that of something that runs:
// servers configured by AddHandler run x.php.jpg, and people double-click
// x.pdf.exe.
func hidesProgram(name string) bool {
	inner := name
	for {
		i := strings.LastIndexByte(inner, '.')
		if i <= 0 {
			return false
		}
		inner = inner[:i]
		ext := extension(inner)
		for _, id := range [...]string{"php", "exe"} {
			if ext != "" && ext != "com" && kindByID(id).hasExtension(ext) {
				return true
			}
		}
		switch ext {
		case "asp", "aspx", "jsp", "jspx", "cgi", "htaccess", "shtml":
			return true
		}
	}
}
