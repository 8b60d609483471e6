package upload

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is what common file systems take, in bytes.
const maxName = 255

// plainName has the bytes of most names, of which only a dot, a space and the names
// of devices could do harm.
var plainName = setOf("-_. ()0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")

// nameMistake says why a file name could do harm where it is written or shown;
// empty if it is harmless.
func nameMistake(name string) string {
	if n := len(name); n > 0 && n <= maxName && plainName.hasAll(name) && name[0] != ' ' && name[0] != '-' && name[n-1] != ' ' && name[n-1] != '.' {
		return deviceMistake(name)
	}
	return oddNameMistake(name)
}

// oddNameMistake is nameMistake for all names.
func oddNameMistake(name string) string {
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
	case strings.HasSuffix(name, ".") || isNameSpace(firstRune(name)) || isNameSpace(lastRune(name)):
		return "the name begins or ends with a dot or space that systems drop"
	case strings.ContainsAny(name, `:;*?"<>|`):
		return "the name has a character that is special to a file system"
	case substitutes(name):
		return "the name has what a shell puts the output of a program for"
	case isOption(name):
		return "the name looks like an option of a program"
	}
	for i, r := range name {
		if r == '%' && hidesByPercent(name[i:]) {
			return "the name hides a dot, slash, end of line or NUL behind percent signs"
		}
	}
	if reason := runesMistake(name); reason != "" {
		return reason
	}
	return deviceMistake(name)
}

// longestDevice is what the name of a device may take in bytes: letters that become
// those of CONOUT$ in upper case may be twice as long.
const longestDevice = 14

func deviceMistake(name string) string {
	base := name
	if i := strings.IndexByte(name, '.'); i >= 0 {
		base = name[:i]
	}
	base = strings.TrimRight(base, " ")
	if len(base) < len("CON") || len(base) > longestDevice || strings.IndexByte("cpanlCPANL", base[0]) < 0 {
		return ""
	}
	if isDevice(strings.ToUpper(base)) {
		return "the name is that of a device"
	}
	return ""
}

// substitutes tells what a shell runs wherever it finds it, also between double quotes
// (POSIX.1-2017, XCU 2.6.3).
func substitutes(name string) bool {
	return strings.Contains(name, "$(") || strings.Contains(name, "${") || strings.Count(name, "`") > 1
}

// isOption tells names that programs take for an option where a name is given to them
// (OWASP File Upload Cheat Sheet): a hyphen before a letter or another hyphen.
func isOption(name string) bool {
	return len(name) > 1 && name[0] == '-' && (name[1] == '-' || isASCIILetter(name[1]))
}

// runesMistake judges the characters of a name one by one.
func runesMistake(name string) string {
	before := rune(0)
	for i, r := range name {
		if reason := runeMistake(r); reason != "" && !(isJoiner(r) && before >= joinedFrom && firstRune(name[i+utf8.RuneLen(r):]) >= joinedFrom) {
			return reason
		}
		before = r
	}
	return ""
}

// isJoiner tells what writing joins or parts letters with (Persian, the scripts of
// India), and pictures: between characters beyond joinedFrom it has a meaning, and
// cannot hide where an extension begins.
func isJoiner(r rune) bool { return r == 0x200c || r == 0x200d }

const joinedFrom = 0x0600

// hidesByPercent tells whether s begins with the code of a dot, a slash, an end of
// line, a NUL, a percent sign before such a code, or one of the codes that careless
// readers take for a dot or slash.
func hidesByPercent(s string) bool {
	if len(s) < 3 || s[0] != '%' {
		return false
	}
	switch strings.ToLower(s[1:3]) {
	case "2e", "2f", "5c", "00", "0a", "0d", "c0", "c1", "u0":
		return true
	case "25":
		return hidesByPercent("%" + s[3:])
	}
	return false
}

func firstRune(s string) rune { r, _ := utf8.DecodeRuneInString(s); return r }
func lastRune(s string) rune  { r, _ := utf8.DecodeLastRuneInString(s); return r }

// isNameSpace is white space at the ends of a name: systems drop it, and people
// do not see it.
func isNameSpace(r rune) bool { return unicode.IsSpace(r) || r == 0x2800 }

func runeMistake(r rune) string {
	switch {
	case r >= 0x20 && r < 0x7f:
		return ""
	case r < 0x20 || r >= 0x7f && r < 0xa0:
		return "the name has a control character"
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f, r == 0x061c:
		return "the name turns its reading direction, which hides the extension"
	case isLookalike(r):
		return "the name has a character that looks like a dot or slash"
	case r >= 0x200b && r <= 0x200d, r >= 0x2060 && r <= 0x2064, r == 0xfeff, r == 0x2028, r == 0x2029, r == 0x00ad, r == 0x034f,
		r == 0x115f, r == 0x1160, r == 0x3164, r == 0xffa0, r == 0x180e, r >= 0xfff9 && r <= 0xfffb, r >= 0xe0000 && r <= 0xe007f:
		return "the name has an invisible character"
	case r&0xfffe == 0xfffe, r >= 0xfdd0 && r <= 0xfdef:
		return "the name has a code that is no character"
	}
	return ""
}

// isLookalike: what can be taken for the dot before an extension, or for a slash
// or backslash (some are made one by systems that "simplify" names).
func isLookalike(r rune) bool {
	switch r {
	case 0x2024, 0xff0e, 0x3002, 0xff61, 0xfe52, 0x0701, 0x0702, 0xa4f8, 0xa60e, 0x10a50, 0x1d16d,
		0x2215, 0x2044, 0xff0f, 0x29f8, 0x2571, 0xff3c, 0x2216, 0xfe68, 0x29f5, 0x29f9, 0x27cb, 0x27cd:
		return true
	}
	return false
}

func isDevice(base string) bool {
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$":
		return true
	}
	if !strings.HasPrefix(base, "COM") && !strings.HasPrefix(base, "LPT") {
		return false
	}
	switch port := base[len("COM"):]; port {
	case "¹", "²", "³":
		return true
	default:
		return len(port) == 1 && port[0] >= '0' && port[0] <= '9'
	}
}

// extension is what follows the last dot, in lower case, or "".
func extension(name string) string {
	i := strings.LastIndexByte(name, '.')
	if i <= 0 {
		return ""
	}
	return lowerToken(name[i+1:])
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
		inner = strings.TrimRightFunc(inner[:i], isNameSpace)
		ext := extension(inner)
		for _, id := range [...]string{"php", "exe"} {
			if ext != "" && ext != "com" && kindByID(id).hasExtension(ext) {
				return true
			}
		}
		if isServerProgram(ext) {
			return true
		}
		switch ext {
		case "htaccess", "bat", "cmd", "ps1", "vbs", "vbe", "jse", "wsf", "wsh", "hta", "pif", "cpl", "msi", "lnk", "jar", "settingcontent-ms":
			return true
		}
	}
}
