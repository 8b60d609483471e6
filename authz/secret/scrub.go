package secret

import (
	"regexp"
	"strings"
)

// named are the words before a secret in text, in any combination that ends in
// one of them: "db_password", "X-Api-Key".
const named = `\b[\w-]{0,40}?(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|signing[_-]?key|__host-gatehouse)`

// pemBody is all up to the end of a private key (RFC 7468), or of the text when
// it was cut.
const pemBody = `(?s:.*?)(?:-----END [A-Z ]*PRIVATE KEY-----|\z)`

// forms recognises secrets by what they look like. What stays of a match is its
// first group, so that a reader still sees what kind of thing was there. Each
// form needs a hint of mayHold.
var forms = regexp.MustCompile(strings.Join([]string{
	`(ghs_)[A-Za-z0-9_-]{16,}`, // a session token, also a cut one
	`(?i:(\b(?:set-)?cookie["'\\]{0,3}\s*[=:]\s*["'\[\\]{0,3})[^\r\n"'\]]+)`, // RFC 6265 section 4: all of it, whatever the names
	`(?i:(\b(?:bearer|basic|digest|negotiate)\s+)[^\s",;]{6,})`,              // Authorization (RFC 9110 section 11.6.2)
	`(\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s:/@?#"]*:)[^\s/@"]+(?:@)`,              // a URL with a password
	`(\$argon2(?:id|i|d)\$)[A-Za-z0-9$=,+/]+`,                                // a password hash
	`(\beyJ)[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*`,            // a JWT
	`(-----BEGIN [A-Z ]*PRIVATE KEY-----)` + pemBody,
	`(PRIVATE\+KEY\+)[^\s"']+`, // a key that signs notes
	// What follows the name may itself be a form of which only the beginning is
	// one word.
	`(?i:(` + named + `["'\\]{0,3}\s*(?:=|:|%3[ad])\s*["'\[\\]{0,3})(?:-----BEGIN [A-Z ]*PRIVATE KEY-----` + pemBody +
		`|(?:bearer|basic|digest|negotiate)\s+[^\s",;]+|[^\s"'&;,\\]+))`,
}, "|"))

// Scrub returns text with everything that looks like a secret replaced. It is
// fit for a request's path: text without a hint of a secret costs a few
// nanoseconds a byte.
//
// What is found only behind the percent-encoding of a URL is shown without it.
func Scrub(text string) string {
	if plain, ok := unescaped(text); ok {
		if clean := scrub(plain); clean != plain {
			return clean
		}
	}
	return scrub(text)
}

func scrub(text string) string {
	if !mayHold(text) {
		return text
	}
	var b strings.Builder
	end := 0
	for _, at := range forms.FindAllStringSubmatchIndex(text, -1) {
		kept := at[1]
		for group := 2; group < len(at); group += 2 {
			if at[group+1] >= 0 {
				kept = at[group+1]
			}
		}
		if at[len(at)-1] >= 0 && isProse(text[at[len(at)-2]:kept], text[kept:at[1]]) {
			continue
		}
		b.WriteString(text[end:kept])
		b.WriteString(Redacted)
		end = at[1]
	}
	if end == 0 {
		return text
	}
	b.WriteString(text[end:])
	return b.String()
}

// isProse tells "redis.password: a secret does not belong here" from
// "password: letmein". Only a word of this list is let through.
func isProse(before, word string) bool {
	return strings.HasSuffix(before, ": ") && prose[word]
}

var prose = map[string]bool{
	"a": true, "an": true, "the": true, "not": true, "no": true, "file": true, "found": true, "open": true, "read": true, "stat": true,
	"lstat": true, "unknown": true, "has": true, "must": true, "cannot": true, "is": true, "was": true, "missing": true, "invalid": true,
}

// mayHold says whether text has what each form needs to match: a word, in any
// case, and what must follow it.
func mayHold(text string) bool {
	for i := range len(text) {
		for _, h := range hints[text[i]] {
			end := i + len(h.word)
			if end <= len(text) && strings.EqualFold(text[i:end], h.word) && h.followed(text[end:]) {
				return true
			}
		}
	}
	return false
}

// hint is a word that a form needs.
type hint struct {
	word string
	then byte // 0: anything, ' ': white space, '=': a separator, perhaps after a quote
}

func (h hint) followed(rest string) bool {
	switch h.then {
	case ' ':
		return rest != "" && strings.ContainsRune(" \t\n\f\r", rune(rest[0]))
	case '=':
		rest = strings.TrimLeft(rest, "\"'\\ \t\n\f\r")
		return rest != "" && (rest[0] == '=' || rest[0] == ':' || rest[0] == '%')
	default:
		return true
	}
}

// hints are the words by the bytes that they begin with. The last two are the
// characters that a pattern without case takes for s and k.
var hints = byFirstByte(map[byte][]string{
	0:   {"ghs_", "://", "$argon2", "eyj", "-----begin", "private+key", "\u017f", "\u212a"},
	' ': {"bearer", "basic", "digest", "negotiate"},
	'=': {
		"password", "passwd", "passphrase", "secret", "token", "cookie", "__host-gatehouse",
		"apikey", "api_key", "api-key", "accesskey", "access_key", "access-key",
		"privatekey", "private_key", "private-key", "signingkey", "signing_key", "signing-key",
	},
})

func byFirstByte(words map[byte][]string) (table [256][]hint) {
	for then, list := range words {
		for _, word := range list {
			lower, upper := word[0], word[0]
			if 'a' <= lower && lower <= 'z' {
				upper -= 'a' - 'A'
			}
			table[lower] = append(table[lower], hint{word, then})
			if upper != lower {
				table[upper] = append(table[upper], hint{word, then})
			}
		}
	}
	return table
}

// words of which a key is made that holds a secret, in any combination that
// ends in one of them: "db_password", "X-Api-Key", "sessionToken".
var words = []string{
	"password", "passwd", "passphrase", "secret", "token", "authorization", "cookie",
	"api_key", "apikey", "private_key", "access_key", "secret_key", "encryption_key", "signing_key", "pseudonym_key", "assertion_key",
	"credential", "credentials",
}

// secretKey says whether an attribute of this key is a secret by its name.
func secretKey(key string) bool {
	if !mayName(key) {
		return false
	}
	key = snake(key)
	for _, word := range words {
		if key == word || strings.HasSuffix(key, "_"+word) || strings.HasSuffix(key, "_"+word+"s") || key == word+"s" {
			return true
		}
	}
	return false
}

// mayName is false for keys that have none of the words, which are nearly all.
func mayName(key string) bool {
	for i := range len(key) {
		for _, stem := range stems[key[i]|0x20] {
			if len(key)-i >= len(stem) && strings.EqualFold(key[i:i+len(stem)], stem) {
				return true
			}
		}
	}
	return false
}

// stems has a part of each of words, by its first letter.
var stems = map[byte][]string{
	'p': {"passw", "passphrase"}, 's': {"secret"}, 't': {"token"}, 'a': {"authorization"}, 'c': {"cookie", "credential"}, 'k': {"key"},
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
