package secret

// Finder finds secrets in text that others wrote. scan.Scanner is the one with
// gitleaks' rules. It must be safe for concurrent use.
type Finder interface {
	Find(text string) []Found
}

// Found is one secret in a text.
type Found struct {
	// Rule is the identifier of the rule that found it, such as
	// "aws-access-token".
	Rule string
	// Line counts from 1 within the text.
	Line int
	// Secret is what is to be taken out. Where it is no part of the text (it was
	// encoded there), the whole text is.
	Secret Value
}

// Mark is what stands in the place of a secret that a rule has found.
func Mark(rule string) string { return "[redacted:" + rule + "]" }
