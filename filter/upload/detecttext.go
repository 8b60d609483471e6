package upload

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"gatehouse/filter/upload/internal/blocks"
)

// detectText tells text from other bytes, and kinds of text by how they begin.
func detectText(head []byte) string {
	b := bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	b = bytes.TrimRight(b, "\x1a") // with which programs of DOS end texts
	if len(b) == 0 || !looksLikeText(b) {
		return ""
	}
	if b[0] >= 0xfe {
		var wide utf16Text
		if narrow := wide.narrow(bytes.Clone(b)); wide.little || wide.big {
			b = bytes.TrimPrefix(narrow, []byte("?")) // its mark
		}
	}
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	if k := proseKind(b); k != "" {
		return k
	}
	return textKind(b)
}

// textKind names a text by how it begins, and by what makes it run wherever it stands.
func textKind(b []byte) string {
	b = lowered(b)
	switch {
	case hasPHP(b):
		return "php"
	case hasFold(b, "<?="), len(b) > 4 && hasFold(b, "<?") && isShortPHP(b[2:]):
		return "php"
	case hasFold(b, "<%"), isScriptlet(b), isScriptByLook(b):
		return "script"
	case isSYLK(b):
		return "sylk"
	case hasFold(b, "#!/bin/"), hasFold(b, "#! /"), isInterpreter(b):
		return "script"
	case startsLikeHTML(behindComments(b)):
		return "html"
	case hasFold(b, "<?xml"), hasFold(b, "<!--"), hasFold(b, "<!doctype svg"), hasFold(b, "<svg"):
		return markup(b)
	case hasFold(b, "<"):
		return "xml"
	case hasFold(b, "{"), hasFold(b, "["):
		return "json"
	default:
		return "txt"
	}
}

// lowered is the text in lower case, where that is more than a matter of letters that
// hasFold knows.
func lowered(b []byte) []byte {
	if _, ascii := blocks.Look(b); ascii {
		return b
	}
	return []byte(strings.ToLower(string(b)))
}

// containsFold wants what it looks for in lower case, with a first byte that is no
// letter.
func containsFold(b []byte, lower string) bool {
	for {
		i := blocks.IndexByte(b, lower[0])
		if i < 0 {
			return false
		}
		if b = b[i:]; hasFold(b, lower) {
			return true
		}
		b = b[1:]
	}
}

// proseKind tells texts without markup that begin as nothing else does, which most
// are, without a copy of them in lower case; "" if one has to look.
func proseKind(b []byte) string {
	switch {
	case len(b) == 0 || b[0] >= 0x80 || b[0] == '#' || b[0] == '<' || hasFold(b, "id;p") || textPair.Index(b) >= 0:
		return ""
	case b[0] == '{' || b[0] == '[':
		return "json"
	case isScriptByLook(b):
		return "script"
	}
	return "txt"
}

// textPair is what a text that runs has anywhere: phpMark, or the element that
// isScriptlet wants.
var textPair = blocks.NewPair('<', func(c byte) bool { return c == '?' || c|0x20 == 's' })

// isScriptlet tells the XML that Windows runs.
func isScriptlet(b []byte) bool {
	if !containsTag(b, "<script") {
		return false
	}
	for _, root := range [...]string{"<job", "<package", "<scriptlet", "<component", "<registration"} {
		if containsTag(b, root) {
			return true
		}
	}
	return false
}

// isSYLK tells sheets that may hold Excel 4 macros, and that Excel knows whatever
// their name is; columns of a CSV may be ID and Price.
func isSYLK(b []byte) bool {
	const mark = "id;p"
	if !hasFold(b, mark) {
		return false
	}
	rest := b[len(mark):]
	if len(rest) == 0 || hasFold(rest, "wxl") || rest[0] == '\n' || rest[0] == '\r' || hasFold(rest, ";n") || hasFold(rest, ";e") {
		return true
	}
	_, second, _ := bytes.Cut(rest, []byte("\n"))
	for _, record := range [...]string{"c;x", "c;y", "b;x", "b;y", "nn;n", "p;p", "f;p", "f;w", "o;l", "o;e"} {
		if hasFold(second, record) {
			return true
		}
	}
	return false
}

// isInterpreter tells a first line that runs something, "#!/usr/bin/env python3",
// from a sentence about one.
func isInterpreter(b []byte) bool {
	if !hasFold(b, "#!/") {
		return false
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return len(bytes.Fields(line)) <= 3
}

func markup(b []byte) string {
	switch {
	case containsTag(b, "<html"), containsFold(b, "<!doctype html"):
		return "html"
	case containsTag(b, "<svg"), containsFold(b, "<!doctype svg"):
		return "svg"
	default:
		return "xml"
	}
}

// behindComments is what follows the comments that a text begins with: browsers that
// guess take it for a page by those alone (WHATWG MIME Sniffing, section 7.1).
func behindComments(b []byte) []byte {
	for hasFold(b, "<!--") {
		i := bytes.Index(b, []byte("-->"))
		if i < 0 {
			return nil
		}
		b = bytes.TrimLeft(b[i+len("-->"):], " \t\r\n")
	}
	return b
}

func startsLikeHTML(b []byte) bool {
	if len(b) == 0 || b[0] != '<' {
		return false
	}
	for _, tag := range [...]string{"<!doctype html", "<html", "<head", "<body", "<script", "<iframe", "<img", "<a", "<div", "<p", "<table", "<title", "<style", "<meta", "<form", "<h1", "<br", "<b", "<font"} {
		if hasFold(b, tag) && (len(b) == len(tag) || strings.IndexByte(" \t\r\n>/", b[len(tag)]) >= 0) {
			return true
		}
	}
	return false
}

// containsTag wants a tag in lower case, and behind it what ends a name.
func containsTag(b []byte, tag string) bool {
	for {
		i := blocks.IndexByte(b, tag[0])
		if i < 0 {
			return false
		}
		if b = b[i:]; !hasFold(b, tag) {
			b = b[1:]
			continue
		}
		if b = b[len(tag):]; len(b) == 0 || strings.IndexByte(" \t\r\n>/:", b[0]) >= 0 {
			return true
		}
	}
}

// looksLikeText admits UTF-8 and, for older files, any charset of 8 bits or of pairs of
// them: what text never has is most of the control characters. UTF-16 needs its mark.
func looksLikeText(b []byte) bool {
	if isProse(b) {
		return true
	}
	odd, _ := blocks.Look(b)
	return !odd && (pairs(b) || letters(b))
}

// isProse is looksLikeText for what may begin like another type: mostly ASCII, or in a
// charset that there is no doubt about.
func isProse(b []byte) bool {
	if len(b) >= 2 && (b[0] == 0xff && b[1] == 0xfe && !at(b, 2, "\x00\x00") || b[0] == 0xfe && b[1] == 0xff) {
		return true
	}
	odd, ascii := blocks.Look(b)
	return !odd && (ascii || utf8.Valid(b[:len(b)-trailing(b)]) || latin(b))
}

// trailing is how many bytes at the end are a cut-off UTF-8 sequence.
func trailing(b []byte) int {
	for n := 1; n <= 3 && n <= len(b); n++ {
		if c := b[len(b)-n]; c >= 0xc0 {
			return n
		} else if c < 0x80 {
			return 0
		}
	}
	return 0
}

func latin(b []byte) bool {
	high := 0
	for _, c := range b {
		if c >= 0x80 {
			high++
		}
	}
	return high*3 < len(b)
}

// pairs tells text of East Asia: in the charsets of Japan, Korea and China (Shift_JIS,
// EUC, GBK, Big5) a byte above 0x80 has another behind it, of one half of the values;
// halfwidth katakana stand alone.
func pairs(b []byte) bool {
	for i := 0; i < len(b); i++ {
		if b[i] < 0x80 {
			continue
		}
		if b[i] == 0x80 || b[i] == 0xff {
			return false
		}
		if i+1 == len(b) {
			break // cut off
		}
		switch next := b[i+1]; {
		case next >= 0x30 && next != 0x7f && next != 0xff:
			i++
		case b[i] < 0xa1 || b[i] > 0xdf:
			return false
		}
	}
	return spaced(b, 400)
}

// letters tells text in the charsets of one byte for other alphabets (Cyrillic, Greek,
// Hebrew, Arabic, Thai), which have their letters above 0xa0 and little below.
func letters(b []byte) bool {
	low := 0
	for _, c := range b {
		if c >= 0x80 && c < 0xa0 {
			low++
		}
	}
	return low*16 <= len(b) && spaced(b, 40)
}

// spaced tells whether there is a space or an end of line in every so many bytes, on
// the whole: a text without any is a short one.
func spaced(b []byte, every int) bool {
	n := 1
	for _, c := range b {
		if c == ' ' || c == '\n' || c == '\r' || c == '\t' {
			n++
		}
	}
	return n*every >= len(b)
}
