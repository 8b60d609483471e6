// Package clip bounds texts. What is cut is lost: who shows it has to say so.
package clip

import "unicode/utf8"

// Text is at most the first n bytes of text, cut between characters.
func Text(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
