// Package code makes and reads the codes that a person writes down or is sent:
// recovery codes, and the tokens of links that reset a password.
//
// It promises 256 random bits a token and 120 a recovery code, in an alphabet
// without letters that look alike; and that what is stored of them opens
// nothing: a recovery code's hash is keyed with its owner and a key of the
// deployment, a token's is SHA-256. Using one once is the store's to promise.
package code

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

const (
	// Recoveries is how many recovery codes a person gets.
	Recoveries = 10
	// recoveryLetters of five bits each are in one: above the 112 bits from which a
	// plain hash keeps it (ASVS 5.0 6.5.2). formerLetters were in those of before.
	recoveryLetters = 24
	formerLetters   = 12
	group           = 4
	tokenBytes      = 32
)

// letters has no I, L, O or U (Crockford's base 32).
const letters = "0123456789abcdefghjkmnpqrstvwxyz"

// NewRecovery returns Recoveries new codes, such as "3f9k-77qp-x0zd-m2c8-5vgt-e1hb".
func NewRecovery() []string {
	codes := make([]string, Recoveries)
	for i := range codes {
		raw := make([]byte, recoveryLetters)
		_, _ = rand.Read(raw) // never fails: it ends the process instead
		var b strings.Builder
		for j, c := range raw {
			if j > 0 && j%group == 0 {
				b.WriteByte('-')
			}
			b.WriteByte(letters[c%byte(len(letters))]) // 256 is a multiple of 32: no bias
		}
		codes[i] = b.String()
	}
	return codes
}

// ReadRecovery returns the code that somebody typed, as NewRecovery wrote it:
// letter case, spaces and dashes do not count, and what looks alike is the same.
// It is false for what can be none.
func ReadRecovery(text string) (string, bool) {
	var b strings.Builder
	n := 0
	for _, c := range strings.ToLower(text) {
		switch c {
		case ' ', '-':
			continue
		case 'o':
			c = '0'
		case 'i', 'l':
			c = '1'
		}
		if !strings.ContainsRune(letters, c) || n >= recoveryLetters {
			return "", false
		}
		if n > 0 && n%group == 0 {
			b.WriteByte('-')
		}
		b.WriteRune(c)
		n++
	}
	return b.String(), n == recoveryLetters || n == formerLetters
}

// HashRecovery is what is stored of a user's recovery code. A stolen store does
// not give the codes away without the key.
func HashRecovery(key []byte, userID, recovery string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("gatehouse/recovery/v1\x00" + userID + "\x00" + recovery))
	return hex.EncodeToString(mac.Sum(nil))
}

// NewToken returns a token of 256 bits for a link or a cookie.
func NewToken() string {
	raw := make([]byte, tokenBytes)
	_, _ = rand.Read(raw) // never fails: it ends the process instead
	return base64.RawURLEncoding.EncodeToString(raw)
}

// IsToken says whether text can be a NewToken's.
func IsToken(text string) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return err == nil && len(raw) == tokenBytes
}

// HashToken is what is stored of a token.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// NewID names a thing to its owner; it opens nothing.
func NewID() string {
	raw := make([]byte, 10)
	_, _ = rand.Read(raw) // never fails
	return strings.ToLower(base32.StdEncoding.EncodeToString(raw))
}
