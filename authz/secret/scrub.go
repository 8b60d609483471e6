package secret

import (
	"regexp"
	"strings"
)

// forms recognises secrets by what they look like. What stays of a match is its
// first group, so that a reader still sees what kind of thing was there.
var forms = regexp.MustCompile(strings.Join([]string{
	`(ghs_)[A-Za-z0-9_-]{16,}`,                                    // a session token, also a cut one
	`(?i:(\b(?:bearer|basic|digest|negotiate)\s+)[^\s",;]{6,})`,   // Authorization (RFC 9110 section 11.6.2)
	`(\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s:/@?#"]*:)[^\s/@"]+(?:@)`,   // a URL with a password
	`(\$argon2(?:id|i|d)\$)[A-Za-z0-9$=,+/]+`,                     // a password hash
	`(\beyJ)[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*`, // a JWT
	`(-----BEGIN [A-Z ]*PRIVATE KEY-----)[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?`,
	`(?i:(\b(?:password|passwd|secret|token|api_?key|__host-gatehouse)["']?\s*[=:]\s*["']?)[^\s"'&;,]+)`,
}, "|"))

// Scrub returns text with everything that looks like a secret replaced.
func Scrub(text string) string {
	if !forms.MatchString(text) {
		return text
	}
	return forms.ReplaceAllString(text, "$1$2$3$4$5$6$7"+Redacted)
}

// words of which a key is made that holds a secret, in any combination that
// ends in one of them: "db_password", "X-Api-Key", "sessionToken".
var words = []string{
	"password", "passwd", "passphrase", "secret", "token", "authorization", "cookie",
	"api_key", "apikey", "private_key", "access_key", "secret_key", "encryption_key", "signing_key", "pseudonym_key",
	"credential", "credentials",
}

// secretKey says whether an attribute of this key is a secret by its name.
func secretKey(key string) bool {
	key = snake(key)
	for _, word := range words {
		if key == word || strings.HasSuffix(key, "_"+word) || strings.HasSuffix(key, "_"+word+"s") || key == word+"s" {
			return true
		}
	}
	return false
}

// snake turns "sessionToken", "Session-Token" and "session.token" into
// "session_token".
func snake(key string) string {
	var b strings.Builder
	lower := false
	for _, c := range key {
		switch {
		case c == '-' || c == '.' || c == ' ' || c == '_':
			b.WriteByte('_')
			lower = false
		case 'A' <= c && c <= 'Z':
			if lower {
				b.WriteByte('_')
			}
			b.WriteRune(c - 'A' + 'a')
			lower = false
		default:
			b.WriteRune(c)
			lower = true
		}
	}
	return b.String()
}
