package policy

import (
	"strings"

	"gatehouse/authz/secret"
	"gatehouse/authz/secret/scan"
)

const secretMessage = "a secret does not belong into this file"

// scanText finds what a rule of gitleaks finds anywhere in the text of the file,
// also in a comment. It comes first, so that no message repeats it.
func scanText(d *decoder, data []byte) []secret.Found {
	if len(data) > maxFileBytes {
		return nil // parse refuses it
	}
	finder, err := scan.Default()
	if err != nil {
		d.fail(pos{}, err.Error(), "", "")
		return nil
	}
	found := finder.Find(string(data))
	for _, hit := range found {
		if hit.Rule != scan.GenericRule {
			d.secrets = append(d.secrets, hit.Secret.RevealString())
		}
	}
	return found
}

// refuseFound reports what scanText found. What only sounds like a secret is a
// warning: a policy has long names and hashes of its own.
func refuseFound(d *decoder, data []byte, found []secret.Found) {
	lines := strings.Split(string(data), "\n")
	for _, hit := range found {
		at := pos{line: hit.Line}
		if hit.Line <= len(lines) {
			at.col = 1 + max(0, strings.Index(lines[hit.Line-1], hit.Secret.RevealString()))
		}
		switch {
		case hit.Rule == scan.GenericRule:
			d.warn(at, "this looks like a secret ("+hit.Rule+")", "", "if it is one, "+secretAdvice)
		case !d.saysSecret(hit.Line):
			d.fail(at, secretMessage+" ("+hit.Rule+")", "", secretAdvice+"; and replace it, since it was written here")
		}
	}
}

func (d *decoder) saysSecret(line int) bool {
	for _, e := range d.errs {
		if e.Line == line && strings.HasPrefix(e.Message, secretMessage) {
			return true
		}
	}
	return false
}

// conceal is text unless it repeats the beginning of a secret that was found:
// then nothing of it.
func (d *decoder) conceal(text string) string {
	for _, hidden := range d.secrets {
		if strings.Contains(text, hidden[:min(len(hidden), enough)]) {
			return ""
		}
	}
	return text
}

// enough bytes of a secret give it away.
const enough = 8

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
			d.fail(n.at, secretMessage, "", secretAdvice)
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
