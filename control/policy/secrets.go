package policy

import "strings"

// checkSecrets refuses what is a secret wherever it stands. The offending text
// is never repeated: messages end up in logs.
func checkSecrets(d *decoder, n *node) {
	seen := map[*node]bool{}
	var walk func(n *node)
	walk = func(n *node) {
		if seen[n] {
			return
		}
		seen[n] = true
		if isSecretText(n.text) {
			d.fail(n.at, "a secret does not belong into this file", "", secretAdvice)
		}
		for _, e := range n.entries {
			walk(e.value)
		}
		for _, i := range n.items {
			walk(i)
		}
	}
	walk(n)
}

// isSecretText tells texts that can be nothing but secrets: private keys, and
// URLs with a password.
func isSecretText(s string) bool {
	if strings.Contains(s, "-----BEGIN ") && strings.Contains(s, "PRIVATE KEY-----") {
		return true
	}
	_, rest, ok := strings.Cut(s, "://")
	if !ok {
		return false
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	at := strings.LastIndexByte(rest, '@')
	return at > 0 && strings.ContainsRune(rest[:at], ':')
}
