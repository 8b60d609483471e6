package secret

import (
	"regexp"
	"strings"
)

// lookAt is what is given to a Finder for text. Rules are written for code and
// want a quote, a space or the end of a line after a secret. In a path, a file's
// name or a sentence something else follows ("/ghp_.../x", "ghp_....pdf"), so the
// words of the text stand once more behind it, on their own.
//
// What was taken out already is none: the beginning of a private key, of which
// Scrub leaves the first line, would make a rule look for its end.
func lookAt(text string) string {
	text = marks.ReplaceAllString(text, "[x]")
	if !disordered(text) {
		return text
	}
	looked := text + "\n" + loosened(text)
	if plain, ok := unescaped(text); ok {
		looked += "\n" + loosened(plain)
	}
	return looked
}

// marks are what stands in the place of secrets.
var marks = regexp.MustCompile(`(?:-----BEGIN [A-Z ]*PRIVATE KEY-----)?\[redacted[a-z0-9:-]*\]`)

// loosened puts a space in the place of what is in no token. A word with full
// stops stands there whole, without what may be a file's extension, and in its
// parts: some tokens have stops. What is found in a word is found in text.
func loosened(text string) string {
	out := []byte(text)
	for i, c := range out {
		if (!ofSecret[c] || c == '%' || c == '~') && c != '\n' {
			out[i] = ' '
		}
	}
	var b strings.Builder
	for line := range strings.Lines(string(out)) {
		for word := range strings.SplitSeq(strings.TrimSuffix(line, "\n"), " ") {
			writeWord(&b, word)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func writeWord(b *strings.Builder, word string) {
	b.WriteString(word)
	b.WriteByte(' ')
	short := word
	for range 2 { // ".pdf", ".tar.gz", the end of a sentence
		at := strings.LastIndexByte(short, '.')
		if at < 0 {
			return
		}
		short = short[:at]
		b.WriteString(short)
		b.WriteByte(' ')
	}
	b.WriteString(strings.ReplaceAll(word, ".", " "))
	b.WriteByte(' ')
}
