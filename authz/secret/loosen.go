package secret

import (
	"regexp"
	"strings"
)

// lookAt is what is given to a Finder for text. Rules are written for code and
// want a quote, a space or the end of a line after a secret. In a path, a file's
// name or a sentence something else follows ("/ghp_.../x", "ghp_....pdf"), so the
// words of the text stand once more behind it, on their own.
func lookAt(text string) string {
	if !disordered(text) {
		return text
	}
	return text + "\n" + loosened(text)
}

// marks are what stands in the place of secrets; their words are none.
var marks = regexp.MustCompile(`\[redacted[a-z0-9:-]*\]`)

// loosened puts a space in the place of what is in no token, and before what
// looks like a file's extension or the end of a sentence. It changes no length
// within a word: what is found in it is found in text.
func loosened(text string) string {
	out := []byte(marks.ReplaceAllString(text, " "))
	for i, c := range out {
		if (!ofSecret[c] || c == '%' || c == '~') && c != '\n' {
			out[i] = ' '
		}
	}
	var b strings.Builder
	for line := range strings.Lines(string(out)) {
		for word := range strings.SplitSeq(strings.TrimSuffix(line, "\n"), " ") {
			b.WriteString(withoutExtension(word))
			b.WriteByte(' ')
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// withoutExtension cuts ".pdf", ".tar.gz" and the full stop off a word.
func withoutExtension(word string) string {
	for range 2 {
		at := strings.LastIndexByte(word, '.')
		if at < 0 || len(word)-at > len(".jsonl") {
			return word
		}
		word = word[:at]
	}
	return word
}
